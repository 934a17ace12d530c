# SPDX-License-Identifier: MIT
"""A tracker that starts serves reads as soon as it has read the tables; all else waits for its first look at the cluster."""
import socket
import unittest

from cluster import Client, ClusterTest, wait_until


class Early(ClusterTest):
    nodes = 2
    options = {"conn_timeout": 8}

    def test_reads_do_not_wait_for_a_host_that_hangs(self):
        self.client.request("create_domain", domain="d")
        self.client.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
        self.client.upload("d", "k", b"some bytes", class_="two")
        wait_until(lambda: len(self.client.paths("d", "k")) == 2, what="both copies")
        self.client.close()
        tracker, hung = self.cluster.tracker, self.cluster.nodes[0]
        tracker.stop()
        hung.stop()
        with socket.create_server((hung.address, hung.port)):
            tracker.start(wait=False)

            def connected():
                try:
                    return Client(tracker.address, tracker.port)
                except OSError:
                    return None
            first = wait_until(connected, what="the tracker listens")
            others = [Client(tracker.address, tracker.port) for _ in range(3)]
            lost, writer, noop = others
            for c in [first] + others:
                self.addCleanup(c.close)
            lost.send("get_devices\r\n")
            writer.send("create_open domain=d&key=new\r\n")
            noop.send("noop\r\n")
            got = first.request("get_paths", domain="d", key="k", noverify=1, pathcount=5)
            self.assertEqual(got["paths"], "2")
            self.assertEqual(first.request("file_info", domain="d", key="k")["length"], "10")
            self.assertEqual(first.request("list_keys", domain="d")["key_1"], "k")
            self.assertEqual(len(first.admin("!queue")), 3)
            self.assertIn("Monitor has not completed initial run yet", "".join(first.admin("!want 1 replicate", bare_lf=True)))
            lost.close()
            self.assertTrue(noop.answer().ok)
            # What hangs is known by now.
            self.assertIn(self.cluster.nodes[1].url("/"), writer.answer().args["path"])
            paths = first.request("get_paths", domain="d", key="k", noverify=1, pathcount=5)
            self.assertEqual(paths["paths"], "1")
            self.assertIn(self.cluster.nodes[1].url("/"), paths["path1"])
        hung.start()


if __name__ == "__main__":
    unittest.main()
