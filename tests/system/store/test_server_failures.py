# SPDX-License-Identifier: MIT
"""A database server that refuses: read-only, out of connections, a row locked by somebody; and where the password may stand."""
import contextlib
import os
import shutil
import tempfile
import threading
import unittest

from cluster import ClusterTest, Tracker, wait_until
from database import Server


class Refusals(ClusterTest):
    """What is the same on both."""

    database = "mariadb"
    nodes = 1
    options = {"query_jobs": 12, "debug": 0}

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.client.upload(self.name, "k", b"abc", "one")

    def administer(self, *statements):
        """As an administrator."""
        for statement in statements:
            self.cluster.database.server.rows("", statement)

    def read_only(self, on):
        self.administer(f"SET GLOBAL read_only = {int(on)}")

    def many(self, n):
        """So many get_paths at once: their answers."""
        answers, lock = [], threading.Lock()

        def ask():
            with self.cluster.client(timeout=60) as c:
                got = c.call("get_paths", domain=self.name, key="k", noverify=1)
            with lock:
                answers.append(got)
        threads = [threading.Thread(target=ask) for _ in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return answers

    def check_read_only(self):
        self.read_only(True)
        try:
            self.assertERR(self.client.call("create_open", domain=self.name, key="new", **{"class": "one"}), "db",
                           "Database error")
            for command, args in (("delete", {"key": "k"}), ("rename", {"from_key": "k", "to_key": "l"}),
                                  ("updateclass", {"key": "k", "class": "default"})):
                self.assertERR(self.client.call(command, domain=self.name, **args), "failure", "Operation failed")
            self.assertERR(self.client.call("create_domain", domain="new"), "failure", "Operation failed")
            self.assertEqual(len(self.client.paths(self.name, "k")), 1)
            self.assertEqual(self.client.keys(self.name), ["k"])
            self.assertIn("read-only", self.cluster.tracker.log())
        finally:
            self.read_only(False)
        self.client.upload(self.name, "k", b"defg", "one")
        self.client.request("delete", domain=self.name, key="k")


class RefusalsOfMariadb(Refusals):
    def test_read_only(self):
        self.check_read_only()

    def test_too_many_connections(self):
        with contextlib.ExitStack() as taken:
            self.administer("SET GLOBAL max_connections = 10; KILL USER moguser")
            # All that are left are somebody else's; one more is kept for administrators.
            with contextlib.suppress(AssertionError, BrokenPipeError):
                for _ in range(10):
                    taken.enter_context(self.cluster.database.session()).rows("SELECT 1")
            answers = wait_until(lambda: [a for a in self.many(12) if not a.ok], what="some are refused")
            self.assertEqual({(a.code, a.text) for a in answers}, {("failure", "Operation failed")})
            self.assertTrue(self.client.call("noop").ok)
            self.assertIn("Too many connections", self.cluster.tracker.log())
            taken.pop_all().close()
        self.administer("SET GLOBAL max_connections = 300")
        wait_until(lambda: all(a.ok for a in self.many(12)), what="all are answered again")

    def test_a_row_that_is_locked(self):
        """The wait ends before the client's patience; others are served meanwhile."""
        self.client.upload(self.name, "free", b"abc", "one")
        dmid = self.cluster.database.rows(f"SELECT dmid FROM domain WHERE namespace = '{self.name}'")[0][0]
        with self.cluster.database.session() as other, self.cluster.client() as second:
            other.rows("BEGIN")
            other.rows(f"SELECT fid FROM file WHERE dkey = 'k' AND dmid = {dmid} FOR UPDATE")
            self.client.send(f"delete domain={self.name}&key=k\r\n")
            second.request("rename", domain=self.name, from_key="free", to_key="a")
            self.assertEqual(len(second.paths(self.name, "k", noverify=1)), 1)
            self.assertERR(self.client.answer(), "failure", "Operation failed")
            other.rows("COMMIT")
        self.client.request("delete", domain=self.name, key="k")


class RefusalsOfPostgres(Refusals):
    database = "postgres"

    def test_read_only(self):
        self.check_read_only()

    def read_only(self, on):
        self.administer(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}",
                        "SELECT pg_reload_conf()")
        wait_until(lambda: self.cluster.database.rows("SHOW default_transaction_read_only") == [["on" if on else "off"]])
        # The server's processes look at it when they are next idle.
        wait_until(lambda: self.client.call("create_open", domain=self.name, key="new", **{"class": "one"}).ok != on)

    def test_too_many_connections(self):
        try:
            self.administer("ALTER ROLE moguser CONNECTION LIMIT 1",
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'moguser'")
            refused = wait_until(lambda: [a for a in self.many(12) if not a.ok],
                                 what="some are refused")
            self.assertEqual({(a.code, a.text) for a in refused}, {("failure", "Operation failed")})
        finally:
            self.administer("ALTER ROLE moguser CONNECTION LIMIT -1")
        wait_until(lambda: all(a.ok for a in self.many(12)), what="all are answered again")


class Passwords(unittest.TestCase):
    """In the configuration, in a file, in the environment, in this order; and wrong."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mogtest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.database = Server("mariadb", cls.folder)
        cls.addClassCleanup(cls.database.close)

    def file(self, text):
        path = os.path.join(self.folder, "password")
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, env=None, **options):
        tracker = Tracker(self.folder, {**self.database.options(), "db_pass": None, "query_jobs": 1, **options},
                          label=self._testMethodName, env=env)
        self.addCleanup(tracker.kill)
        tracker.start()
        with tracker.client() as c:
            self.assertTrue(c.call("clear_cache").ok)
        tracker.stop()

    def test_places(self):
        wrong, right = {"MOGILEFS_DB_PASS": "wrong"}, {"MOGILEFS_DB_PASS": "mogpass"}
        self.start(db_pass_file=self.file("mogpass\n"))
        self.start(db_pass_file=self.file("mogpass\r\nand what follows\n"), env=wrong)
        self.start(env=right)
        self.start(db_pass="mogpass", db_pass_file=self.file("wrong\n"), env=wrong)

    def test_wrong(self):
        for more in ({"db_pass": "wrong"}, {"db_pass_file": self.file("wrong\n")}, {"env": {"MOGILEFS_DB_PASS": "wrong"}},
                     {}):
            with self.assertRaises(RuntimeError) as caught:
                self.start(**more)
            self.assertIn("Access denied for user 'moguser'", str(caught.exception))
        with self.assertRaises(RuntimeError) as caught:
            self.start(db_pass_file=os.path.join(self.folder, "absent"))
        self.assertIn("db_pass_file", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
