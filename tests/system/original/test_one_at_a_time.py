# SPDX-License-Identifier: MIT
"""Neither our tracker nor one of the original works on what the other has in hand."""
import time
import unittest

from cluster import wait_until
from original import SharingTest


class OneAtATime(SharingTest):
    def test_a_file_that_it_works_on(self):
        self.without("replicate")
        fid = self.store("k")
        lock = f"mgfs:fid:{fid}:replicate"
        self.assertTrue(self.other.lock(lock))
        self.want("replicate", 2)
        wait_until(lambda: int(self.row("file_to_replicate", fid, "nexttry")[0]) > 0, what="ours came by")
        wait_until(lambda: int(self.row("file_to_replicate", fid, "nexttry")[0]) <= self.other.now() + 10)
        self.assertEqual((self.devids(fid), self.row("file_to_replicate", fid, "failcount")), ([1], ["0"]))
        self.other.unlock(lock)
        wait_until(lambda: self.done(fid), what="it is done when the other has let go")

    def test_a_queue_that_it_grabs_from(self):
        self.without("replicate")
        fid = self.store("k")
        self.want("job_master", 1)
        self.assertTrue(self.other.lock("mfsd:file_to_replicate", 30))
        self.rows(f"UPDATE file_to_replicate SET nexttry = 0 WHERE fid = {fid}")
        self.want("replicate", 2)
        # Ours waits for the lock: the server shows it in the statement that asks for it.
        wait_until(lambda: any("GET_LOCK" in (r[0] or "") for r in self.rows(
            "SELECT info FROM information_schema.processlist WHERE user = 'moguser' AND state = 'User lock'")),
            what="ours waits for its turn")
        self.assertEqual(self.row("file_to_replicate", fid, "nexttry"), ["0"])
        self.other.unlock("mfsd:file_to_replicate")
        wait_until(lambda: self.done(fid), 60, "and then has it")

    def test_what_devices_hold_is_written_by_one(self):
        self.assertTrue(self.other.lock("mgfs:device_update", 30))
        self.rows("UPDATE device SET mb_asof = 5 WHERE devid = 1")
        for _ in range(2):
            self.client.request("do_monitor_round")
            self.client.request("clear_cache")
        self.assertEqual(self.other.value("SELECT mb_asof FROM device WHERE devid = 1"), "5")
        self.other.unlock("mgfs:device_update")
        wait_until(lambda: self.other.value("SELECT mb_asof FROM device WHERE devid = 1") != "5")

    def test_no_row_is_in_two_hands(self):
        """Both take from one queue until it is empty: what the other took we leave alone, and we do all the rest."""
        base, n = 5_000_000, 1500
        self.rows("INSERT INTO file_to_replicate (fid, nexttry) VALUES " +
                  ", ".join(f"({base + i}, {i % 2})" for i in range(n)))
        taken = set()
        while True:
            fids = self.other.grab("file_to_replicate", 10)
            self.assertFalse(taken & set(fids), "a claim of its own was seen as due")
            taken |= set(fids)
            left = int(self.other.value(f"SELECT COUNT(*) FROM file_to_replicate WHERE fid >= {base}"))
            if not fids and left == len(taken):
                break
            time.sleep(0.02)
        still = {row[0] for row in self.rows(f"SELECT fid FROM file_to_replicate WHERE fid >= {base} AND failcount = 0")}
        self.assertEqual(still, taken)
        self.assertTrue(0 < len(taken) < n, f"only one of the two took any: {len(taken)} of {n}")
        self.rows(f"DELETE FROM file_to_replicate WHERE fid >= {base}")


if __name__ == "__main__":
    unittest.main()
