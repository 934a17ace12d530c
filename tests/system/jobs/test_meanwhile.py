# SPDX-License-Identifier: MIT
"""What happens to a file while it is being copied: what that asks for is done, too."""
import threading
import unittest

from cluster import wait_until
from fake_cluster import FakeNodesTest

REAPED_WITHIN = 45  # it waits 16 s, so that no tracker still takes the device for alive


class Meanwhile(FakeNodesTest):
    def begin_copy(self):
        """A file of class "two" whose second copy is under way until the event is set."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        fid, _, there = self.stored("two")

        def slow(handler):
            handler.body()
            go_on.wait(120)
            self.fakes[1].files[there] = b"some bytes"
            handler.reply(201)
        self.fakes[1].rule("PUT", there, slow)
        self.want(1)
        wait_until(lambda: self.fakes[1].seen("PUT", there), what="the copy has begun")
        return fid, go_on

    def test_another_class(self):
        fid, go_on = self.begin_copy()
        self.client.request("updateclass", domain=self.name, key=self._testMethodName, **{"class": "one"})
        go_on.set()
        wait_until(lambda: self.on(fid) == [1, 2], what="it is copied, as it was to be")
        wait_until(lambda: len(self.on(fid)) == 1, what="the new class wants one copy")
        wait_until(lambda: self.retry() or self.failcount(fid) == -1, what="and nothing more is to be done")

    def test_a_device_that_dies(self):
        fid, go_on = self.begin_copy()
        self.client.request("set_state", host="h1", device=1, state="dead")
        try:
            wait_until(lambda: self.on(fid) == [], REAPED_WITHIN, "dev1 is reaped")
            go_on.set()
            wait_until(lambda: self.on(fid) == [2], what="it is copied")
        finally:
            self.client.request("set_state", host="h1", device=1, state="down")
        self.client.request("set_state", host="h1", device=1, state="alive")
        self.cluster.wait_writeable([1, 2])
        wait_until(lambda: self.retry() or self.on(fid) == [1, 2], what="one copy is not enough")
        wait_until(lambda: self.failcount(fid) == -1, what="and nothing more is to be done")

    def test_a_deletion(self):
        fid, go_on = self.begin_copy()
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        go_on.set()
        wait_until(lambda: self.on(fid) == [] and self.failcount(fid) == -1, what="nothing is left in any queue")
        wait_until(lambda: self.rows(f"SELECT fid FROM file_to_delete2 WHERE fid={fid}") == [])
        self.assertEqual([path for fake in self.fakes for path in fake.files if f"{int(fid):010d}" in path], [])


class MeanwhileOnMariadb(Meanwhile):
    database = "mariadb"
    test_a_device_that_dies = None  # half a minute, and the same statements as for another class


class MeanwhileOnPostgres(Meanwhile):
    database = "postgres"
    test_a_device_that_dies = None


if __name__ == "__main__":
    unittest.main()
