# SPDX-License-Identifier: MIT
"""A check of one domain or class, what it says of its progress, and what stalls it."""
import os
import signal
import unittest

from cluster import ClusterTest, wait_until
from waiting import freeze


class Scope(ClusterTest):
    nodes = 2
    options = {"replicate_jobs": 0}

    def setUp(self):
        super().setUp()
        for name in ("one", "two"):
            self.client.call("create_domain", domain=name)
            self.client.call("create_class", domain=name, **{"class": "k"}, mindevcount=1)
        self.fids = {}
        for domain in ("one", "two"):
            for class_ in (None, "k"):
                for i in range(3):
                    fid = self.client.upload(domain, f"{class_}{i}", b"abc", class_=class_)["fid"]
                    self.fids.setdefault((domain, class_), []).append(int(fid))
        self.client.request("fsck_clearlog")

    def check(self, **scope):
        """The fids that a check with this scope has looked at: each has a devcount that it must find wrong."""
        self.cluster.database.execute("UPDATE file SET devcount=9")
        self.client.request("fsck_reset", **scope)
        self.client.request("fsck_start")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0", what="all is queued")
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=1") == [["0"]])
        # Files of the default class have one copy too few: POVI. The others: BCNT.
        return {int(r[0]) for r in self.cluster.database.rows("SELECT DISTINCT fid FROM fsck_log")}

    def test_one_domain(self):
        self.assertEqual(self.check(domain="two"), set(self.fids["two", None] + self.fids["two", "k"]))
        got = self.client.request("fsck_status", detail=1)
        self.assertEqual((got["domain"], got["class"]), ("two", ""))
        self.assertEqual(got["max_fid_checked"], got["end_fid"])
        self.assertEqual((got["fids_checked"], got["fids_waiting"], got["seconds_left"]), ("6", "0", "0"))

    def test_one_class(self):
        self.assertEqual(self.check(domain="one", **{"class": "k"}), set(self.fids["one", "k"]))
        got = self.client.request("fsck_status", detail=1)
        self.assertEqual((got["domain"], got["class"]), ("one", "k"))

    def test_the_next_reset_is_for_all(self):
        self.check(domain="two")
        self.client.request("fsck_clearlog")
        self.assertGreaterEqual(self.check(), {f for fids in self.fids.values() for f in fids})
        self.assertEqual(self.client.request("fsck_status", detail=1)["domain"], "")

    def test_what_is_refused(self):
        self.assertERR(self.client.call("fsck_reset", domain="three"), "unreg_domain", "Domain name invalid/not found")
        self.assertERR(self.client.call("fsck_reset", domain="one", **{"class": "x"}), "class_not_found",
                       "Class not found")
        self.assertERR(self.client.call("fsck_reset", **{"class": "k"}), "no_domain", "No domain provided")

    def test_progress(self):
        self.client.admin("!want 0 fsck")
        wait_until(lambda: self.client.jobs()["fsck"]["count"] == 0)
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0")
        got = self.client.request("fsck_status", detail=1)
        self.assertEqual((got["fids_checked"], got["fids_per_second"], got["seconds_left"]), ("0", "0.0", ""))
        self.assertGreaterEqual(int(got["fids_waiting"]), 12)
        self.client.admin("!want 2 fsck")
        wait_until(lambda: self.client.request("fsck_status", detail=1)["fids_waiting"] == "0")
        got = self.client.request("fsck_status", detail=1)
        self.assertGreaterEqual(int(got["fids_checked"]), 12)
        self.assertGreater(float(got["fids_per_second"]), 0)
        self.assertNotIn("fids_checked", self.client.request("fsck_status"), "only when asked for")


class Stalled(ClusterTest):
    """One of three nodes hangs while files are checked."""

    nodes = 3
    options = {"replicate_jobs": 1, "node_timeout": 1}

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2)

    def log(self, fid):
        return [tuple(r) for r in self.cluster.database.rows(
            f"SELECT evcode, devid FROM fsck_log WHERE fid={fid} ORDER BY logid")]

    def row(self, fid):
        return self.cluster.database.rows(f"SELECT failcount FROM file_to_queue WHERE type=1 AND fid={fid}")

    def test_what_can_be_mended_is_mended_and_the_rest_waits(self):
        db = self.cluster.database
        fids = [self.client.upload(self.name, f"k{i}", b"abc", class_="two")["fid"] for i in range(8)]
        wait_until(lambda: db.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]], what="all are replicated")
        on = {fid: {int(r[0]) for r in db.rows(f"SELECT devid FROM file_on WHERE fid={fid}")} for fid in fids}
        hung = max(range(1, 4), key=lambda d: sum(d in places for places in on.values()))
        self.client.admin("!want 0 replicate")
        # Of every file on the hung device, the other copy is lost.
        lost = {}
        for fid, places in on.items():
            if hung in places:
                other = (places - {hung}).pop()
                pad = f"{int(fid):010d}"
                os.unlink(os.path.join(self.cluster.nodes[other - 1].docroot, f"dev{other}", pad[0], pad[1:4], pad[4:7],
                                       pad + ".fid"))
                lost[fid] = other
        self.assertTrue(lost)
        freeze(self.cluster.nodes[hung - 1].pid)
        self.addCleanup(os.kill, self.cluster.nodes[hung - 1].pid, signal.SIGCONT)
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: all(self.row(fid) == ([["1"]] if fid in lost else []) for fid in fids), 60,
                   "files without a good copy in sight wait, the others are done")
        for fid, other in lost.items():
            self.assertEqual(self.log(fid), [("MISS", str(other)), ("SRCH", None)])
            self.assertEqual({int(r[0]) for r in db.rows(f"SELECT devid FROM file_on WHERE fid={fid}")}, on[fid])
        # Again: nothing is logged twice.
        db.execute("UPDATE file_to_queue SET nexttry=0")
        wait_until(lambda: all(self.row(fid) == [["2"]] for fid in lost), 60)
        for fid, other in lost.items():
            self.assertEqual(self.log(fid), [("MISS", str(other)), ("SRCH", None)])
        os.kill(self.cluster.nodes[hung - 1].pid, signal.SIGCONT)
        self.cluster.wait_writeable([1, 2, 3])
        db.execute("UPDATE file_to_queue SET nexttry=0")
        wait_until(lambda: db.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=1") == [["0"]], 60)
        self.client.admin("!want 1 replicate")

        def all_good():
            self.client.request("replicate_now")
            return db.rows("SELECT COUNT(*) FROM file_on") == [["16"]]
        wait_until(all_good, 60, "two copies of each")


if __name__ == "__main__":
    unittest.main()
