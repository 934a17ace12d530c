# SPDX-License-Identifier: MIT
"""mogstats on an SQLite database with known rows."""
import json
import os
import re
import sqlite3
import tempfile
import time
import unittest

from daemon import run
from fake_tracker import tool_env

SCHEMA = os.path.join(os.path.dirname(__file__), "..", "..", "..", "sql", "sqlite", "schema.sql")


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.folder.name, "m.db")
        db = sqlite3.connect(cls.path)
        with open(SCHEMA) as f:
            db.executescript(re.sub(r"\{name [^}]*\}", "TEXT NOT NULL", f.read()).replace("{fid}", "INT"))
        now = int(time.time())
        for statement, rows in (
                ("INSERT INTO domain (dmid, namespace) VALUES (?, ?)", [(1, "zdom"), (2, "adom")]),
                ("INSERT INTO class (dmid, classid, classname, mindevcount) VALUES (?, ?, ?, ?)", [(1, 1, "big", 3)]),
                ("INSERT INTO host (hostid, status, hostname, hostip) VALUES (?, ?, ?, ?)",
                 [(1, "alive", "hosta", "10.0.0.1")]),
                ("INSERT INTO device (devid, hostid, status) VALUES (?, ?, ?)", [(1, 1, "alive"), (10, 1, "drain")]),
                ("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (?, ?, ?, ?, ?, ?)",
                 [(1, 1, "a", 3 << 20, 0, 2), (2, 1, "b", 5 << 20, 1, 2), (3, 1, "c", 10, 1, 1), (7, 2, "d", 1, 0, 1)]),
                ("INSERT INTO file_on (fid, devid) VALUES (?, ?)", [(1, 1), (1, 10), (2, 1), (2, 10), (3, 1), (7, 1)]),
                ("INSERT INTO file_to_replicate (fid, nexttry) VALUES (?, ?)",
                 [(1, 0), (2, 1), (3, 500), (7, 2147483647), (8, now - 1000), (9, now + 10000), (10, now + 20000)]),
                ("INSERT INTO file_to_delete2 (fid, nexttry) VALUES (?, ?)", [(20, 0), (21, now - 1000)]),
                ("INSERT INTO file_to_queue (fid, type, nexttry) VALUES (?, ?, ?)",
                 [(1, 1, 0), (2, 1, now + 10000), (3, 2, now - 1000), (3, 5, 0)])):
            db.executemany(statement, rows)
        db.commit()
        db.close()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def stats(self, *args, check=0):
        return run("mogstats", f"--db_dsn=DBI:SQLite:{self.path}", *args, check=check,
                   env=tool_env(self.folder.name)).stdout.decode()

    def test_all(self):
        self.assertEqual(self.stats(), """\
Fetching statistics... (all)

Statistics for devices...
  device     host                   files     status
  ---------- ---------------- ------------ ----------
  dev1       hosta               4      alive
  dev10      hosta               2      drain
  ---------- ---------------- ------------ ----------

Statistics for file ids...
  Max file id: 7

Statistics for files...
  domain               class           files    size (m)  fullsize (m)
  -------------------- ----------- ---------- ----------- -------------
  adom                 default             1           0             0
  zdom                 big                 2           5            10
  zdom                 default             1           3             6
  -------------------- ----------- ---------- ----------- -------------

Statistics for replication...
  domain               class        devcount      files
  -------------------- ----------- ---------- ----------
  adom                 default             1          1
  zdom                 big                 1          1
  zdom                 big                 2          1
  zdom                 default             2          1
  -------------------- ----------- ---------- ----------

Statistics for replication queue...
  status                      count
  -------------------- ------------
  deferred                        2
  manual                          1
  newfile                         1
  overdue                         1
  redo                            1
  unknown                         1
  -------------------- ------------

Statistics for delete queue...
  status                      count
  -------------------- ------------
  new                             1
  overdue                         1
  -------------------- ------------

Statistics for general queues...
  queue           status                      count
  --------------- -------------------- ------------
  FSCK_QUEUE      deferred                        1
  FSCK_QUEUE      new                             1
  REBAL_QUEUE     overdue                         1
  UNKNOWN_QUEUE   new                             1
  --------------- -------------------- ------------

done
""")

    def test_no_database_is_made(self):
        path = os.path.join(self.folder.name, "misspelt.db")
        done = run("mogstats", f"--db_dsn=DBI:SQLite:{path}", check=1, env=tool_env(self.folder.name))
        self.assertEqual(done.stderr.decode(),
                         f"Failed to connect to database: {path}: unable to open database file\n")
        self.assertFalse(os.path.exists(path))

    def test_choice(self):
        self.assertEqual(self.stats("--stats=domains"), """\
Fetching statistics... (domains)

Statistics for domains...
  domain               class           files
  -------------------- ----------- ----------
  adom                 default             1
  zdom                 big                 2
  zdom                 default             1
  -------------------- ----------- ----------

done
""")
        self.assertNotIn("for domains", self.stats("--stats=domains,files"))
        self.assertIn("... fids stats...\n... done\n", self.stats("--stats=fids", "--verbose"))
        self.assertIn("Max file id: 7", self.stats("--stats=fids", "--bogus"))

    def test_json(self):
        got = json.loads(self.stats("--json"))
        self.assertEqual(got["max_fid"], 7)
        self.assertEqual(got["files"][1], {"domain": "zdom", "class": "big", "files": 2, "bytes": (5 << 20) + 10,
                                           "bytes_of_all_copies": (10 << 20) + 10})
        self.assertEqual(got["delete-queue"], [{"status": "new", "count": 1}, {"status": "overdue", "count": 1}])

    def test_errors(self):
        out = self.stats("--stats=general-queue", check=1)
        self.assertTrue(out.startswith("ERROR: Invalid stat general-queue\n\nUsage: mogstats "), out)
        done = run("mogstats", check=1, env=tool_env("/nonexistent"))
        self.assertIn(b"--db_dsn", done.stderr)
        done = run("mogstats", "--db_dsn=DBI:Oracle:x", check=1, env=tool_env("/nonexistent"))
        self.assertEqual(done.stderr, b"Unknown database type: DBI:Oracle:x\n")
        self.assertIn("valid stats: all, delete-queue,", run("mogstats", "--help", check=1).stdout.decode())

    def test_configuration_with_hash_in_the_password(self):
        path = os.path.join(self.folder.name, "conf")
        with open(path, "w") as f:
            f.write(f"db_dsn = DBI:SQLite:{self.path} # here\ndb_pass = a#b\nstats = fids\n")
        self.assertIn("Max file id: 7", run("mogstats", f"--config={path}",
                                            env=tool_env(self.folder.name)).stdout.decode())


if __name__ == "__main__":
    unittest.main()
