# SPDX-License-Identifier: MIT
"""Copies to and from storage nodes that fail, hang, or answer otherwise than ours do."""
import hashlib
import threading
import time
import unittest

from cluster import run, wait_until
from fake_cluster import FakeNodesTest


class OddCopies(FakeNodesTest):
    def test_a_refused_copy_leaves_nothing_and_a_reason(self):
        fid, _, there = self.stored("two")
        self.fakes[1].rule("PUT", there, 507)
        self.want(1)
        wait_until(lambda: self.failcount(fid) >= 1, what="it failed")
        self.assertIn(there, self.fakes[1].seen("DELETE"), "what may be left there is deleted")
        reason = self.client.request("file_debug", fid=fid)["replqueue_reason"]
        self.assertIn("policy_no_suggestions", reason)
        self.assertIn("HTTP status code 507", reason)
        self.assertEqual(self.on(fid), [1])
        self.fakes[1].rules.clear()
        self.retry()
        wait_until(lambda: self.on(fid) == [1, 2], what="then it is copied")
        wait_until(lambda: "replqueue_reason" not in self.client.request("file_debug", fid=fid))

    def test_an_early_refusal_is_noticed_before_all_is_sent(self):
        fid, _, there = self.stored("two", b"x" * 20_000_000)
        got = []

        def refuse(handler):
            handler.reply(507)
            handler.close_connection = True
            n, data = 0, b"x"
            try:
                while data:
                    data = handler.rfile.read1(65536)
                    n += len(data)
            except OSError:
                pass
            got.append(n)
        self.fakes[1].rule("PUT", there, refuse)
        self.want(1)
        wait_until(lambda: self.failcount(fid) >= 1, what="it failed")
        self.assertIn("507", self.client.request("file_debug", fid=fid)["replqueue_reason"])
        wait_until(lambda: got)
        self.assertLess(got[0], 20_000_000)

    def test_a_hung_destination_holds_up_no_other_copy(self):
        release = threading.Event()
        self.addCleanup(release.set)
        fid, _, there = self.stored("two")

        def hang(handler):
            release.wait(60)
            handler.close_connection = True
        self.fakes[1].rule("PUT", there, hang)
        other = self.client.upload(self.name, "other", b"abc", class_="two")["fid"]
        self.want(2)
        wait_until(lambda: self.fakes[1].seen("PUT", there), what="the first copy hangs")
        wait_until(lambda: self.on(other) == [1, 2], what="the other one is done")
        self.assertEqual(self.on(fid), [1])
        release.set()  # or what follows would wait for it

    def test_a_source_that_answers_404_is_told_to_the_check(self):
        fid, here, _ = self.stored("two")
        self.client.admin("!want 0 fsck")
        del self.fakes[0].files[here]
        self.want(1)
        wait_until(lambda: self.rows(f"SELECT fid FROM file_to_queue WHERE type=1 AND fid={fid}") == [[fid]])
        self.client.admin("!want 1 fsck")
        wait_until(lambda: self.rows(f"SELECT fid FROM file_to_queue WHERE type=1 AND fid={fid}") == [])
        self.assertEqual(self.on(fid), [], "the check has seen that it is gone")

    def test_a_broken_kept_connection_is_no_failure_of_the_destination(self):
        """A node that closes its side of a kept connection as a copy begins: it begins again, digest and all."""
        data = b"digest me" * 1000
        self.client.request("set_state", host="h2", device=2, state="readonly")
        first = self.client.upload(self.name, "first", b"abc", class_="two")["fid"]
        self.want(1)
        self.client.request("set_state", host="h2", device=2, state="alive")
        self.cluster.wait_writeable([1, 2])

        def copied():
            self.retry()
            return self.on(first) == [1, 2]
        wait_until(copied, what="the worker keeps a connection")
        self.client.request("set_state", host="h2", device=2, state="readonly")
        opened = self.client.upload(self.name, self._testMethodName, data, class_="sums",
                                    checksum="MD5:" + hashlib.md5(data).hexdigest())
        fid, there = opened["fid"], "/" + opened["path"].split("/", 3)[3].replace("dev1/", "dev2/")
        wait_until(lambda: self.failcount(fid) == 1)
        tries = []

        def hang_up_once(handler):
            tries.append(handler.headers.get("Content-MD5"))
            if len(tries) > 1:
                return False
            handler.close_connection = True
            return None
        self.fakes[1].rule("PUT", there, hang_up_once)
        self.client.request("set_state", host="h2", device=2, state="alive")
        self.cluster.wait_writeable([1, 2])
        self.fakes[1].forget_requests()
        self.retry()
        wait_until(lambda: self.on(fid) == [1, 2], 12, "it is copied at once")
        self.assertEqual(self.fakes[1].files[there], data)
        self.assertEqual(len(tries), 2)
        self.assertEqual(self.fakes[1].seen("DELETE", there), [], "the first try was no failed copy")

    def test_a_node_that_swallows_bytes_is_found_out(self):
        data = b"right"
        fid, _, there = self.stored("sums", data, checksum="MD5:" + hashlib.md5(data).hexdigest())

        def spoil(handler):
            handler.body()
            self.fakes[1].files[there] = b"wrong"
            handler.reply(201)
        self.fakes[1].rule("PUT", there, spoil)
        self.want(1)
        wait_until(lambda: self.failcount(fid) >= 1, what="it failed")
        self.assertEqual(self.on(fid), [1])
        self.assertNotIn(there, self.fakes[1].files, "the wrong bytes are deleted")

    def test_the_only_known_copy_is_bad(self):
        """It stays in the queue, and says why; a good copy that turns up on another device is found by the check."""
        data = b"right"
        fid, here, there = self.stored("sums", data, checksum="MD5:" + hashlib.md5(data).hexdigest())
        self.fakes[0].files[here] = b"wrong"
        self.want(1)
        wait_until(lambda: self.failcount(fid) >= 1, what="it failed")
        self.assertIn("checksum mismatch on GET", self.client.request("file_debug", fid=fid)["replqueue_reason"])
        wait_until(lambda: ["BSUM"] in self.rows(f"SELECT evcode FROM fsck_log WHERE fid={fid}"),
                   what="the check was told, and finds no good one")
        why = run("mogadm", f"--trackers={self.cluster.tracker.hostport}", "why", self.name, self._testMethodName,
                  check=None).stdout.decode()
        self.assertIn("checksum mismatch on GET", why)
        self.assertEqual((self.on(fid), self.fakes[0].files[here]), ([1], b"wrong"), "the last copy is never thrown away")
        self.fakes[1].files[there] = data  # a lying 404 had it forgotten
        self.cluster.database.execute(f"DELETE FROM file_to_queue WHERE fid={fid}")
        self.cluster.database.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
        wait_until(lambda: ["FOND"] in self.rows(f"SELECT evcode FROM fsck_log WHERE fid={fid}"))

        def mended():
            self.retry()
            return self.on(fid) == [1, 2] and self.fakes[0].files.get(here) == data
        wait_until(mended, what="and the bad one is replaced")
        wait_until(lambda: self.failcount(fid) == -1, what="it has left the queue")

    def test_without_a_stored_digest_a_copy_is_read_back_even_where_bad_md5s_are_refused(self):
        """No Content-MD5 can be sent then, so the node's refusal is no check."""
        fake = self.fakes[1]
        fake.rule("PUT", "/test-md5", 400)
        self.client.request("set_state", host="h2", device=2, state="down")
        self.client.request("set_state", host="h2", device=2, state="alive")
        self.cluster.wait_writeable([2])
        self.assertEqual(self.observed(2)["reject_bad_md5"], "1")
        fid, _, there = self.stored("sums", b"abc")
        fake.forget_requests()
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2])
        self.assertIn(f"MD5 {there}", fake.side_lines)

    def test_folders_that_are_there_are_not_asked_for_again(self):
        for fake in self.fakes:
            fake.rule("MKCOL", "/dev", 405)
        self.cluster.tracker.stop()  # forgets that these nodes wanted no MKCOL
        self.cluster.tracker.start()
        self.client = self.cluster.client()
        self.cluster.wait_writeable([1, 2])
        self.client.upload(self.name, "a", b"abc", class_="one")
        self.client.upload(self.name, "b", b"abc", class_="one")
        for fake in self.fakes:
            made = [path for path in fake.seen("MKCOL") if "test-write" not in path]
            self.assertEqual(len(made), len(set(made)))
        for fake in self.fakes:
            fake.rules.clear()
            fake.forget_requests()
        self.client.upload(self.name, "c", b"abc", class_="one")
        self.assertEqual([p for fake in self.fakes for p in fake.seen("MKCOL")], [])

    def test_nodes_that_want_no_mkcol_are_remembered(self):
        """Also when what is known of the devices changes meanwhile."""
        for fake in self.fakes:
            fake.rule("MKCOL", "/dev", 400)
        self.client.upload(self.name, "a", b"abc", class_="one")
        self.client.request("set_weight", host="h1", device=1, weight=50)
        self.client.request("set_weight", host="h2", device=2, weight=50)
        for fake in self.fakes:
            fake.forget_requests()
        self.client.upload(self.name, "b", b"abc", class_="one")
        self.assertEqual([path for fake in self.fakes for path in fake.seen("MKCOL")], [])

    def hold(self, fid):
        """Be another tracker that works on this file."""
        self.enterContext(self.cluster.database.held(f"mgfs:fid:{fid}:replicate"))

    def due_in(self, table, fid, more=""):
        got = self.rows(f"SELECT nexttry, {self.cluster.database.now}, failcount FROM {table} WHERE fid={fid}{more}")
        return [int(got[0][0]) - int(got[0][1]), int(got[0][2])] if got else None

    def test_a_file_that_another_tracker_works_on_is_tried_again_soon(self):
        fid, _, _ = self.stored("two")
        self.hold(fid)
        self.want(1)
        wait_until(lambda: 0 < self.due_in("file_to_replicate", fid)[0] <= 10, what="again within 10 s, not 1000")
        self.assertEqual(self.due_in("file_to_replicate", fid)[1], 0)
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: (due := self.due_in("file_to_queue", fid, " AND type=1")) and 0 < due[0] <= 10)
        self.assertEqual(self.due_in("file_to_queue", fid, " AND type=1")[1], 0)
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        with self.cluster.client() as watcher:
            watcher.admin("!watch")
            end = time.monotonic() + 4
            while time.monotonic() < end:
                self.assertEqual(self.due_in("file_to_delete2", fid)[1], 0, "waiting is no failure")
                time.sleep(0.3)

    def test_a_side_channel_that_hangs_is_given_up(self):
        fid, _, there = self.stored("sums", b"abc")
        for fake in self.fakes:
            fake.side_answer = lambda handler, line: None
        self.want(1)
        wait_until(lambda: self.on(fid) == [1, 2], what="the digest is had over HTTP")
        self.assertIn(there, self.fakes[1].seen("GET"))


if __name__ == "__main__":
    unittest.main()
