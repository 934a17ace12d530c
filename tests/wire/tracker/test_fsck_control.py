# SPDX-License-Identifier: MIT
"""fsck_start, fsck_stop, fsck_reset, fsck_status, fsck_getlog, fsck_clearlog."""
import socket
import unittest

from cluster import ClusterTest, wait_until

STATUS = ["current_time", "end_fid", "host", "max_fid_checked", "max_logid", "policy_only", "running", "start_time",
          "stop_time"]


class Fsck(ClusterTest):
    nodes = 2

    def setUp(self):
        super().setUp()
        self.client.request("fsck_stop")
        self.client.request("fsck_clearlog")
        self.client.request("fsck_reset")

    def status(self):
        return self.client.request("fsck_status")

    def log(self, *rows):
        for utime, fid, evcode, devid in rows:
            self.cluster.database.execute("INSERT INTO fsck_log (utime, fid, evcode, devid) VALUES "
                                          f"({utime}, {fid}, '{evcode}', {devid})")

    def test_nothing_has_run(self):
        got = self.status()
        self.assertEqual(sorted(k for k in got if not k.startswith("num_")), STATUS)
        self.assertEqual((got["running"], got["host"], got["policy_only"], got["start_time"], got["max_fid_checked"]),
                         ("0", "", "0", "0", "0"))
        self.assertGreater(int(got["current_time"]), 1_600_000_000)

    def test_one_run(self):
        name = self.domain(two=2)
        fid = self.client.upload(name, "k", b"x", "two")["fid"]
        wait_until(lambda: len(self.client.paths(name, "k")) == 2, what="two copies")
        self.client.request("fsck_reset")
        self.assertOK(self.client.call("fsck_start"))
        got = wait_until(lambda: (s := self.status())["running"] == "0" and s["stop_time"] != "0" and s,
                         what="fsck is through")
        self.assertEqual((got["max_fid_checked"], got["end_fid"]), (fid, fid))
        self.assertGreaterEqual(int(got["stop_time"]), int(got["start_time"]))
        self.assertGreater(int(got["start_time"]), 0)

    def test_while_it_runs(self):
        self.client.admin("!want 0 job_master")
        wait_until(lambda: self.client.jobs()["job_master"]["count"] == 0)
        try:
            self.assertOK(self.client.call("fsck_start"))
            self.assertERR(self.client.call("fsck_start"), "fsck_running", "fsck is already running")
            got = self.status()
            self.assertEqual((got["running"], got["host"]), ("1", socket.gethostname()))
            self.client.request("rebalance_set_policy", policy="from_devices=1")
            self.assertERR(self.client.call("rebalance_start"), "fsck_running",
                           "fsck running; cannot run rebalance at same time")
            self.assertOK(self.client.call("fsck_reset"))
            self.assertEqual(self.status()["running"], "1", "a reset does not stop it")
            self.assertOK(self.client.call("fsck_stop"))
            got = self.status()
            self.assertEqual((got["running"], got["host"]), ("0", ""))
            self.assertGreater(int(got["stop_time"]), 0)
        finally:
            self.client.admin("!want 1 job_master")

    def test_stop_is_always_ok(self):
        for _ in range(2):
            self.assertOK(self.client.call("fsck_stop"))

    def test_reset(self):
        self.assertOK(self.client.call("fsck_reset", startpos=5, policy_only=1))
        got = self.status()
        self.assertEqual((got["max_fid_checked"], got["policy_only"]), ("5", "1"))
        self.assertOK(self.client.call("fsck_reset"))
        got = self.status()
        self.assertEqual((got["max_fid_checked"], got["policy_only"], got["stop_time"]), ("0", "0", "0"))

    def test_the_log(self):
        self.assertOK(self.client.call("fsck_getlog"), row_count=0)
        self.log((1000, 7, "MISS", 2), (1001, "NULL", "NOPA", "NULL"), (1002, 9, "GONE", 3))
        got = self.client.request("fsck_getlog")
        self.assertEqual(got["row_count"], "3")
        first = int(got["row_1_logid"])
        self.assertEqual([got[f"row_{i}_logid"] for i in (1, 2, 3)], [str(first + i) for i in range(3)])
        self.assertEqual({k: v for k, v in got.items() if k.startswith("row_1_")}, {
            "row_1_logid": str(first), "row_1_utime": "1000", "row_1_fid": "7", "row_1_evcode": "MISS",
            "row_1_devid": "2"})
        self.assertEqual({k: v for k, v in got.items() if k.startswith("row_2_")}, {
            "row_2_logid": str(first + 1), "row_2_utime": "1001", "row_2_evcode": "NOPA"})
        self.assertEqual(self.client.request("fsck_getlog", after_logid=first + 1)["row_1_evcode"], "GONE")
        self.assertOK(self.client.call("fsck_getlog", after_logid=first + 2), row_count=0)
        self.assertEqual(self.client.request("fsck_getlog", after_logid=-20)["row_count"], "3")
        self.assertEqual(self.status()["max_logid"], str(first + 2))
        self.assertOK(self.client.call("fsck_clearlog"))
        self.assertOK(self.client.call("fsck_getlog"), row_count=0)

    def test_a_hundred_rows_at_once(self):
        values = ", ".join(f"({1000 + i}, {i}, 'FOND', 1)" for i in range(250))
        self.cluster.database.execute("INSERT INTO fsck_log (utime, fid, evcode, devid) VALUES " + values)
        after, seen = 0, []
        while True:
            got = self.client.request("fsck_getlog", after_logid=after)
            n = int(got["row_count"])
            if not n:
                break
            self.assertLessEqual(n, 100)
            seen += [int(got[f"row_{i}_fid"]) for i in range(1, n + 1)]
            after = got[f"row_{n}_logid"]
        self.assertEqual(seen, list(range(250)))

    def test_the_status_counts_events(self):
        self.client.request("fsck_reset")
        self.log((1000, 7, "MISS", 2), (1001, 8, "MISS", 2), (1002, 9, "GONE", 3))
        for _ in range(2):
            got = self.status()
            self.assertEqual((got.get("num_MISS"), got.get("num_GONE")), ("2", "1"))
        self.client.request("fsck_reset")
        self.assertNotIn("num_MISS", self.status())


class FsckOnMariadb(Fsck):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
