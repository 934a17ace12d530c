# SPDX-License-Identifier: MIT
"""get_paths: which URLs, in which order, and when a copy is left out."""
import os
import unittest

from cluster import ClusterTest, wait_until


class Paths(ClusterTest):
    nodes = 3

    def setUp(self):
        super().setUp()
        self.name = self.domain(three=3)

    def stored(self, key, copies=3, data=b"data of the file"):
        """Upload, and wait for the copies: {devid: url}."""
        self.client.upload(self.name, key, data, "three")
        wait_until(lambda: len(self.client.paths(self.name, key, pathcount=9)) == copies,
                   what=f"{key} has {copies} copies")
        debug = self.client.request("file_debug", domain=self.name, key=key)
        return {int(k[8:]): v for k, v in debug.items() if k.startswith("devpath_")}

    def test_arguments(self):
        for args, code, text in (
                ("key=a", "no_domain", "No domain provided"),
                ("domain=absent&key=a", "unreg_domain", "Domain name invalid/not found"),
                (f"domain={self.name}", "no_key", None), (f"domain={self.name}&key=", "no_key", None),
                (f"domain={self.name}&key=absent", "unknown_key", None),
                (f"domain={self.name}&key=absent&noverify=1", "unknown_key", None)):
            self.assertERR(self.client.ask("get_paths " + args), code, text)

    def test_pathcount(self):
        all_urls = set(self.stored("k").values())
        for count, expected in ((None, 2), ("", 2), ("0", 2), ("1", 2), ("-3", 2), ("abc", 2), ("2", 2), ("3", 3),
                                ("99", 3)):
            paths = self.client.paths(self.name, "k", pathcount=count)
            self.assertEqual(len(paths), expected, count)
            self.assertEqual(len(set(paths)), expected)
            self.assertLessEqual(set(paths), all_urls)

    def test_no_copy_at_all_is_not_an_error(self):
        self.stored("none")
        self.cluster.database.execute("DELETE FROM file_on")
        for noverify in (0, 1):
            self.assertOK(self.client.call("get_paths", domain=self.name, key="none", noverify=noverify), paths=0)

    def test_the_first_path_is_verified(self):
        urls = self.stored("verified")
        bad = urls[2]
        node = self.cluster.node_of(bad)
        os.truncate(node.file_of(bad), 3)
        for _ in range(30):
            self.assertNotEqual(self.client.paths(self.name, "verified")[0], bad)
        firsts = {self.client.paths(self.name, "verified", noverify=1)[0] for _ in range(60)}
        self.assertIn(bad, firsts, "noverify does not look at the copies")
        os.remove(node.file_of(bad))
        for _ in range(30):
            self.assertNotEqual(self.client.paths(self.name, "verified")[0], bad)

    def test_all_copies_bad(self):
        for url in self.stored("allbad").values():
            os.truncate(self.cluster.node_of(url).file_of(url), 1)
        self.assertEqual(self.client.paths(self.name, "allbad"), [])
        self.assertEqual(len(self.client.paths(self.name, "allbad", noverify=1)), 2)

    def test_the_order_follows_the_weights(self):
        urls = self.stored("weights")
        try:
            for devid, weight in ((1, 1000), (2, 1), (3, 1)):
                self.client.request("set_weight", host=f"node{devid}", device=devid, weight=weight)
            firsts = [self.client.paths(self.name, "weights", noverify=1)[0] for _ in range(100)]
            # Utilisation that a storage node reports goes before the weight.
            if not any(row["utilization"] for row in self.cluster.devices().values()):
                self.assertGreater(firsts.count(urls[1]), 80)
            self.client.request("set_weight", host="node1", device=1, weight=0)
            self.assertEqual(len(self.client.paths(self.name, "weights", pathcount=3)), 3)
        finally:
            for devid in (1, 2, 3):
                self.client.request("set_weight", host=f"node{devid}", device=devid, weight=100)

    def test_every_copy_comes_first_now_and_then(self):
        urls = self.stored("spread")
        self.assertEqual({self.client.paths(self.name, "spread")[0] for _ in range(100)}, set(urls.values()))

    def test_draining_devices_come_last(self):
        urls = self.stored("drain")
        self.client.admin("!want 0 replicate")
        try:
            self.client.request("set_state", host="node2", device=2, state="drain")
            for _ in range(20):
                self.assertEqual(self.client.paths(self.name, "drain", pathcount=3)[-1], urls[2])
                self.assertNotIn(urls[2], self.client.paths(self.name, "drain", pathcount=2))
        finally:
            self.client.request("set_state", host="node2", device=2, state="alive")
            self.client.admin("!want 2 replicate")

    def test_devices_that_cannot_be_read(self):
        urls = self.stored("down")
        try:
            for state in ("down", "dead"):
                self.client.request("set_state", host="node1", device=1, state=state)
                self.assertEqual(set(self.client.paths(self.name, "down", pathcount=9)), {urls[2], urls[3]})
            for devid in (2, 3):
                self.client.request("set_state", host=f"node{devid}", device=devid, state="down")
            only = self.client.paths(self.name, "down", pathcount=9)
            self.assertEqual(len(only), 1, "with no readable copy, one of the others is better than none")
            self.assertIn(only[0], urls.values())
        finally:
            for devid in (1, 2, 3):
                self.client.request("set_state", host=f"node{devid}", device=devid, state="down")
                self.client.request("set_state", host=f"node{devid}", device=devid, state="alive")
            self.cluster.wait_writeable([1, 2, 3])

    def test_a_host_that_is_readonly_still_serves(self):
        urls = self.stored("readonly")
        try:
            self.client.request("update_host", host="node3", status="readonly")
            self.cluster.wait_observed(3, "readable", "writeable")
            self.assertEqual(set(self.client.paths(self.name, "readonly", pathcount=9)), set(urls.values()))
            self.client.request("update_host", host="node3", status="down")
            self.assertNotIn(urls[3], self.client.paths(self.name, "readonly", pathcount=9))
        finally:
            self.client.request("update_host", host="node3", status="alive")
            self.cluster.wait_writeable([3])

    def test_the_port_for_reading(self):
        urls = self.stored("getport")
        node = self.cluster.nodes[0]
        try:
            self.client.request("update_host", host="node1", getport=node.port + 1)
            debug = self.client.request("file_debug", domain=self.name, key="getport")
            self.assertEqual(debug["devpath_1"], urls[1].replace(f":{node.port}/", f":{node.port + 1}/"))
            self.assertEqual(debug["devpath_2"], urls[2])
        finally:
            self.client.request("update_host", host="node1", getport="")
            self.cluster.wait_writeable([1])

    def test_a_copy_on_a_device_that_nobody_knows(self):
        urls = self.stored("strange")
        self.cluster.database.execute("UPDATE file_on SET devid = 4711 WHERE devid = 3")
        self.assertEqual(set(self.client.paths(self.name, "strange", pathcount=9)), {urls[1], urls[2]})


class PathsOnMariadb(Paths):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
