# SPDX-License-Identifier: MIT
"""Commands and conditions that fit nowhere else: httpcopy, utilisation, hung nodes, switches."""
import signal
import time
import unittest

from cluster import ClusterTest, http, wait_until
from waiting import freeze


class HttpCopy(ClusterTest):
    nodes = 3

    def test_httpcopy(self):
        name = self.domain(one=1)
        up = self.client.upload(name, "k", b"some data", "one")
        source = int(up["devid"])
        dest = next(d for d in (1, 2, 3) if d != source)
        self.assertOK(self.client.call("httpcopy", sdevid=source, ddevid=dest, fid=up["fid"]))
        devids = self.client.request("file_info", domain=name, key="k", devices=1)["devids"]
        self.assertEqual({int(d) for d in devids.split(",")}, {source, dest})
        debug = self.client.request("file_debug", fid=up["fid"])
        self.assertEqual(http("GET", debug[f"devpath_{dest}"])[2], b"some data")
        self.assertFalse(self.client.call("httpcopy", sdevid=source, ddevid=dest).ok)
        self.assertEqual(self.client.call("httpcopy", sdevid=source, ddevid=99, fid=up["fid"]).code, "copy_err")
        self.assertEqual(self.client.call("httpcopy", sdevid=99, ddevid=dest, fid=up["fid"]).code, "copy_err")
        other = next(d for d in (1, 2, 3) if d not in (source, dest))
        self.assertERR(self.client.call("httpcopy", sdevid=other, ddevid=dest, fid=up["fid"]), "copy_err", "src_error")

    def test_edit_file_is_not_there(self):
        self.assertERR(self.client.call("edit_file", domain="d", key="k"), "unknown_command", "Unknown server command")


class Utilisation(ClusterTest):
    nodes = 2
    env = {"TESTING": "1", "T_FAKE_IO_DEV1": "95", "T_FAKE_IO_DEV2": "5"}

    def test_the_idle_device_comes_first(self):
        name = self.domain(two=2)
        self.client.upload(name, "k", b"x", "two")
        wait_until(lambda: len(self.client.paths(name, "k")) == 2, what="two copies")
        wait_until(lambda: [self.cluster.devices()[d]["utilization"][:2] for d in (1, 2)] == ["95", "5."] or
                   [self.cluster.devices()[d]["utilization"] for d in (1, 2)] == ["95", "5"], what="utilisation is seen")
        firsts = [self.client.paths(name, "k", noverify=1)[0] for _ in range(300)]
        busy = sum("/dev1/" in url for url in firsts)
        self.assertLess(busy, 45)


class HungNode(ClusterTest):
    """A node that accepts connections and never answers."""

    nodes = 3

    def test_clients_are_answered_in_time(self):
        name = self.domain(three=3)
        self.client.upload(name, "k", b"x", "three")
        wait_until(lambda: len(self.client.paths(name, "k", pathcount=3)) == 3, what="three copies")
        hung = self.cluster.nodes[:2]
        for node in hung:
            freeze(node.pid)
        try:
            slowest = 0
            end = time.monotonic() + 10
            while time.monotonic() < end:
                for call in (lambda: self.client.call("get_paths", domain=name, key="k", pathcount=3),
                             lambda: self.client.call("create_open", domain=name, key="n", multi_dest=1),
                             lambda: self.client.call("noop")):
                    begin = time.monotonic()
                    self.assertTrue(call().ok)
                    slowest = max(slowest, time.monotonic() - begin)
                time.sleep(0.1)
            self.assertLess(slowest, 3, "a client of the original gives up after three seconds")
            wait_until(lambda: [self.cluster.node_of(u) for u in self.client.paths(name, "k", pathcount=3)] ==
                       [self.cluster.nodes[2]], what="only the node that answers is named")
            begin = time.monotonic()
            self.client.request("clear_cache")
            self.assertLess(time.monotonic() - begin, 8)
        finally:
            for node in hung:
                node.process.send_signal(signal.SIGCONT)
        self.cluster.wait_writeable([1, 2, 3])

    def test_replication_goes_on_elsewhere(self):
        name = self.domain(two=2)
        hung = self.cluster.nodes[0]
        freeze(hung.pid)
        try:
            def offered():
                got = self.client.request("create_open", domain=name, key="n", multi_dest=1)
                return [v for k, v in got.items() if k.startswith("path_")]
            wait_until(lambda: not any(u.startswith(hung.url("/")) for u in offered()), what="it is not offered")
            self.client.upload(name, "k", b"x", "two")
            wait_until(lambda: self.client.request("file_info", domain=name, key="k")["devcount"] == "2",
                       what="two copies on the others")
        finally:
            hung.process.send_signal(signal.SIGCONT)
        self.cluster.wait_writeable(hung.devices)


class Switches(ClusterTest):
    nodes = 2
    env = {"T_TEMPFILE_TOO_OLD": "1"}

    def test_skip_devcount(self):
        name = self.domain(two=2)
        self.client.request("set_server_setting", key="skip_devcount", value=1)
        self.client.request("clear_cache")
        self.client.upload(name, "k", b"x", "two")
        wait_until(lambda: len(self.client.paths(name, "k")) == 2, what="two copies")
        self.assertEqual(self.client.request("file_info", domain=name, key="k")["devcount"], "1")
        self.client.request("set_server_setting", key="skip_devcount", value=0)
        self.client.request("clear_cache")

    def test_uploads_that_were_given_up(self):
        name = self.domain(one=1)
        got = self.client.request("create_open", domain=name, key="k")
        http("PUT", got["path"], b"x")
        wait_until(lambda: http("GET", got["path"])[0] == 404, what="its bytes are deleted")
        self.assertERR(self.client.call("create_close", **{**got, "domain": name, "key": "k"}), "no_temp_file",
                       "No tempfile or file already closed")


if __name__ == "__main__":
    unittest.main()
