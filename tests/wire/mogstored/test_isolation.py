# SPDX-License-Identifier: MIT
"""One slow or failing device must not be felt on another one, and no network thread may wait for a disk."""
import contextlib
import errno
import os
import shutil
import tempfile
import threading
import time
import unittest

from faults import Faults
from storednode import StoredNode
from waiting import wait_until

SLOW_MS = 4000


class Isolation(unittest.TestCase):
    options = {"device_threads": 2}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.faults = Faults(self.folder)
        self.node = StoredNode((1, 2), self.options, self.faults.env, self.folder)
        self.node.start()
        self.addCleanup(self.end)

    def end(self):
        self.faults.set()
        try:
            self.node.stop()
        finally:
            self.node.kill()

    def in_parallel(self, jobs):
        results = [None] * len(jobs)

        def run(i):
            results[i] = jobs[i]()
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
        for thread in threads:
            thread.start()
        return threads, results

    def test_slow_device(self):
        for device in (1, 2):
            for i in range(8):
                self.assertEqual(self.node.request("PUT", f"/dev{device}/0/{i}", body=b"x" * 20000).status, 201)
        self.faults.set(f"* /dev2/ delay {SLOW_MS}")
        jobs = [lambda i=i: self.node.request("GET", f"/dev2/0/{i}").status for i in range(8)]
        jobs += [lambda i=i: self.node.request("PUT", f"/dev2/1/{i}", body=b"y").status for i in range(8)]
        jobs += [lambda i=i: self.node.request("DELETE", f"/dev2/2/{i}").status for i in range(4)]
        began = time.monotonic()
        threads, _ = self.in_parallel(jobs)
        wait_until(lambda: any("/dev2/" in call for call in self.faults.calls()), what="the slow device has work")
        worst = 0
        with self.node.connect() as connection:
            for i in range(40):
                at = time.monotonic()
                self.assertEqual(connection.request("GET", f"/dev1/0/{i % 8}").body, b"x" * 20000)
                self.assertEqual(connection.request("PUT", f"/dev1/1/{i}", body=b"y").status, 201)
                self.assertEqual(connection.request("GET", "/dev2/usage").status, 200)
                worst = max(worst, time.monotonic() - at)
        self.assertTrue(any(thread.is_alive() for thread in threads), "the slow device was not slow")
        self.assertLess(worst, SLOW_MS / 1000)
        self.faults.set()
        for thread in threads:
            thread.join()
        self.assertGreater(time.monotonic() - began, SLOW_MS / 1000)
        self.assertEqual(self.faults.violations(), [])

    def test_everything_without_waiting(self):
        """Each kind of request, warm and cold."""
        for rules in ((), ("* /dev1/ delay 1",)):
            self.faults.set(*rules)
            with self.node.connect() as connection:
                for size in (0, 10, 16384, 16385, 300000, 5000000):
                    data = os.urandom(size)
                    self.assertEqual(connection.request("PUT", "/dev1/a/b/c", body=data).status, 201)
                    for _ in range(2):
                        self.assertEqual(connection.request("GET", "/dev1/a/b/c").body, data)
                        self.assertEqual(connection.request("HEAD", "/dev1/a/b/c").status, 200)
                self.assertEqual(connection.request("GET", "/dev1/a/b/c", {"Range": "bytes=100-4000000"}).body,
                                 data[100:4000001])
                self.assertEqual(connection.request("GET", "/dev1/none").status, 404)
                self.assertEqual(connection.request("GET", "/dev3/none").status, 503)
                self.assertEqual(connection.request("DELETE", "/dev1/a/b/c").status, 204)
                self.assertEqual(connection.request("DELETE", "/dev1/a/b/c").status, 404)
                self.assertEqual(connection.request("PUT", "/dev1/a/b/c", {"Content-Range": "bytes 0-0/*"}, b"x").status,
                                 201)
        self.assertEqual(self.faults.violations(), [])

    def test_full_queue(self):
        self.faults.set(f"* /dev2/ delay {SLOW_MS}")
        jobs = [lambda i=i: self.node.request("GET", f"/dev2/0/{i}") for i in range(60)]
        threads, answers = self.in_parallel(jobs)
        wait_until(lambda: any(a and a.status == 503 for a in answers), SLOW_MS / 1000, "some are refused at once")
        self.faults.set()
        for thread in threads:
            thread.join()
        refused = [a for a in answers if a.status == 503]
        self.assertEqual({a.status for a in answers}, {404, 503})
        self.assertTrue(all(a.headers["retry-after"] == "10" and a.headers["connection"].lower() == "keep-alive"
                            for a in refused))

    def test_sick_device(self):
        self.assertEqual(self.node.request("PUT", "/dev2/0/x", body=b"sick").status, 201)
        self.faults.set("read /dev2/0 delay 1", f"read /dev2/0 errno {errno.EIO}",
                        f"statvfs /dev2 errno {errno.EIO}")
        self.assertIn(self.node.request("GET", "/dev2/0/x").status, (500, 503))
        for method, status in (("GET", 503), ("HEAD", 503), ("DELETE", 503), ("PUT", 503)):
            answer = self.node.request(method, "/dev2/0/x", body=b"" if method == "PUT" else None)
            self.assertEqual((answer.status, answer.headers["retry-after"]), (status, "10"))
        at = time.monotonic()
        self.assertEqual(self.node.request("GET", "/dev2/usage").status, 503)
        self.assertLess(time.monotonic() - at, 0.5)
        self.assertIn(f"dev2 is unhealthy: cannot read: {os.strerror(errno.EIO)}", self.node.log())
        with self.node.side() as side:
            self.assertEqual(side.say("MD5 /dev2/0/x"), "ERR read /dev2/0/x at 0 failed")
            self.assertEqual(side.say("size /dev2/0/x"), "/dev2/0/x -1")
        self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        self.faults.set()
        wait_until(lambda: self.node.request("GET", "/dev2/usage").status == 200, what="it recovers")
        self.assertEqual(self.node.request("GET", "/dev2/0/x").body, b"sick")

    def test_hung_device_does_not_keep_us_from_ending(self):
        self.faults.set("* /dev2/ delay 60000")
        with self.node.connect() as connection:
            connection.send("GET /dev2/0/x HTTP/1.1\r\n\r\n")
            wait_until(lambda: any("/dev2/" in call for call in self.faults.calls()), what="the call hangs")
            self.node.stop(seconds=10)


class SharedSyncs(Isolation):
    options = {"device_threads": 20}

    def test_shared_syncs(self):
        self.node.request("PUT", "/dev1/0/first", body=b"x")
        self.faults.set("fsync /dev1/0 delay 1000")
        self.faults.forget()
        threads, answers = self.in_parallel([lambda i=i: self.node.request("PUT", f"/dev1/0/{i}", body=b"x").status
                                             for i in range(16)])
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [201] * 16)
        syncs = [call for call in self.faults.calls() if call.startswith("fsync ")]
        self.assertTrue(1 <= len(syncs) <= 8, syncs)


class Unsynced(Isolation):
    """One thread does the uploads to one folder, unless it gets nowhere."""
    options = {"device_threads": 2, "fsync": "off"}

    def test_an_upload_that_hangs_holds_up_no_other(self):
        names = ["hangs", *range(8)]
        self.assertEqual(self.node.request("PUT", "/dev1/0/first", body=b"x").status, 201)
        self.faults.set(*(f"{call} /dev1/0/hangs delay {SLOW_MS}" for call in ("link", "rename")))
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self.node.connect()) for _ in names]
            began = time.monotonic()
            for connection, name in zip(connections, names):
                connection.send(f"PUT /dev1/0/{name} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
            self.assertEqual([connection.answer().status for connection in connections[1:]], [201] * 8)
            self.assertLess(time.monotonic() - began, SLOW_MS / 1000)
            self.faults.set()
            self.assertEqual(connections[0].answer().status, 201)
            self.assertGreaterEqual(time.monotonic() - began, SLOW_MS / 1000)
        self.assertEqual(self.node.read("/dev1/0/hangs"), b"x")


for _name in [n for n in dir(Isolation) if n.startswith("test_")]:
    setattr(SharedSyncs, _name, None)

if __name__ == "__main__":
    unittest.main()
