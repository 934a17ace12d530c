# SPDX-License-Identifier: MIT
"""db_limit, the bare database that scripts/bench compares with: each mode on MariaDB, and what it refuses."""
import os
import subprocess
import tempfile
import unittest

from daemon import BIN
from database import open_database
from waiting import free_port

PROGRAM = os.path.join(os.path.abspath(BIN), "..", "tests", "db_limit")


def db_limit(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


class Modes(unittest.TestCase):
    def test_modes(self):
        with tempfile.TemporaryDirectory() as folder:
            database = open_database("mariadb", folder)
            self.addCleanup(database.close)
            account = (f"--port={database.server.port}", "--database=mogdb", "--user=moguser", "--password=mogpass",
                       "--threads=3", "--keys=150")
            for mode in ("lookup", "list", "open", "close", "delete"):
                done = db_limit(mode, *account, "--seconds=1")
                self.assertEqual((done.returncode, done.stderr), (0, ""), mode)
                got = dict(field.split("=") for field in done.stdout.split())
                self.assertEqual((got["mode"], got["threads"], got["errors"]), (mode, "3", "0"))
                self.assertGreater(int(got["operations"]), 0, mode)
                self.assertGreater(float(got["per_second"]), 0, mode)
                self.assertLessEqual(int(got["p50_us"]), int(got["max_us"]), mode)
            paced = db_limit("lookup", *account, "--seconds=2", "--rate=50")
            self.assertEqual((paced.returncode, paced.stderr), (0, ""))
            self.assertIn(int(dict(field.split("=") for field in paced.stdout.split())["operations"]), range(50, 101))
            left = database.rows("SELECT (SELECT COUNT(*) >= 150 FROM file), (SELECT COUNT(*) FROM tempfile), "
                                 "(SELECT COUNT(*) FROM file_to_replicate), (SELECT COUNT(*) FROM file_to_delete2)")
            self.assertEqual(left, [["1", "0", "0", "0"]])


class Refused(unittest.TestCase):
    def refused(self, text, *args, status=2):
        done = db_limit(*args)
        self.assertEqual((done.returncode, done.stdout), (status, ""), args)
        self.assertIn(text, done.stderr)

    def test_options(self):
        self.refused("usage: db_limit MODE")
        self.refused("usage: db_limit MODE", "lookup", "list")
        self.refused("unknown mode 'x'", "x")
        for option, bad in (("threads", ("0", "1001", "x", "-1")), ("seconds", ("0", "3601", "1.5")),
                            ("keys", ("0", "99999999999999999999")), ("domain-id", ("-1", "65536")),
                            ("rate", ("0", "10000001", "fast")), ("port", ("0", "65536", "http"))):
            for value in bad:
                self.refused(f"option --{option}: '{value}'", "lookup", f"--{option}={value}")
        self.refused("a value is needed", "lookup", "--prefix=")
        self.refused("the prefix must have", "lookup", "--prefix=" + "x" * 181)
        self.refused("exclude each other", "lookup", "--host=127.0.0.1", "--socket=/nowhere/sock")
        self.refused("unknown option --bogus", "lookup", "--bogus")

    def test_no_server(self):
        self.refused("cannot connect", "lookup", f"--port={free_port()}", status=1)
        self.refused("cannot connect", "lookup", "--socket=/nowhere/sock", status=1)


if __name__ == "__main__":
    unittest.main()
