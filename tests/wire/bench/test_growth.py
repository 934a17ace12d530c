# SPDX-License-Identifier: MIT
"""tests/bench/growth.py with few files: what it fills in bulk is what the tracker answers, and its rows are whole."""
import json
import os
import subprocess
import sys
import unittest

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, FOLDER)
import bulk  # noqa: E402
from cluster import ClusterTest  # noqa: E402

FILES = 2500


class Bulk(ClusterTest):
    nodes = 2

    def test_files_in_bulk(self):
        self.client.request("create_domain", domain="d")
        self.client.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
        bulk.fill(self.cluster.database, FILES, "b/")
        self.cluster.tracker.stop()
        self.cluster.tracker.start()
        with self.cluster.client() as c:
            keys, after = [], ""
            while page := c.keys("d", prefix="b/", after=after, limit=1000):
                keys += page
                after = page[-1]
            self.assertEqual((len(keys), len(set(keys))), (FILES, FILES))
            self.assertEqual(keys, sorted(keys))
            got = c.request("file_info", domain="d", key=keys[0], devices=1)
            self.assertEqual((got["class"], got["devcount"], got["length"], got["devids"]), ("two", "2", "4096", "1,2"))
            self.assertEqual(len(c.paths("d", keys[-1], noverify=1)), 2)
            self.assertNotEqual([int(k.split("/")[2]) for k in keys[:3]], [1, 2, 3], "names and numbers have no common order")
            self.cluster.wait_writeable([1, 2])
            self.assertGreater(int(c.upload("d", "new", b"x", "two")["fid"]), FILES)


class BulkOnMariadb(Bulk):
    database = "mariadb"


class BulkOnPostgres(Bulk):
    database = "postgres"


class Growth(unittest.TestCase):
    def test_rows(self):
        done = subprocess.run([sys.executable, os.path.join(FOLDER, "growth.py"), "--database=sqlite", "--small=200",
                               "--large=1500", "--rounds=1", "--seconds=1", "--operation=get_paths",
                               "--operation=list_keys", "--json"], capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        got = json.loads(done.stdout)
        self.assertEqual([row["operation"] for row in got["rows"]], ["get_paths", "list_keys"])
        for row in got["rows"]:
            self.assertGreater(min(row["small"], row["large"]), 0)


if __name__ == "__main__":
    unittest.main()
