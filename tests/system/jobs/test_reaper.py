# SPDX-License-Identifier: MIT
"""The reaper: each time that a device dies it is emptied, and rows that are gone do not stop it."""
import unittest

from cluster import ClusterTest, wait_until

REAPED_WITHIN = 45  # it waits 16 s, so that no tracker still takes the device for alive


class Reaper(ClusterTest):
    nodes = 2
    options = {"replicate_jobs": 0}

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def on(self, devid):
        return int(self.rows(f"SELECT COUNT(*) FROM file_on WHERE devid={devid}")[0][0])

    def test_each_death_counts(self):
        db = self.cluster.database
        for devid in (7, 8):
            self.client.request("create_device", devid=devid, hostname="node1", state="dead")
        for fid in range(1000, 1250):
            db.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, 7)")
        db.execute("INSERT INTO file_on (fid, devid) VALUES (1000, 8)")
        self.client.request("clear_cache")
        db.execute("DELETE FROM device WHERE devid=8")  # dead, and then not there at all
        wait_until(lambda: self.on(7) == 0, REAPED_WITHIN, "dev7 is reaped")
        queued = [int(r[0]) for r in self.rows("SELECT nexttry FROM file_to_replicate WHERE fid >= 1000 ORDER BY nexttry")]
        self.assertEqual(len(queued), 250)
        self.assertGreaterEqual(queued[-1] - queued[0], 2, "they do not all come due at the same moment")
        self.client.request("set_state", host="node1", device=7, state="down")
        self.client.request("set_state", host="node1", device=7, state="alive")
        self.client.request("clear_cache")
        wait_until(lambda: "dev7 is no longer dead to reaper" in self.cluster.tracker.log(), what="it is noticed")
        db.execute("INSERT INTO file_on (fid, devid) VALUES (2000, 7)")
        self.client.request("set_state", host="node1", device=7, state="dead")
        wait_until(lambda: self.on(7) == 0, REAPED_WITHIN, "dev7 is reaped again")


if __name__ == "__main__":
    unittest.main()
