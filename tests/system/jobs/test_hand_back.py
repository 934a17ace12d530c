# SPDX-License-Identifier: MIT
"""What a tracker had fetched and did not do: handed back, or taken over by another tracker."""
import os
import signal
import unittest

from cluster import ClusterTest, http, wait_until
from database import SERVER
from waiting import freeze


class TakeOver(ClusterTest):
    database = SERVER
    nodes = 3
    trackers = 2
    options = {"query_jobs": 10, "replicate_jobs": 2, "delete_jobs": 2}

    def known_domain(self, **classes):
        name = self.domain(**classes)
        for tracker in self.cluster.trackers:
            with tracker.client() as c:
                c.request("clear_cache")
        return name

    def test_the_other_takes_over(self):
        """One tracker is killed with fetched work in its hands; what it had claimed is done by the other."""
        name = self.known_domain(two=2)
        first, second = self.cluster.trackers
        with second.client() as c:
            c.admin("!want 0 replicate")
        fids = []
        with second.client() as c:
            for i in range(30):
                fids.append(c.upload(name, f"f{i}", b"abc", class_="two")["fid"])
        first.kill()
        with second.client() as c:
            c.admin("!want 2 replicate")
            # A claim ends after 1000 s; a test does not wait so long.
            self.cluster.database.execute("UPDATE file_to_replicate SET nexttry=0")
            wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]], 60)
            for i, fid in enumerate(fids):
                urls = [v for k, v in c.request("file_debug", fid=fid).items() if k.startswith("devpath_")]
                self.assertEqual([(s, b) for s, _, b in (http("GET", u) for u in urls)], [(200, b"abc")] * 2, f"f{i}")
        first.start()


class HandBack(ClusterTest):
    nodes = 2
    options = {"replicate_jobs": 1, "query_jobs": 2}

    def claimed(self):
        return int(self.cluster.database.rows(
            f"SELECT COUNT(*) FROM file_to_replicate WHERE nexttry > {self.cluster.database.now} + 500")[0][0])

    def prepare(self, name):
        """Rows that one worker needs long for: the second node answers nobody."""
        self.client.admin("!want 0 replicate")
        wait_until(lambda: self.client.jobs()["replicate"]["count"] == 0)
        self.client.request("set_state", host="node2", device=2, state="readonly")
        for i in range(30):
            self.client.upload(name, f"f{i}", b"abc", class_="two")
        self.client.request("set_state", host="node2", device=2, state="alive")
        self.cluster.wait_writeable([1, 2])
        freeze(self.cluster.nodes[1].pid)
        self.addCleanup(lambda: os.kill(self.cluster.nodes[1].pid, signal.SIGCONT))
        self.client.admin("!want 1 replicate")
        wait_until(lambda: self.claimed() > 10, what="the rows are claimed")

    def test_what_is_not_done_is_handed_back(self):
        name = self.domain(two=2)
        self.prepare(name)
        self.client.admin("!want 0 replicate")
        wait_until(lambda: self.claimed() <= 1, what="without workers, all but the one in work is due again")
        self.client.admin("!want 1 replicate")
        wait_until(lambda: self.claimed() > 5)
        self.cluster.tracker.stop()
        self.assertEqual(self.claimed(), 0, "at the end everything is due again")
        self.cluster.tracker.start()


class Refill(ClusterTest):
    """More work than one fetch brings."""

    nodes = 1

    def test_workers_do_not_wait_for_the_next_second(self):
        n = 4000  # at 100 a fetch and a fetch a second: 40 s
        self.client.request("set_server_setting", key="internal_queue_limit", value="100")
        self.client.request("clear_cache")
        self.client.admin("!want 0 delete")
        wait_until(lambda: self.client.jobs()["delete"]["count"] == 0)
        self.cluster.database.execute("INSERT INTO file_to_delete2 (fid, nexttry) VALUES " +
                                      ",".join(f"({1000 + i}, 0)" for i in range(n)))
        self.client.admin("!want 1 delete")
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_delete2") == [["0"]], 30,
                   "all are done")


class DatabaseAway(HandBack):
    """The database is restarted while work is in the hands of a worker."""

    database = SERVER

    def test_what_is_not_done_is_handed_back(self):
        name = self.domain(two=2)
        self.prepare(name)
        self.cluster.database.server.halt()
        os.kill(self.cluster.nodes[1].pid, signal.SIGCONT)
        wait_until(lambda: "Cannot connect to master database!" in self.cluster.tracker.log())
        self.cluster.database.server.start()
        rows = self.cluster.database.rows
        wait_until(lambda: rows("SELECT COUNT(*) FROM file_on")[0][0] in ("59", "60"), 60,
                   "all but the one that was in work are done at once, and not after 1000 s")


if __name__ == "__main__":
    unittest.main()
