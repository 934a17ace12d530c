# SPDX-License-Identifier: MIT
"""What the tracker knows of the database: rows that go, a database that hangs, settings of a signal."""
import os
import signal
import time
import unittest

from cluster import ClusterTest, wait_until
from waiting import freeze


class Rows(ClusterTest):
    def test_the_default_class_outlives_its_row(self):
        name = self.domain()
        self.client.request("update_class", domain=name, **{"class": "default"}, mindevcount=4)

        def classes():
            got = self.client.request("get_domains")
            i = next(k[6:] for k, v in got.items() if v == name)
            return {got[f"domain{i}class{j}name"]: got[f"domain{i}class{j}mindevcount"]
                    for j in range(1, int(got[f"domain{i}classes"]) + 1)}
        self.assertEqual(classes(), {"default": "4"})
        self.cluster.database.execute("DELETE FROM class WHERE classid=0")
        self.client.request("clear_cache")
        self.assertEqual(classes(), {"default": "2"})

    def test_want_outlives_a_reload(self):
        self.client.admin("!want 7 queryworker")
        self.client.admin("!want 0 fsck")
        self.cluster.tracker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "config: read again" in self.cluster.tracker.log())
        wait_until(lambda: self.client.jobs()["queryworker"]["count"] == 7)
        self.assertEqual(self.client.jobs()["fsck"]["desired"], 0)


class HungDatabase(ClusterTest):
    database = "mariadb"
    nodes = 1

    def test_what_needs_no_database_is_answered(self):
        name = self.domain(one=1)
        self.client.upload(name, "k", b"abc", class_="one")
        pid = self.cluster.database.server.process.pid
        freeze(pid)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        start = time.monotonic()
        for command in ("noop", "get_domains", "get_hosts", "get_devices", "test"):
            self.assertTrue(self.client.ask(command).ok)
        self.assertTrue(self.client.call("get_paths", domain="nowhere", key="k").code == "unreg_domain")
        self.assertLess(time.monotonic() - start, 3)
        self.assertIn("uptime", self.client.stats())
        answer = self.client.call("clear_cache")
        self.assertEqual(answer.code, "failure")
        self.assertLess(time.monotonic() - start, 15)
        # The monitor has given up on it and goes on looking at the nodes.
        wait_until(lambda: "Cannot connect to master database!" in self.cluster.tracker.log())
        self.cluster.nodes[0].stop()
        wait_until(lambda: self.cluster.devices()[1]["observed_state"] == "unreachable")
        self.cluster.nodes[0].start()
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: self.client.call("file_info", domain=name, key="k").ok, 60, "it works again")
        self.cluster.wait_writeable([1])
        self.client.upload(name, "k2", b"abc", class_="one")


if __name__ == "__main__":
    unittest.main()
