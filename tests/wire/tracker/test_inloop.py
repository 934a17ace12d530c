# SPDX-License-Identifier: MIT
"""Lookups that the tracker's loop answers by itself: as query threads do, and without waiting for a disk."""
import os
import shutil
import tempfile
import time
import unittest

from cluster import wait_until
from faults import Faults
from lookup_cases import LookupCases
from web_case import WebTest

DELAY_S = 5


class InLoop(LookupCases, WebTest):
    """On the embedded database, whatever else the tests run on."""
    database = "sqlite"
    nodes = 1
    options = {"query_jobs": 1}

    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile() as f:
            try:
                os.preadv(f.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
            except OSError as e:
                raise unittest.SkipTest(f"the file system cannot tell what is in memory: {e}") from e
        cls.scratch = tempfile.mkdtemp(prefix="mogtest-inloop-")
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.faults = Faults(cls.scratch)
        cls.env = cls.faults.env
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.faults.set)
        self.wait_until_it_does()

    def count(self):
        return int(self.metrics()["mogilefsd_requests_in_loop_total"])

    def wait_until_it_does(self):
        """After the first lookup there is a connection for it; after some in vain it leaves some to the threads."""
        def is_answered():
            before = self.count()
            self.client.call("file_info", domain="one", key="a")
            return self.count() > before
        wait_until(is_answered, what="the loop answers lookups")

    def forget(self):
        """Somebody else has written: a connection has to read anew."""
        self.cluster.database.execute("REPLACE INTO server_settings (field, value) VALUES ('touched', random())")

    def both_ways(self, lines):
        self.faults.set("read mogilefs.db delay 0")  # nothing is in memory, and all is there at once
        by_threads = []
        for line in lines:
            self.forget()
            before = self.count()
            answer = self.client.ask(line)
            by_threads.append(answer.raw)
            self.assertFalse(answer.ok and self.count() != before, line)
        self.faults.set()
        self.wait_until_it_does()
        clients = [self.cluster.client() for _ in lines]
        before = self.count()
        for c, line in zip(clients, lines):
            self.addCleanup(c.close)
            c.send(line + b"\r\n")
        answers = [c.answer().raw for c in clients]
        self.assertGreater(self.count(), before)
        return by_threads, answers

    def test_no_thread_is_needed(self):
        before = self.count()
        self.client.send("sleep duration=30\r\n")
        with self.cluster.client() as other:
            wait_until(lambda: other.stats()["processing_queries"] == "1", what="the only worker is at it")
            self.assertEqual(other.request("file_info", domain="one", key="b")["key"], "b")
            self.assertERR(other.call("get_paths", domain="one", key="absent", noverify=1), "unknown_key", "unknown_key")
            other.send("".join(f"file_info domain=one&key={key}\r\n" for key in "abcabc"))
            self.assertEqual([other.answer().args["key"] for _ in range(6)], list("abcabc"))
            # A verified lookup asks a node, and waits for a thread.
            self.addCleanup(self.cluster.client().admin, "!want 1 queryworker")
            other.send("get_paths domain=one&key=a\r\n")
            wait_until(lambda: len(self.cluster.client().admin("!queue")) == 1, what="it waits")
            self.assertEqual(self.count(), before + 8)
            self.cluster.client().admin("!want 2 queryworker")
            self.assertEqual(other.answer().args["paths"], "1")

    def test_a_slow_disk_is_not_waited_for(self):
        self.forget()
        self.faults.set(f"read mogilefs.db delay {DELAY_S * 1000}")
        before, began = self.count(), time.monotonic()
        with self.cluster.client() as slow:
            slow.send("file_info domain=one&key=a\r\n")
            while time.monotonic() - began < DELAY_S / 2:
                asked = time.monotonic()
                self.client.request("noop")
                self.assertLess(time.monotonic() - asked, DELAY_S / 4)
            self.faults.set()
            self.assertEqual(slow.answer().args["key"], "a")
        self.assertGreater(time.monotonic() - began, DELAY_S * 0.9)
        self.assertEqual(self.count(), before)
        self.wait_until_it_does()

    def test_who_wants_no_threads_has_nothing_served(self):
        with self.cluster.client() as admin:
            before = self.count()
            admin.admin("!want 0 queryworker")
            self.client.send("file_info domain=one&key=a\r\n")
            wait_until(lambda: len(admin.admin("!queue")) == 1, what="it waits")
            admin.admin("!want 1 queryworker")
            self.assertEqual(self.client.answer().args["key"], "a")
            self.assertEqual(self.count(), before)


if __name__ == "__main__":
    unittest.main()
