# SPDX-License-Identifier: MIT
"""The reaper: each time that a device dies it is emptied, and rows that are gone do not stop it."""
import unittest

from cluster import Cluster, ClusterTest, wait_until

REAPED_WITHIN = 45  # it waits 16 s, so that no tracker still takes the device for alive


class Reaper(ClusterTest):
    nodes = 2
    options = {"replicate_jobs": 0}

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def on(self, devid):
        return int(self.rows(f"SELECT COUNT(*) FROM file_on WHERE devid={devid}")[0][0])

    def wait_log(self, text, times=1):
        wait_until(lambda: self.cluster.tracker.log().count(text) >= times, what=text)

    def die_with_testing(self):
        """With TESTING in the environment, as the original's tests have it, nothing is put off for more than a second."""
        other = Cluster("sqlite", nodes=0, options=self.options, env={"TESTING": "1"})
        self.addCleanup(other.stop)
        with other.client() as c:
            c.request("create_host", host="h", ip="127.0.0.1", port=1, status="down")
            c.request("create_device", devid=7, hostname="h", state="dead")
        other.database.execute("INSERT INTO file_on (fid, devid) VALUES " +
                               ",".join(f"({fid}, 7)" for fid in range(1000, 1250)))
        return other.database

    def test_each_death_counts(self):
        db, other = self.cluster.database, self.die_with_testing()
        for devid in (7, 8):
            self.client.request("create_device", devid=devid, hostname="node1", state="dead")
        db.execute("INSERT INTO file_on (fid, devid) VALUES " + ",".join(f"({fid}, 7)" for fid in range(1000, 1250)))
        db.execute("INSERT INTO file_on (fid, devid) VALUES (1000, 8)")
        self.wait_log("dev7 is dead: it will be emptied")
        db.execute("DELETE FROM device WHERE devid=8")  # dead, and then not there at all
        for state in ("down", "alive"):
            self.client.request("set_state", host="node1", device=7, state=state)
        self.wait_log("dev7 is no longer dead to reaper")
        self.assertEqual(self.on(7), 250, "it came back in time")
        self.client.request("set_state", host="node1", device=7, state="dead")
        self.wait_log("dev7 is dead: it will be emptied", 2)
        wait_until(lambda: self.on(7) == 0, REAPED_WITHIN, "dev7 is reaped")
        self.assertIn("No device row for dev8, cannot reap", self.cluster.tracker.log())
        queued = [int(r[0]) for r in self.rows("SELECT nexttry FROM file_to_replicate WHERE fid >= 1000 ORDER BY nexttry")]
        self.assertEqual(len(queued), 250)
        self.assertGreaterEqual(queued[-1] - queued[0], 2, "they do not all come due at the same moment")
        wait_until(lambda: other.rows("SELECT COUNT(*) FROM file_on") == [["0"]], REAPED_WITHIN, "the other one is reaped")
        spread = other.rows("SELECT MAX(nexttry) - MIN(nexttry) FROM file_to_replicate")
        self.assertIn(spread, ([["0"]], [["1"]]))  # the second may end between two parts


if __name__ == "__main__":
    unittest.main()
