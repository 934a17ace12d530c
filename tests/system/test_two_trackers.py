# SPDX-License-Identifier: MIT
"""Two trackers on one database with many clients that fight for the same keys: nothing is lost, nothing is left over."""
import random
import threading
import time
import unittest

from cluster import ClusterTest, http, wait_until
from database import SERVER

CLIENTS, KEYS, SECONDS = 12, 40, 12


class TwoTrackers(ClusterTest):
    database = SERVER
    nodes, trackers = 2, 2
    options = {"query_jobs": 8, "delete_jobs": 2, "debug": 0}

    ALLOWED = {"unknown_key", "key_exists", "no_temp_file"}

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.cluster.trackers[1].client().request("clear_cache")
        self.problems = []

    def upload(self, client, key):
        opened = client.request("create_open", domain=self.name, key=key, **{"class": "one"})
        http("PUT", opened["path"], key.encode())
        return client.call("create_close", domain=self.name, key=key, fid=opened["fid"], devid=opened["devid"],
                           path=opened["path"], size=len(key))

    def one_client(self, tracker, seed, end):
        rnd = random.Random(seed)
        try:
            with tracker.client() as client:
                while time.monotonic() < end:
                    key, other = (f"k{rnd.randrange(KEYS)}" for _ in range(2))
                    what = rnd.randrange(4)
                    if what < 2:
                        answer = self.upload(client, key)
                    elif what == 2:
                        answer = client.call("delete", domain=self.name, key=key)
                    else:
                        answer = client.call("rename", domain=self.name, from_key=key, to_key=other)
                    if not answer.ok and answer.code not in self.ALLOWED:
                        self.problems.append(answer)
        except BaseException as e:  # a thread that dies must not look like one that finished
            self.problems.append(e)

    def test_the_same_keys(self):
        end = time.monotonic() + SECONDS
        threads = [threading.Thread(target=self.one_client, args=(t, 1000 * n + i, end))
                   for n, t in enumerate(self.cluster.trackers) for i in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.problems[:5], [])
        rows = self.cluster.database.rows
        # Every file has its location, every location its file or its place in the queue.
        self.assertEqual(rows("SELECT fid FROM file f WHERE NOT EXISTS (SELECT 1 FROM file_on o WHERE o.fid=f.fid)"), [])
        self.assertEqual(rows("SELECT fid FROM file_on o WHERE NOT EXISTS (SELECT 1 FROM file f WHERE f.fid=o.fid)"
                              " AND NOT EXISTS (SELECT 1 FROM file_to_delete2 q WHERE q.fid=o.fid)"), [])
        self.assertEqual(rows("SELECT fid FROM file_to_delete2 q WHERE EXISTS (SELECT 1 FROM file f WHERE f.fid=q.fid)"), [])
        keys = self.client.keys(self.name)
        self.assertGreater(len(keys), 0)
        for key in keys:
            urls = self.client.paths(self.name, key)
            status, _, body = http("GET", urls[0])
            self.assertEqual(status, 200)
            self.assertRegex(body.decode(), r"^k\d+$")
        wait_until(lambda: rows("SELECT fid FROM file_to_delete2") == [], 30, "what was replaced is gone")
        on = {int(r[0]) for r in rows("SELECT DISTINCT fid FROM file_on")}
        files = {int(r[0]) for r in rows("SELECT fid FROM file")}
        self.assertEqual(on, files)


if __name__ == "__main__":
    unittest.main()
