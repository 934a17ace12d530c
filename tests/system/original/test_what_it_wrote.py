# SPDX-License-Identifier: MIT
"""What a tracker of the original wrote into a shared database is taken up by ours."""
import os
import socket
import unittest

from cluster import http, run, wait_until
from original import SharingTest, TextDatabase


class WhatItWrote(SharingTest):
    def test_its_files_are_served_and_replicated(self):
        fid = self.store("k", b"0123456789")
        wait_until(lambda: self.done(fid), what="two copies")
        self.assertEqual(self.row("file", fid, "devcount, length"), ["2", "10"])
        for url in self.client.paths(self.name, "k"):
            self.assertEqual(http("GET", url)[2], b"0123456789")
        later = self.store("later", classid=self.one)
        wait_until(lambda: self.done(later, 1))
        self.other.rows(f"UPDATE file SET classid = {self.two} WHERE fid = {later}")
        self.other.enqueue_for_replication(later, from_devid=1, delay_s=1)
        wait_until(lambda: self.done(later), what="a row with a source and a time")

    def test_its_deletions_are_done(self):
        fid = self.store("k")
        wait_until(lambda: self.done(fid))
        places = [self.cluster.nodes[d - 1].url(self.path(fid, d)) for d in self.devids(fid)]
        self.other.delete_fid(fid)
        wait_until(lambda: not self.devids(fid) and self.row("file_to_delete2", fid) is None, what="all is deleted")
        self.assertEqual([http("GET", url)[0] for url in places], [404, 404])
        old = [self.store(f"old{i}", classid=self.one) for i in range(2)]
        for fid in old:
            wait_until(lambda f=fid: self.done(f, 1))
            self.rows(f"DELETE FROM file WHERE fid = {fid}")
        self.rows(f"INSERT INTO file_to_delete (fid) VALUES ({old[0]})")
        self.rows(f"INSERT INTO file_to_delete_later (fid, delafter) VALUES ({old[1]}, UNIX_TIMESTAMP() - 1)")
        wait_until(lambda: self.rows("SELECT fid FROM file_to_delete UNION SELECT fid FROM file_to_delete_later") == [],
                   60, "the queues of old versions are emptied")
        self.assertEqual(self.devids(old[0]) + self.devids(old[1]), [])

    def test_an_upload_begins_there_and_ends_here(self):
        fid = self.other.create_open(self.dmid, "k", self.one, [3])
        url = self.cluster.nodes[2].url(self.path(fid, 3))
        http("PUT", url, b"abc")
        self.client.request("create_close", domain=self.name, key="k", fid=fid, devid=3, path=url, size=3)
        self.assertEqual(self.row("file", fid, "dmid, dkey, length, classid, devcount"),
                         [str(self.dmid), "k", "3", str(self.one), "1"])
        self.assertFalse(self.other.create_close(fid, 3, 3), "there is one winner")
        again = self.client.request("create_open", domain=self.name, key="k", **{"class": "one"})
        http("PUT", again["path"], b"defgh")
        self.assertTrue(self.other.create_close(int(again["fid"]), int(again["devid"]), 5))
        self.assertEqual(http("GET", self.client.paths(self.name, "k")[0])[2], b"defgh")
        self.assertNotEqual(int(again["fid"]), fid)
        wait_until(lambda: http("GET", url)[0] == 404, what="the version that was overwritten is deleted")

    def test_its_uploads_that_were_given_up(self):
        fids = [self.other.create_open(self.dmid, f"left{i}", self.two, [1, 2]) for i in range(2)]
        url = self.cluster.nodes[0].url(self.path(fids[0], 1))
        http("PUT", url, b"left alone")
        self.assertTrue(self.other.lock("mgfs:tempfiles"))
        self.rows(f"UPDATE tempfile SET createtime = createtime - 4000 WHERE fid IN ({fids[0]}, {fids[1]})")
        # Each sweep ends with the queue of old versions: after two such rows, one sweep was all within this time.
        for fid in 5_000_001, 5_000_002:
            self.rows(f"INSERT INTO file_to_delete (fid) VALUES ({fid})")
            wait_until(lambda f=fid: self.row("file_to_delete", f) is None, what="a sweep")
        self.assertEqual(self.row("tempfile", fids[0], "devids"), ["1,2"])
        self.other.unlock("mgfs:tempfiles")
        wait_until(lambda: http("GET", url)[0] == 404 and self.row("tempfile", fids[1]) is None, 60, "they are swept")

    def test_its_checks_and_its_moves(self):
        fid = self.store("k", classid=self.two)
        wait_until(lambda: self.done(fid))
        lost = self.devids(fid)[0]
        os.remove(self.cluster.nodes[lost - 1].file_of(self.cluster.nodes[lost - 1].url(self.path(fid, lost))))
        self.other.enqueue_for_todo(1, fid)
        wait_until(lambda: self.row("file_to_queue", fid) is None and
                   ["MISS", str(lost)] in self.rows(f"SELECT evcode, devid FROM fsck_log WHERE fid = {fid}"),
                   what="it is checked")
        wait_until(lambda: self.done(fid), what="and mended")
        source = self.devids(fid)[0]
        target = ({1, 2, 3} - set(self.devids(fid))).pop()
        self.other.enqueue_for_todo(2, (fid, source, str(target)))
        wait_until(lambda: self.row("file_to_queue", fid) is None, what="it is moved")
        self.assertIn(target, self.devids(fid))
        self.assertNotIn(source, self.devids(fid))

    def test_its_hosts_devices_and_settings(self):
        hostid = self.other.create_host("theirs", "127.200.1.1", 7500)
        self.other.create_device(77, hostid)
        self.other.set_setting("zone_far", "127.200.0.0/16")
        self.addCleanup(self.rows, f"DELETE FROM host WHERE hostid = {hostid}")
        self.addCleanup(self.rows, "DELETE FROM device WHERE devid = 77")

        def seen():
            hosts = self.client.request("get_hosts")
            return "theirs" in hosts.values() and 77 in self.cluster.devices() and \
                self.client.request("server_setting", key="zone_far")["value"] == "127.200.0.0/16"
        wait_until(seen, what="all of it is seen")
        got = self.client.request("get_hosts", hostid=hostid)
        self.assertEqual((got["host1_status"], got["host1_http_port"], got["host1_altip"]), ("alive", "7500", ""))

    def test_a_check_that_runs_at_another_host(self):
        fid = self.store("k", classid=self.one)
        for field in "fsck_host", "rebal_host":
            self.other.set_setting(field, "elsewhere.example.org")
            self.addCleanup(self.rows, f"DELETE FROM server_settings WHERE field = '{field}'")
        for field, value in ("fsck_fid_at_end", fid), ("fsck_highest_fid_checked", 0), ("fsck_fids_checked", 7):
            self.other.set_setting(field, value)
        got = self.client.request("fsck_status")
        self.assertEqual((got["running"], got["host"], got["end_fid"]), ("1", "elsewhere.example.org", str(fid)))
        self.assertERR(self.client.call("fsck_start"), "fsck_running", "fsck is already running")
        self.rows("DELETE FROM server_settings WHERE field = 'rebal_host'")
        # Ours may begin only when the setting has our name; a file's check would move this number.
        self.assertEqual(self.other.value("SELECT value FROM server_settings WHERE field = 'fsck_highest_fid_checked'"),
                         "0")
        self.other.set_setting("fsck_host", socket.gethostname())
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0", 60, "with our host's name we run it")
        self.assertEqual(self.other.value("SELECT value FROM server_settings WHERE field = 'fsck_highest_fid_checked'"),
                         str(fid))


class SharingOfItsDatabase(SharingTest):
    """In a database that the original made, whose names are text."""

    @classmethod
    def setUpClass(cls):
        cls.database = TextDatabase()
        super().setUpClass()

    test_its_files_are_served_and_replicated = WhatItWrote.test_its_files_are_served_and_replicated
    test_an_upload_begins_there_and_ends_here = WhatItWrote.test_an_upload_begins_there_and_ends_here

    def test_names_are_as_they_were(self):
        self.assertEqual(self.other.value("SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mogdb' "
                                          "AND TABLE_NAME = 'file' AND COLUMN_NAME = 'dkey'"), "varchar")
        run("mogdbsetup", "--check", "--dbhost=127.0.0.1", f"--dbport={self.cluster.database.server.port}",
            "--dbname=mogdb", "--dbuser=moguser", "--dbpass=mogpass")
        fid = self.store("Key", classid=self.one)
        self.assertEqual(self.client.request("file_info", domain=self.name, key="key")["fid"], str(fid))


if __name__ == "__main__":
    unittest.main()
