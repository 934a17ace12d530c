# SPDX-License-Identifier: MIT
"""What one tracker keeps in memory, and when changes are seen: here, at another tracker, and while the database is gone."""
import time
import unittest

from cluster import ClusterTest, http, wait_until
from database import SERVER


class Cache(ClusterTest):
    nodes = 1

    def test_clear_cache_echoes_its_arguments(self):
        self.assertOK(self.client.call("clear_cache"))
        self.assertOK(self.client.call("clear_cache", all=1, callid=3), all=1, callid=3)
        self.assertOK(self.client.call("clear_cache", **{"a\0b": "c\0d", "a": 1}), **{"a\0b": "c\0d", "a": 1})

    def test_clear_cache_sees_changes_in_the_database(self):
        for i in range(10):
            self.cluster.database.execute(f"INSERT INTO domain (dmid, namespace) VALUES ({100 + i}, 'behind{i}')")
            self.client.request("clear_cache")
            self.assertERR(self.client.call("file_info", domain=f"behind{i}", key="k"), "unknown_key")
        self.cluster.database.execute("DELETE FROM domain WHERE dmid >= 100")
        self.client.request("clear_cache")

    def test_changes_in_the_database_are_seen_without_being_asked_for(self):
        self.cluster.database.execute("INSERT INTO domain (dmid, namespace) VALUES (150, 'unasked')")
        start = time.monotonic()
        wait_until(lambda: self.client.call("file_info", domain="unasked", key="k").code == "unknown_key")
        self.assertLess(time.monotonic() - start, 15)
        self.cluster.database.execute("DELETE FROM domain WHERE dmid = 150")
        wait_until(lambda: self.client.call("file_info", domain="unasked", key="k").code == "unreg_domain")

    def test_do_monitor_round(self):
        self.assertOK(self.client.call("do_monitor_round"))

    def test_replicate_now(self):
        self.client.admin("!want 0 job_master")
        wait_until(lambda: self.client.jobs()["replicate"]["count"] == 0)
        try:
            self.cluster.database.execute("DELETE FROM file_to_replicate")
            self.assertOK(self.client.call("replicate_now"), count=0)
            for fid, nexttry in ((901, 2000000000), (902, 2000000000), (903, 5)):
                self.cluster.database.execute("INSERT INTO file_to_replicate (fid, nexttry, failcount, flags) VALUES "
                                              f"({fid}, {nexttry}, 1, 0)")
            self.assertOK(self.client.call("replicate_now"), count=2)
            late = self.cluster.database.rows("SELECT fid FROM file_to_replicate WHERE nexttry >= 2000000000")
            self.assertEqual(late, [])
            self.cluster.database.execute("DELETE FROM file_to_replicate")
        finally:
            self.client.admin("!want 1 job_master")

    def test_sleep(self):
        start = time.monotonic()
        self.assertOK(self.client.call("sleep", duration="1.9"))
        self.assertGreater(time.monotonic() - start, 0.95)

    def test_refreshing_needs_a_monitor(self):
        self.client.admin("!want 0 monitor")
        wait_until(lambda: self.client.jobs()["monitor"]["count"] == 0)
        try:
            start = time.monotonic()
            self.assertERR(self.client.call("clear_cache"), "failure", "Operation failed")
            self.assertLess(time.monotonic() - start, 20)
            self.assertOK(self.client.call("noop"))
        finally:
            self.client.admin("!want 1 monitor")
        self.assertOK(self.client.call("clear_cache"))

    def test_many_at_once(self):
        """Commands that refresh share rounds, and each sees its own change."""
        clients = [self.cluster.client() for _ in range(12)]
        for i, c in enumerate(clients):
            c.send(f"create_domain domain=many{i}\r\n")
        for i, c in enumerate(clients):
            self.assertEqual(c.line(), b"OK domain=many%d" % i)
            c.close()
        for i in range(12):
            self.assertERR(self.client.call("file_info", domain=f"many{i}", key="k"), "unknown_key")


class TwoTrackers(ClusterTest):
    database = SERVER
    nodes, trackers = 1, 2

    def test_the_other_tracker_sees_it_soon(self):
        other = self.cluster.trackers[1].client()
        self.addCleanup(other.close)
        self.client.request("create_domain", domain="shared")
        wait_until(lambda: other.call("file_info", domain="shared", key="k").code == "unknown_key", seconds=20)
        self.client.request("create_class", domain="shared", mindevcount=1, **{"class": "one"})
        other.request("clear_cache")
        got = other.upload("shared", "k", b"by the other one", "one")
        self.assertEqual(self.client.request("file_info", domain="shared", key="k")["fid"], got["fid"])
        self.client.request("delete", domain="shared", key="k")
        self.assertEqual(other.call("file_info", domain="shared", key="k").code, "unknown_key")

    def test_an_upload_may_be_closed_at_the_other_tracker(self):
        name = self.domain(one=1)
        other = self.cluster.trackers[1].client()
        self.addCleanup(other.close)
        other.request("clear_cache")
        got = self.client.request("create_open", domain=name, key="k", **{"class": "one"})
        http("PUT", got["path"], b"x")
        self.assertOK(other.call("create_close", **{**got, "domain": name, "key": "k"}))
        self.assertOK(self.client.call("create_close", **{**got, "domain": name, "key": "k"}))

    def test_fids_do_not_collide(self):
        name = self.domain(one=1)
        clients = [t.client() for t in self.cluster.trackers]
        clients[1].request("clear_cache")
        fids = [c.request("create_open", domain=name, key="k")["fid"] for _ in range(20) for c in clients]
        self.assertEqual(len(set(fids)), 40)
        for c in clients:
            c.close()


class DatabaseDown(ClusterTest):
    database = SERVER
    nodes = 1

    def test_commands_while_the_database_is_gone(self):
        name = self.domain(one=1)
        self.client.upload(name, "k", b"x", "one")
        self.cluster.database.server.halt()
        try:
            for line in ("noop", "test", "get_domains", "get_hosts", "get_devices"):
                self.assertTrue(self.client.ask(line).ok, line)
            self.assertERR(self.client.ask("file_info"), "no_domain", "No domain provided")
            self.assertERR(self.client.call("file_info", domain="nope", key="k"), "unreg_domain",
                           "Domain name invalid/not found")
            self.assertERR(self.client.call("file_info", domain=name), "no_key")
            for command, args in (("file_info", {"key": "k"}), ("get_paths", {"key": "k"}), ("delete", {"key": "k"}),
                                  ("list_keys", {})):
                self.assertERR(self.client.call(command, domain=name, **args), "failure", "Operation failed")
            self.assertERR(self.client.call("create_open", domain=name, key="k"), "db", "Database error")
        finally:
            self.cluster.database.server.start()
        wait_until(lambda: self.client.call("file_info", domain=name, key="k").ok, what="it works again")
        self.client.upload(name, "k2", b"x", "one")
        self.assertEqual(self.client.keys(name), ["k", "k2"])


if __name__ == "__main__":
    unittest.main()
