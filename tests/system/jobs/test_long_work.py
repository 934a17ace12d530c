# SPDX-License-Identifier: MIT
"""A copy, and a digest, that last longer than the lock of their file would, or than a server likes its connections to rest."""
import threading
import time
import unittest

from cluster import wait_until
from fake_cluster import FakeNodesTest

AN_HOUR_AND_MORE = 3700


def dripping(data, pause):
    """A node's answer, byte by byte."""
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for at in range(len(data)):
            pause()
            handler.wfile.write(data[at:at + 1])
            handler.wfile.flush()
    return answer


class LongWork(FakeNodesTest):
    database = "sqlite"  # its locks are rows, which may be taken over after an hour
    env = {"T_LOCK_RENEW": "1"}  # as ten minutes would be, were tests as patient

    def age(self):
        """How long ago the only lock was taken or renewed."""
        now = self.cluster.database.now
        rows = self.rows(f"SELECT {now} - acquiredat FROM lock")
        return int(rows[0][0]) if len(rows) == 1 else None

    def watch(self):
        """The lock has stood for long; whoever works goes on and says so."""
        wait_until(lambda: self.age() is not None, what="the file is locked")
        self.cluster.database.execute(f"UPDATE lock SET acquiredat = acquiredat - {AN_HOUR_AND_MORE}")
        wait_until(lambda: self.age() is not None and self.age() < AN_HOUR_AND_MORE / 2, what="the lock is renewed")

    def test_a_slow_copy_keeps_its_lock(self):
        data, go_on = b"x" * 1000, threading.Event()
        self.addCleanup(go_on.set)
        fid, here, _ = self.stored("two", data)

        self.fakes[0].rule("GET", here, dripping(data, lambda: go_on.wait(0.2)))
        self.want(1)
        self.watch()
        self.assertEqual(self.on(fid), [1], "it is still being copied")
        go_on.set()
        wait_until(lambda: self.on(fid) == [1, 2], what="it is copied")
        wait_until(lambda: self.rows("SELECT * FROM lock") == [], what="the lock is given back")

    def test_a_slow_digest_keeps_its_lock(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        fid, _, _ = self.stored("sums")
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2])

        def think(handler, line):
            if line.startswith("MD5"):
                go_on.wait(60)
            return True
        for fake in self.fakes:
            fake.side_answer = think
        self.cluster.database.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
        self.watch()
        go_on.set()
        for fake in self.fakes:
            fake.side_answer = None


class Patience(FakeNodesTest):
    """The connection says nothing while a copy lasts; its lock must not go meanwhile."""

    database = "mariadb"
    limits = ["SET GLOBAL wait_timeout = 3"]  # seconds; some administrators want a minute

    def test_a_copy_is_longer_than_the_server_is_patient(self):
        for limit in self.limits:
            self.cluster.database.execute(limit)
        self.cluster.tracker.stop()
        self.cluster.tracker.start()
        self.client = self.cluster.client()
        self.cluster.wait_writeable([1, 2])
        data = b"x" * 14
        fid, here, _ = self.stored("two", data)

        self.fakes[0].rule("GET", here, dripping(data, lambda: time.sleep(0.5)))
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2], what="it is copied")
        self.assertEqual(len(self.fakes[0].seen("GET", here)), 1, "at the first try")


class PatienceOfPostgres(Patience):
    database = "postgres"
    limits = ["ALTER SYSTEM SET idle_session_timeout = '3s'", "SELECT pg_reload_conf()"]


if __name__ == "__main__":
    unittest.main()
