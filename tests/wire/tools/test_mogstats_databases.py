# SPDX-License-Identifier: MIT
"""mogstats counts the same rows on every database, and prints the same."""
import sqlite3
import tempfile
import unittest

from daemon import run
from database import Server
from fake_tracker import tool_env

FIXED = 1_600_000_000  # long ago: overdue
FAR = 2_147_000_000
ROWS = ["domain (dmid, namespace) VALUES (1, 'zdom'), (2, 'adom'), (3, 'empty')",
        "class (dmid, classid, classname, mindevcount) VALUES (1, 1, 'big', 3), (3, 1, 'none', 2)",
        "host (hostid, status, hostname, hostip) VALUES (1, 'alive', 'hosta', '127.1.0.1'), (2, 'down', 'hostb', '127.1.0.2')",
        "device (devid, hostid, status) VALUES (1, 1, 'alive'), (10, 1, 'drain'), (11, 2, 'dead')",
        "file (fid, dmid, dkey, length, classid, devcount) VALUES (1, 1, 'a', 3145728, 0, 2), (2, 1, 'b', 5242880, 1, 2), "
        "(3, 1, 'c', 10, 1, 1), (7, 2, 'd', 1, 0, 1), (8, 2, 'e', 0, 0, 0), (9, 2, 'f', 9000000000000, 9, 255)",
        "file_on (fid, devid) VALUES (1, 1), (1, 10), (2, 1), (2, 10), (3, 1), (7, 1), (9, 99)",
        f"file_to_replicate (fid, nexttry) VALUES (1, 0), (2, 1), (3, 500), (7, 2147483647), (8, {FIXED}), (9, {FAR})",
        f"file_to_delete2 (fid, nexttry) VALUES (20, 0), (21, {FIXED}), (22, 2147483647)",
        f"file_to_queue (fid, type, nexttry) VALUES (1, 1, 0), (2, 1, {FAR}), (3, 2, {FIXED}), (3, 5, 0)"]


class Databases(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.env = tool_env(folder.name)
        path = f"{folder.name}/m.db"
        run("mogdbsetup", "--yes", "--type=SQLite", f"--dbname={path}")
        cls.where = {"sqlite": [f"--db_dsn=DBI:SQLite:{path}"]}
        db = sqlite3.connect(path)
        for row in ROWS:
            db.execute("INSERT INTO " + row)
        db.commit()
        db.close()
        for kind in "mariadb", "postgres":
            database = Server(kind, folder.name)
            cls.addClassCleanup(database.close)
            for row in ROWS:
                database.execute("INSERT INTO " + row)
            cls.where[kind] = [f"--{key}={value}" for key, value in database.options().items()]

    def outputs(self, *args):
        return {kind: run("mogstats", *where, *args, env=self.env).stdout.decode() for kind, where in self.where.items()}

    def test_text(self):
        got = self.outputs()
        self.assertIn("hosta", got["sqlite"])
        for kind in "mariadb", "postgres":
            self.assertEqual(got[kind], got["sqlite"], kind)

    def test_json(self):
        got = self.outputs("--json")
        for kind in "mariadb", "postgres":
            self.assertEqual(got[kind], got["sqlite"], kind)


if __name__ == "__main__":
    unittest.main()
