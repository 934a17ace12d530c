# SPDX-License-Identifier: MIT
"""What our tracker writes into a shared database is what one of the original expects."""
import os
import re
import signal
import socket
import unittest

from cluster import http, wait_until
from original import LEASE_S, SharingTest
from waiting import freeze


class WhatWeWrote(SharingTest):
    def test_our_uploads(self):
        self.without("replicate", "delete", "job_master")
        before = self.other.now()
        opened = self.client.request("create_open", domain=self.name, key="k", multi_dest=1, fid=0, **{"class": "two"})
        dmid, key, classid, devids, created = self.row("tempfile", opened["fid"],
                                                       "dmid, dkey, classid, devids, createtime")
        self.assertEqual((dmid, key, classid), (str(self.dmid), "k", str(self.two)))
        self.assertRegex(devids, r"^\d+(,\d+)*$")
        self.assertIn(opened["devid_1"], devids.split(","))
        self.assertLessEqual(before, int(created))
        http("PUT", opened["path_1"], b"abc")
        self.client.request("create_close", domain=self.name, key="k", fid=opened["fid"], devid=opened["devid_1"],
                            path=opened["path_1"], size=3)
        fid = opened["fid"]
        self.assertIsNone(self.row("tempfile", fid))
        self.assertEqual(self.row("file", fid, "fid, dmid, dkey, length, classid, devcount"),
                         [fid, str(self.dmid), "k", "3", str(self.two), "1"])
        self.assertEqual(self.devids(fid), [int(opened["devid_1"])])
        self.assertEqual(self.row("file_to_replicate", fid), [fid, "0", None, "0", "0"])
        again = self.client.upload(self.name, "k", b"defg", "two")["fid"]
        gone = self.row("file_to_delete2", fid, "failcount, nexttry <= UNIX_TIMESTAMP(), nexttry >= " + str(before))
        self.assertEqual(gone, ["0", "1", "1"])
        self.assertIsNone(self.row("file", fid))
        self.client.request("delete", domain=self.name, key="k")
        self.assertEqual((self.row("file", again), self.row("file_to_delete2", again, "failcount")), (None, ["0"]))
        self.assertEqual(len(self.devids(again)), 1, "the copies are known until they are deleted")
        self.client.request("create_class", domain=self.name, mindevcount=1, hashtype="MD5", **{"class": "sums"})
        summed = self.client.upload(self.name, "sum", b"abc", "sums", checksum="MD5:900150983cd24fb0d6963f7d28e17f72",
                                    checksumverify=1)["fid"]
        self.assertEqual(self.row("checksum", summed, "hashtype, HEX(checksum)"),
                         ["1", "900150983CD24FB0D6963F7D28E17F72"])

    def test_our_claims(self):
        """Rows in our hands lie as far ahead as the original's."""
        self.without("replicate")
        fid = self.store("k")
        # Both other devices hang, so the row stays with the worker.
        for node in self.cluster.nodes[1:]:
            freeze(node.pid)
            self.addCleanup(os.kill, node.pid, signal.SIGCONT)
        self.want("replicate", 1)
        due = wait_until(lambda: int(self.row("file_to_replicate", fid, "nexttry")[0]), what="it is claimed")
        self.assertAlmostEqual(due, self.other.now() + LEASE_S, delta=30)
        self.assertNotIn(str(fid), self.other.grab("file_to_replicate", 100))
        wait_until(lambda: not self.other.lock(f"mgfs:fid:{fid}:replicate") or
                   self.other.unlock(f"mgfs:fid:{fid}:replicate"), what="its lock is ours while we copy")

    def test_our_hosts_and_settings(self):
        self.client.request("create_host", host="ours", ip="127.200.1.2", port=7501, status="alive")
        self.client.request("create_device", devid=78, hostname="ours", state="down")
        self.addCleanup(self.rows, "DELETE FROM host WHERE hostname = 'ours'")
        self.addCleanup(self.rows, "DELETE FROM device WHERE devid = 78")
        self.assertEqual(self.rows("SELECT status, hostip, http_port, http_get_port, altip, altmask FROM host "
                                   "WHERE hostname = 'ours'"), [["alive", "127.200.1.2", "7501", None, None, None]])
        self.assertEqual(self.rows("SELECT status, weight, mb_total, mb_asof FROM device WHERE devid = 78"),
                         [["down", "100", None, None]])
        for value, stored in ("yes", "1"), ("off", "0"), ("", "0"):
            self.client.request("set_server_setting", key="skip_mkcol", value=value)
            self.assertEqual(self.other.value("SELECT value FROM server_settings WHERE field = 'skip_mkcol'"), stored)
        self.client.request("set_server_setting", key="slave_version_is_bumped", value="x")
        self.assertRegex(self.other.value("SELECT value FROM server_settings WHERE field = 'slave_version'"), r"^\d+$")
        self.rows("DELETE FROM server_settings WHERE field LIKE 'slave%'")
        self.assertEqual(self.other.value("SELECT value FROM server_settings WHERE field = 'schema_version'"), "17")

    def test_our_checks_and_rebalances(self):
        fid = self.store("k", classid=self.one)
        wait_until(lambda: self.done(fid, 1))
        self.without("fsck", "replicate")
        self.client.request("fsck_reset", startpos=fid - 1)
        self.client.request("fsck_start")
        wait_until(lambda: self.row("file_to_queue", fid, more=" AND type = 1"), what="it is queued")
        self.assertEqual(self.row("file_to_queue", fid, "devid, type, failcount, flags, arg", " AND type = 1"),
                         [None, "1", "0", "0", None])
        self.rows("DELETE FROM file_to_queue")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0")
        settings = dict(self.rows("SELECT field, value FROM server_settings WHERE field LIKE 'fsck%'"))
        self.assertEqual(settings["fsck_highest_fid_checked"], str(fid))
        self.assertRegex(settings["fsck_stop_time"], r"^\d{10}$")
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2,3")
        self.client.request("rebalance_start")
        wait_until(lambda: self.row("file_to_queue", fid, more=" AND type = 2"), what="it is queued to be moved")
        devid, kind, failcount, flags, arg = self.row("file_to_queue", fid, "devid, type, failcount, flags, arg",
                                                      " AND type = 2")
        self.assertEqual((devid, kind, failcount, flags), ("1", "2", "0", "0"))
        self.assertEqual(sorted(arg.split(",")), ["2", "3"])
        host, state = (self.other.value(f"SELECT value FROM server_settings WHERE field = 'rebal_{f}'")
                       for f in ("host", "state"))
        self.assertIn(host, (socket.gethostname(), None))
        self.assertTrue(all(re.match(r"^\w+=", pair) for pair in state.split(" ")), state)
        wait_until(lambda: self.other.value("SELECT value FROM server_settings WHERE field = 'rebal_host'") is None, 60)
        self.want("replicate", 2)
        wait_until(lambda: self.row("file_to_queue", fid) is None)
        self.client.request("rebalance_reset")


if __name__ == "__main__":
    unittest.main()
