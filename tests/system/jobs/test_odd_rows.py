# SPDX-License-Identifier: MIT
"""Moves and deletions that meet odd nodes, and rows that make no sense."""
import time
import unittest

from cluster import wait_until
from fake_cluster import FakeNodesTest


class OddRows(FakeNodesTest):
    def test_any_2xx_is_a_deletion(self):
        fid, here, there = self.stored("two")
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2])

        def gone(handler):
            self.fakes[0].files.pop(handler.path, None)
            handler.reply(200)
        self.fakes[0].rule("DELETE", here, gone)
        self.client.request("updateclass", domain=self.name, key=self._testMethodName, **{"class": "one"})
        self.fakes[1].rule("DELETE", there, gone)

        def shed():
            self.retry()
            return len(self.on(fid)) == 1
        wait_until(shed, what="one copy is shed")

    def test_a_copy_on_a_device_without_a_row_does_not_keep_a_deletion(self):
        fid, _, _ = self.stored("one")
        self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, 4711)")
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        wait_until(lambda: self.rows(f"SELECT fid FROM file_to_delete2 WHERE fid={fid}") == [])
        self.assertEqual(self.on(fid), [])

    def test_one_device_in_trouble_does_not_put_off_the_others(self):
        fid, here, there = self.stored("two")
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2])
        self.fakes[0].rule("DELETE", here, 500)
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        wait_until(lambda: self.on(fid) == [1])
        self.assertNotIn(there, self.fakes[1].files)
        wait_until(lambda: self.rows(f"SELECT failcount FROM file_to_delete2 WHERE fid={fid}") == [["1"]])
        self.fakes[0].rules.clear()
        self.cluster.database.execute("UPDATE file_to_delete2 SET nexttry=0")
        wait_until(lambda: self.on(fid) == [])

    def test_a_new_file_does_not_wait_for_all_moves(self):
        self.want(0)
        self.client.request("set_state", host="h2", device=2, state="readonly")
        fids = [self.client.upload(self.name, f"k{i}", b"abc", class_="one")["fid"] for i in range(8)]
        self.client.request("set_state", host="h2", device=2, state="alive")
        self.cluster.wait_writeable([1, 2])

        def slow(_):
            time.sleep(1)
            return False
        self.fakes[1].rule("PUT", "/dev2/0/", slow)
        self.cluster.database.execute("INSERT INTO file_to_queue (fid, devid, type, nexttry, arg) VALUES " +
                                      ", ".join(f"({fid}, 1, 2, 0, '2')" for fid in fids))
        self.want(1)
        wait_until(lambda: self.fakes[1].seen("PUT", "/dev2/0/"), what="the moves have begun")
        new = self.client.upload(self.name, "new", b"abc", class_="two")["fid"]
        wait_until(lambda: self.on(new) == [1, 2], what="it is copied")
        left = int(self.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2")[0][0])
        self.assertGreaterEqual(left, 2, "before the moves that were there first")
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2") == [["0"]])
        self.assertEqual([self.on(fid) for fid in fids], [[2]] * 8, "which are done, too")

    def test_the_device_that_may_be_back_first_says_when_a_deletion_is_tried_again(self):
        """One refuses, which is for half an hour; the other takes no deletions just now, which is for ten minutes."""
        fid, *paths = self.stored("two")
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2])
        self.want(0)
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        for refuses, closed in ((1, 2), (2, 1)):
            self.fakes[refuses - 1].rule("DELETE", paths[refuses - 1], 500)
            for devid, state in ((closed, "readonly"), (refuses, "alive")):
                # Set down in between, so that what was seen before is forgotten.
                self.client.request("set_state", host=f"h{devid}", device=devid, state="down")
                wait_until(lambda d=devid: self.observed(d)["observed_state"] == "")
                self.client.request("set_state", host=f"h{devid}", device=devid, state=state)
            wait_until(lambda closed=closed: self.observed(closed)["observed_state"] == "readable")
            self.cluster.wait_writeable([refuses])
            before = time.time()
            self.cluster.database.execute(f"UPDATE file_to_delete2 SET nexttry=0, failcount=0 WHERE fid={fid}")
            wait_until(lambda: self.rows(f"SELECT failcount FROM file_to_delete2 WHERE fid={fid}") == [["1"]])
            wait_s = int(self.rows(f"SELECT nexttry FROM file_to_delete2 WHERE fid={fid}")[0][0]) - before
            self.assertTrue(595 < wait_s < 700, f"dev{refuses} refuses: {wait_s}, ten minutes and up to a tenth")
        for devid in (1, 2):
            self.client.request("set_state", host=f"h{devid}", device=devid, state="down")

    # ---- rows that make no sense ----

    def test_copies_on_unknown_devices_are_not_given_up_for_ever(self):
        """Another tracker may have made the device a moment ago."""
        fid, _, _ = self.stored("two")
        self.cluster.database.execute(f"UPDATE file_on SET devid=4711 WHERE fid={fid}")
        self.want(1)
        wait_until(lambda: self.failcount(fid) >= 1)
        nexttry = int(self.rows(f"SELECT nexttry FROM file_to_replicate WHERE fid={fid}")[0][0])
        self.assertLess(nexttry, 2147483647)

    def test_a_parked_file_is_revived_when_a_copy_is_found(self):
        fid, _, _ = self.stored("two")
        self.cluster.database.execute(f"DELETE FROM file_on WHERE fid={fid}")
        self.want(1)
        wait_until(lambda: self.rows(f"SELECT nexttry FROM file_to_replicate WHERE fid={fid}") == [["2147483647"]],
                   what="no source: parked")
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: self.on(fid) == [1, 2], 60, "found by the check, and copied")

    def test_a_class_that_is_gone_harms_no_other_file(self):
        fid, _, _ = self.stored("two")
        self.cluster.database.execute(f"UPDATE file SET classid=77 WHERE fid={fid}")
        numbers = self.client.jobs()["replicate"]["pids"]
        other = self.client.upload(self.name, "other", b"abc", class_="two")["fid"]
        self.want(1)
        wait_until(lambda: self.failcount(fid) == 1 and self.on(other) == [1, 2])
        self.assertIn("class that does not exist", self.client.request("file_debug", fid=fid)["replqueue_reason"])
        self.assertEqual(numbers, [])

    def test_many_failures_of_a_kind_do_not_flood_the_log(self):
        self.want(0)
        dmid = self.rows(f"SELECT dmid FROM domain WHERE namespace='{self.name}'")[0][0]
        fids = range(900000, 900100)
        for table, row in (("file (fid, dmid, dkey, length, classid, devcount)", f"({{fid}}, {dmid}, '{{fid}}', 1, 0, 1)"),
                           ("file_on (fid, devid)", "({fid}, 4711)"),
                           ("file_to_replicate (fid, nexttry, failcount, flags)", "({fid}, 0, 0, 0)")):
            rows = ", ".join(row.format(fid=fid) for fid in fids)
            self.cluster.database.execute(f"INSERT INTO {table} VALUES {rows}")
        before = self.cluster.tracker.log().count("source_down")
        self.want(2)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_replicate WHERE fid >= 900000 AND failcount=0") == [["0"]])
        self.assertLess(self.cluster.tracker.log().count("source_down") - before, 60)
        self.assertIn("source_down", self.client.request("file_debug", fid=900099)["replqueue_reason"],
                      "each reason is kept all the same")

    def test_failcounts_stay_in_their_column(self):
        fid, _, _ = self.stored("two")
        self.cluster.database.execute(f"UPDATE file_to_replicate SET failcount=255, nexttry=0 WHERE fid={fid}")
        self.cluster.database.execute(f"UPDATE file_on SET devid=4711 WHERE fid={fid}")
        self.want(1)
        wait_until(lambda: self.rows(f"SELECT nexttry FROM file_to_replicate WHERE fid={fid}") != [["0"]])
        wait_until(lambda: "replqueue_reason" in self.client.request("file_debug", fid=fid))
        self.assertEqual(self.failcount(fid), 255)


class OddRowsOnMariadb(OddRows):
    database = "mariadb"


class OddRowsOnPostgres(OddRows):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
