# SPDX-License-Identifier: MIT
"""The monitor against storage nodes that fail, hang, or answer otherwise than ours do."""
import threading
import time
import unittest

from cluster import ClusterTest, free_port, wait_until
from fake_cluster import FakeNodesTest
from fake_node import HungNode


class OddMonitor(FakeNodesTest):
    def test_an_empty_device_has_used_0(self):
        self.fakes[0].set_usage(500 * 1024, 0)
        self.cluster.database.execute("UPDATE device SET mb_asof=0 WHERE devid=1")
        wait_until(lambda: (self.observed(1)["mb_total"], self.observed(1)["mb_used"]) == ("500", "0"))
        self.fakes[0].set_usage(1000 * 1024, 100 * 1024)
        self.cluster.database.execute("UPDATE device SET mb_asof=0 WHERE devid=1")
        wait_until(lambda: self.observed(1)["mb_used"] == "100")

    def test_a_usage_file_that_says_nothing(self):
        with self.cluster.client() as watcher:
            watcher.admin("!watch")
            before = self.fakes[1].usage
            self.fakes[1].usage = b"total: 0\nused: x\n"
            try:
                while b"dev2 reports used = x, total = 0, content-length: 17, error?" not in watcher.line():
                    pass
                self.assertEqual(self.observed(2)["observed_state"], "writeable")
            finally:
                self.fakes[1].usage = before

    def test_only_a_refusal_means_that_bad_md5s_are_rejected(self):
        def rejects(status):
            self.fakes[0].rules.clear()
            self.fakes[0].rule("PUT", "/test-md5", status)
            self.client.request("set_state", host="h1", device=1, state="down")
            self.client.request("set_state", host="h1", device=1, state="alive")
            self.cluster.wait_writeable([1])
            return self.observed(1)["reject_bad_md5"]
        self.assertEqual([rejects(status) for status in (201, 500, 400, 507, 503, 201)],
                         ["0", "0", "1", "1", "1", "0"])

    def test_a_device_set_down_forgets_what_was_seen(self):
        self.client.request("set_state", host="h1", device=1, state="down")
        wait_until(lambda: self.observed(1)["observed_state"] == "")
        self.fakes[0].rule("PUT", "/test-write-", 507)
        self.client.request("set_state", host="h1", device=1, state="alive")
        self.assertEqual(self.observed(1)["observed_state"], "readable", "not what it was before it went down")
        self.fakes[0].rules.clear()
        self.client.request("set_state", host="h1", device=1, state="down")
        self.client.request("set_state", host="h1", device=1, state="alive")
        self.assertEqual(self.observed(1)["observed_state"], "writeable")

    def test_what_does_not_speak_http_is_not_reachable(self):
        def garbage(handler):
            handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            handler.close_connection = True
        self.fakes[0].rule("GET", "/usage", garbage)
        wait_until(lambda: self.observed(1)["observed_state"] == "unreachable")

        def told():
            return self.cluster.tracker.log().count("monitor: dev1 is writeable again\n")
        before = told()
        self.fakes[0].rules.clear()
        wait_until(lambda: self.observed(1)["observed_state"] == "writeable")
        wait_until(lambda: told() == before + 1, what="who reads of the trouble reads of its end")

    def test_utilisation_that_is_not_to_be_had_is_not_asked_for_at_once_again(self):
        calls = []

        def refuse(handler, line):
            calls.append(line)
            handler.wfile.write(b"ERR iostat unavailable\r\n")
            return False
        for fake in self.fakes:
            fake.side_answer = refuse
        self.cluster.tracker.stop()
        self.cluster.tracker.start()
        self.client = self.cluster.client()
        wait_until(lambda: len(calls) == 2, what="both nodes are asked")
        end = time.monotonic() + 4
        wait_until(lambda: time.monotonic() > end)
        self.assertEqual(calls, ["watch"] * 2)


class HungDisks(FakeNodesTest):
    """A node of which one disk hangs: the others are used all the same, and that one is not."""

    def check(self, hung, other):
        """Host h1 alone takes files now."""
        release = threading.Event()

        def hang(_):
            release.wait(60)
            return False
        self.fakes[0].rule("GET", f"/dev{hung}/usage", hang)
        try:
            wait_until(lambda: self.observed(hung)["observed_state"] == "unreachable" and
                       self.observed(other)["observed_state"] == "writeable")
            wait_until(lambda: self.client.call("create_open", domain=self.name, **{"class": "one"}, key="k").ok)
            end = time.monotonic() + 6  # two rounds and more
            while time.monotonic() < end:
                opened = self.client.request("create_open", domain=self.name, **{"class": "one"}, key="k")
                self.assertEqual(opened["devid"], str(other))
                time.sleep(0.1)
        finally:
            self.fakes[0].rules.clear()
            release.set()
        self.cluster.wait_writeable([hung, other])

    def test_a_disk_that_hangs_costs_no_other(self):
        self.client.request("create_device", devid=11, hostname="h1")
        self.client.request("set_state", host="h2", device=2, state="readonly")
        self.cluster.wait_writeable([1, 11])
        self.check(11, 1)
        self.check(1, 11)

    def test_a_host_comes_back_without_the_disk_that_hangs(self):
        """All that it has did not answer for a while; then one disk does, and the other one, which is asked first, does not."""
        self.client.call("set_state", host="h1", device=11, state="down")  # of the other test
        self.client.request("create_device", devid=12, hostname="h1")
        self.cluster.wait_writeable([1, 12])
        release = {devid: threading.Event() for devid in (1, 12)}

        def hang(devid):
            def answer(_):
                release[devid].wait(120)
                return False
            return answer
        for devid in release:
            self.fakes[0].rule("GET", f"/dev{devid}/usage", hang(devid))
        try:
            wait_until(lambda: all(self.observed(d)["observed_state"] == "unreachable" for d in (1, 12)), 60)
            time.sleep(6)  # two rounds and more
            release[12].set()
            wait_until(lambda: self.observed(12)["observed_state"] == "writeable", 60, "dev12 is back")
        finally:
            self.fakes[0].rules.clear()
            for event in release.values():
                event.set()


class HungHosts(ClusterTest):
    """Twenty hosts of four devices each that take connections and say nothing."""

    nodes = 1
    options = {"conn_timeout": 2}

    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.hung = [HungNode(port) for _ in range(20)]
        super().setUpClass()
        with cls.cluster.client() as c:
            for i, node in enumerate(cls.hung):
                cls.cluster.database.execute(
                    "INSERT INTO host (hostid, status, http_port, hostname, hostip) "
                    f"VALUES ({100 + i}, 'alive', {port}, 'hung{i}', '{node.address}')")
                for k in range(4):
                    cls.cluster.database.execute("INSERT INTO device (devid, hostid, status) "
                                                 f"VALUES ({1000 + 10 * i + k}, {100 + i}, 'alive')")
            c.request("clear_cache")

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            for node in cls.hung:
                node.close()

    def test_they_do_not_delay_news_of_the_others(self):
        node = self.cluster.nodes[0]
        for _ in range(2):
            node.stop()
            self.cluster.wait_observed(1, "unreachable")
            node.start()
            start = time.monotonic()
            self.cluster.wait_observed(1, "writeable")
            self.assertLess(time.monotonic() - start, 12)
        start = time.monotonic()
        self.client.request("clear_cache")
        self.assertLess(time.monotonic() - start, 9, "a refresh waits for two rounds at most")
        self.assertEqual(self.client.request("create_domain", domain="d"), {"domain": "d"})


if __name__ == "__main__":
    unittest.main()
