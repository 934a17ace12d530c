# SPDX-License-Identifier: MIT
"""What the hot path costs the database: statements of each command, counted by the server itself."""
import unittest

from cluster import ClusterTest, http, wait_until

ROUNDS = 20


class RoundTrips(ClusterTest):
    database = "mariadb"
    nodes = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as c:
            c.request("create_domain", domain="d")
            c.request("create_class", domain="d", mindevcount=1, **{"class": "one"})
            # Nobody else may ask the database meanwhile.
            for job in ("job_master", "reaper", "monitor"):
                c.admin(f"!want 0 {job}")
            wait_until(lambda: all(j["count"] == 0 for name, j in c.jobs().items() if name != "queryworker"))
            c.admin("!want 1 queryworker")
            wait_until(lambda: c.jobs()["queryworker"]["count"] == 1)

    def statements(self):
        """Statements so far, this one left out."""
        self.asked = getattr(self, "asked", 0) + 1
        rows = self.cluster.database.rows("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(rows[0][1])

    def cost(self, command, *args, **more):
        """Statements of one call, the average of some."""
        command(0, *args, **more)  # prepares statements, opens connections
        own = self.statements()
        own = self.statements() - own
        before = self.statements()
        for i in range(1, ROUNDS + 1):
            command(i, *args, **more)
        return (self.statements() - before - own) / ROUNDS

    def test_reading(self):
        self.client.upload("d", "read", b"x", "one")
        for name, call in (("get_paths", lambda _: self.client.request("get_paths", domain="d", key="read", noverify=1)),
                           ("get_paths of no key", lambda _: self.client.call("get_paths", domain="d", key="absent")),
                           ("file_info", lambda _: self.client.request("file_info", domain="d", key="read", devices=1)),
                           ("list_keys", lambda _: self.client.request("list_keys", domain="d")),
                           ("list_fids", lambda _: self.client.request("list_fids"))):
            self.assertLessEqual(self.cost(call), 1, name)

    def test_lookups_that_come_together(self):
        """While the one worker sleeps ten lookups gather; they cost one statement for each kind of domain."""
        for i in range(10):
            self.client.upload("d", f"together{i}", b"x", "one")
        clients = [self.cluster.client() for _ in range(10)]
        for c in clients:
            self.addCleanup(c.close)

        def all_at_once(_):
            self.client.send("sleep duration=1\r\n")
            for i, c in enumerate(clients):
                c.send(f"get_paths domain=d&key=together{i}&noverify=1\r\n")
            with self.cluster.client() as other:
                wait_until(lambda: len(other.admin("!queue")) == 10, what="ten requests wait")
            self.assertTrue(self.client.answer().ok)
            for c in clients:
                self.assertEqual(c.answer().args["paths"], "1")
        all_at_once(0)
        own = self.statements()
        own = self.statements() - own
        before = self.statements()
        all_at_once(1)
        self.assertEqual(self.statements() - before - own, 1)

    def test_nothing_to_ask(self):
        for line in ("noop", "get_domains", "get_hosts", "get_devices", "get_paths domain=nope&key=x", "delete domain=d"):
            self.assertEqual(self.cost(lambda _, text=line: self.client.ask(text)), 0, line)

    def test_uploading(self):
        opened = []

        def create_open(i):
            opened.append(self.client.request("create_open", domain="d", key=f"k{i}", **{"class": "one"}))

        def create_close(i):
            got = opened[i]
            self.client.request("create_close", **{**got, "domain": "d", "key": f"k{i}", "size": 1})
        self.assertLessEqual(self.cost(create_open), 1)
        for got in opened:
            http("PUT", got["path"], b"x")
        cost = self.cost(create_close)
        self.assertLessEqual(cost, 7, "one read, and one transaction of few statements")

    def test_changing(self):
        for i in range(ROUNDS + 1):
            self.client.upload("d", f"c{i}", b"x", "one")
        self.assertLessEqual(self.cost(lambda i: self.client.request("rename", domain="d", from_key=f"c{i}",
                                                                     to_key=f"r{i}")), 1)
        self.assertLessEqual(self.cost(lambda i: self.client.request("delete", domain="d", key=f"r{i}")), 5)


if __name__ == "__main__":
    unittest.main()
