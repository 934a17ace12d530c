# SPDX-License-Identifier: MIT
"""TLS between tracker and database, asked for by the DSN: used, and refused when the server is not who it should be."""
import collections
import os
import shutil
import tempfile
import unittest

from authority import Authority
from cluster import Tracker
from cutter import Budget, Cutter
from database import Server
from waiting import wait_until

WRONG_ADDRESS = "127.9.9.9"
Upstream = collections.namedtuple("Upstream", "address port")


class Tls:
    """What is the same on both; `kind`, `tls`, and how the server says that a connection is encrypted."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mogtest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        cls.ours, cls.others = (Authority(os.path.join(cls.folder, name), name) for name in ("ours", "others"))
        cls.database = Server(cls.kind, cls.folder)
        cls.addClassCleanup(cls.database.close)
        cls.server = cls.database.server
        cls.serve("127.0.0.1")

    @classmethod
    def serve(cls, address):
        """Have the server show a certificate for this address."""
        account = cls.server.account
        owner = None if os.geteuid() != 0 else account.pw_uid if cls.kind == "postgres" else 0
        cert, key = cls.ours.issue(address, owner)
        cls.server.options = cls.server_options(cert, key)
        cls.server.halt()
        cls.server.start()

    def tracker(self, dsn, label):
        options = self.database.options()
        options["db_dsn"] += ";" + dsn
        tracker = Tracker(self.folder, {**options, "query_jobs": 2}, label=label)
        self.addCleanup(tracker.kill)
        return tracker

    def assertRefused(self, dsn, label):
        with self.assertRaises(RuntimeError) as caught:
            self.tracker(dsn, label).start()
        self.assertRegex(str(caught.exception), "(?i)connect to database.*(TLS|SSL|certificate)")

    def test_without_a_check(self):
        tracker = self.tracker(self.asked, "unchecked").start()
        with tracker.client() as c:
            c.request("create_domain", domain="unchecked")
        self.assertTrue(self.encrypted())
        tracker.stop()

    def test_with_a_check(self):
        tracker = self.tracker(self.checked.format(ca=self.ours.cert), "checked").start()
        with tracker.client() as c:
            c.request("create_domain", domain="checked")
        self.assertTrue(self.encrypted())
        tracker.stop()

    def test_a_read_survives_a_lost_connection(self):
        budget = Budget()
        hop = Cutter(Upstream(self.server.host, self.server.port), budget)
        self.addCleanup(hop.close)
        tracker = self.tracker(f"{self.asked};port={hop.port}", "cut").start()
        with tracker.client() as c:
            c.request("create_domain", domain="cut")
            for i in range(5):
                self.assertERR(c.call("get_paths", domain="cut", key=f"k{i}"), "unknown_key")
                budget.arm(1, 0)
                self.assertERR(c.call("get_paths", domain="cut", key=f"k{i}"), "unknown_key")
                wait_until(lambda: budget.taken == 1, what="an answer was cut off")
        tracker.stop()

    def assertERR(self, answer, code):
        self.assertEqual(answer.code, code, answer)

    def test_another_authority(self):
        self.assertRefused(self.checked.format(ca=self.others.cert), "other")

    def test_another_address(self):
        self.serve(WRONG_ADDRESS)
        try:
            self.assertRefused(self.checked.format(ca=self.ours.cert), "address")
        finally:
            self.serve("127.0.0.1")


class TlsOfMariadb(Tls, unittest.TestCase):
    kind = "mariadb"
    asked = "mysql_ssl=1"
    checked = "mysql_ssl=1;mysql_ssl_ca_file={ca};mysql_ssl_verify_server_cert=1"

    @classmethod
    def server_options(cls, cert, key):
        return [f"--ssl-ca={cls.ours.cert}", f"--ssl-cert={cert}", f"--ssl-key={key}"]

    def setUp(self):
        # Nobody gets in without.
        self.database.execute("ALTER USER moguser@'%' REQUIRE SSL")

    def encrypted(self):
        return int(self.database.rows("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'")[0][1]) > 0

    def test_a_server_without_it(self):
        """It is not used in the clear, unless that is what was asked for."""
        with_tls = self.server.options
        self.database.execute("ALTER USER moguser@'%' REQUIRE NONE")
        self.server.options = ["--skip-ssl"]
        self.server.halt()
        self.server.start()
        try:
            self.assertRefused(self.asked, "clear")
            self.tracker(self.asked + ";mysql_ssl_optional=1", "optional").start().stop()
        finally:
            self.server.options = with_tls
            self.server.halt()
            self.server.start()

    def test_one_that_did_not_ask_is_refused_by_the_server(self):
        with self.assertRaises(RuntimeError) as caught:
            self.tracker("", "plain").start()
        self.assertIn("Access denied", str(caught.exception))


class TlsOfPostgres(Tls, unittest.TestCase):
    kind = "postgres"
    asked = "sslmode=require"
    checked = "sslmode=verify-full;sslrootcert={ca}"

    @classmethod
    def server_options(cls, cert, key):
        return ["-c", "ssl=on", "-c", f"ssl_cert_file={cert}", "-c", f"ssl_key_file={key}"]

    def encrypted(self):
        got = self.database.rows("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                                 "WHERE usename = 'moguser'")
        return got == [["t"]]


if __name__ == "__main__":
    unittest.main()
