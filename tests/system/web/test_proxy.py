# SPDX-License-Identifier: MIT
"""Files by /DOMAIN/KEY through the tracker, from another copy when one breaks off."""
import hashlib
import os
import random
import socket
import threading
import unittest

from cutter import Budget, Cutter
from web_case import GatewayTest

LARGE = 3 << 20


def content(size, seed):
    return random.Random(seed).randbytes(size)


class Proxy(GatewayTest):
    gateway = "proxy"
    options = {"http_gateway_cache_control": "public, max-age=60", "query_jobs": 4}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.budget = Budget()
        cls.cutters = [Cutter(node, cls.budget) for node in cls.cluster.nodes]

    @classmethod
    def tearDownClass(cls):
        for cutter in cls.cutters:
            cutter.close()
        super().tearDownClass()

    def through_cutters(self, on=True):
        for node, cutter in zip(self.cluster.nodes, self.cutters):
            self.client.request("update_host", host=node.host, port=cutter.port if on else node.port)
        self.cluster.wait_writeable([1, 2])

    def check_file(self, key, data, kind):
        fid = self.put(key, data)
        reply = self.get(key)
        self.assertEqual((reply.status, reply.body == data), (200, True))
        self.assertEqual(reply.headers["Content-Type"], kind)
        self.assertEqual(reply.headers["ETag"], f'"{fid:x}"')
        self.assertEqual(reply.headers["Cache-Control"], "public, max-age=60")
        self.assertEqual(reply.headers["Content-Length"], str(len(data)))
        self.assertEqual(reply.headers["Accept-Ranges"], "bytes")
        self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
        self.assertTrue(reply.headers["Date"])
        modified = reply.headers["Last-Modified"]
        self.assertTrue(modified)
        head = self.get(key, method="HEAD")
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", str(len(data))))
        for name in ("Content-Type", "ETag", "Cache-Control", "Accept-Ranges"):
            self.assertEqual(head.headers[name], reply.headers[name])
        for headers in ({"If-None-Match": reply.headers["ETag"]},
                        {"If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}):
            unchanged = self.get(key, headers=headers)
            self.assertEqual((unchanged.status, unchanged.body), (304, b""), headers)
            self.assertEqual(unchanged.headers["ETag"], reply.headers["ETag"])
        for headers in ({"If-None-Match": '"x"', "If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"},
                        {"If-Modified-Since": "Fri, 31 Dec 1999 23:59:59 GMT"}, {"If-Modified-Since": "x"}):
            self.assertEqual(self.get(key, headers=headers).status, 200, headers)
        return reply.headers["ETag"]

    def check_ranges(self, key, data, tag):
        n = len(data)
        for value, first, last in (("0-0", 0, 0), (f"{n - 1}-", n - 1, n - 1), ("-5", n - 5, n - 1), ("0-", 0, n - 1),
                                   (f"10-{n + 100}", 10, n - 1), (f"1-{n - 2}", 1, n - 2)):
            reply = self.get(key, headers={"Range": "bytes=" + value})
            self.assertEqual((reply.status, reply.headers["Content-Range"]), (206, f"bytes {first}-{last}/{n}"), value)
            self.assertTrue(reply.body == data[first:last + 1], value)
        for value in (f"{n}-", "5-4", "-0"):
            reply = self.get(key, headers={"Range": "bytes=" + value})
            self.assertEqual((reply.status, reply.headers["Content-Range"]), (416, f"bytes */{n}"), value)
        for headers in ({"Range": "bytes=0-1,3-4"}, {"Range": "lines=1-2"}, {"Range": "bytes=0-1", "If-Range": '"x"'},
                        {"Range": "bytes=0-1", "If-Range": "Fri, 31 Dec 1999 23:59:59 GMT"}):
            reply = self.get(key, headers=headers)
            self.assertEqual((reply.status, reply.body == data), (200, True), headers)
        self.assertEqual(self.get(key, headers={"Range": "bytes=0-1", "If-Range": tag}).status, 206)

    def test_small(self):
        data = content(50000, 1)
        self.check_ranges("s.png", data, self.check_file("s.png", data, "image/png"))

    def test_large(self):
        data = content(LARGE, 2)
        self.check_ranges("l.bin", data, self.check_file("l.bin", data, "application/octet-stream"))

    def test_empty(self):
        self.put("empty.txt", b"")
        for method in ("GET", "HEAD"):
            reply = self.get("empty.txt", method=method)
            self.assertEqual((reply.status, reply.body, reply.headers["Content-Length"]), (200, b"", "0"))
            self.assertEqual(reply.headers["Content-Type"], "text/plain")
        self.assertEqual(self.get("empty.txt", headers={"Range": "bytes=0-"}).status, 416)

    def test_small_ones_keep_their_connection(self):
        self.put("keep", b"12345")
        request = f"GET /files/keep HTTP/1.1\r\nHost: {self.address}\r\n".encode()
        got = self.raw((request + b"\r\n") * 20 + request + b"Connection: close\r\n\r\n")
        self.assertEqual((got.count(b"HTTP/1.1 200 "), got.count(b"\r\n\r\n12345")), (21, 21))

    def break_off(self, size, after):
        data = content(size, size)
        key = f"cut{size}-{after}"
        self.put(key, data)
        self.through_cutters()
        try:
            self.budget.arm(1, after)
            reply = self.get(key)
            self.assertEqual(self.budget.taken, 1, "nothing was cut off")
            self.assertEqual((reply.status, len(reply.body), reply.body == data), (200, size, True))
            self.budget.arm(1, after)
            reply = self.get(key, headers={"Range": f"bytes=10-{size - 10}"})
            self.assertEqual((self.budget.taken, reply.status, reply.body == data[10:size - 9]), (1, 206, True))
            # One copy after the other, and round again: each goes on where the last one was cut off.
            self.budget.arm(5, after)
            reply = self.get(key)
            self.assertEqual((self.budget.taken, reply.status, reply.body == data), (5, 200, True))
        finally:
            self.budget.arm(0, 0)
            self.through_cutters(False)

    def test_second_copy_when_the_first_breaks_off(self):
        self.break_off(100000, 10000)
        self.break_off(LARGE, 400000)

    def test_all_copies_break_off(self):
        for size in (100000, LARGE):
            data = content(size, size)
            self.put(f"all{size}", data)
            self.through_cutters()
            try:
                self.budget.arm(1000, 20)  # in the middle of the head
                self.assertEqual(self.get(f"all{size}").status, 503)
            finally:
                self.budget.arm(0, 0)
                self.through_cutters(False)
            self.assertEqual(self.get(f"all{size}").body, data)

    def test_a_copy_that_is_missing_or_of_another_size(self):
        for size in (1000, LARGE):
            data = content(size, size + 1)
            for damage in ("remove", "truncate"):
                key = f"{damage}{size}"
                fid = self.put(key, data)
                digits = f"{fid:010d}"
                path = os.path.join(self.cluster.nodes[0].docroot, "dev1", digits[0], digits[1:4], digits[4:7],
                                    digits + ".fid")
                os.remove(path) if damage == "remove" else os.truncate(path, size // 2)
                for _ in range(4):
                    self.assertEqual(self.get(key).body, data)
                    self.assertEqual(self.get(key, method="HEAD").status, 200)

    def test_slow_clients_cost_neither_threads_nor_memory(self):
        data = content(30 << 20, 5)
        self.put("huge", data)
        self.get("huge")
        before = self.cluster.tracker.memory_kib()
        request = f"GET /files/huge HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode()
        slow = [socket.create_connection((self.address, self.port)) for _ in range(40)]
        try:
            for sock in slow:
                sock.sendall(request)
            for sock in slow:
                self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200 "))
            self.put("small", b"x")
            for _ in range(20):
                self.assertEqual(self.get("small").body, b"x")
            grown = self.cluster.tracker.memory_kib() - before
            self.assertLess(grown, 20 << 10, "KiB for 40 files of 30 MiB")
        finally:
            for sock in slow:
                sock.close()
        self.assertEqual(hashlib.md5(self.get("huge").body).digest(), hashlib.md5(data).digest())

    def test_many_at_once(self):
        data = {f"m{i}": content(200000 + i * 200000, i) for i in range(6)}
        for key, body in data.items():
            self.put(key, body)
        wrong = []

        def read(key):
            for _ in range(5):
                reply = self.get(key)
                if reply.status != 200 or reply.body != data[key]:
                    wrong.append((key, reply))
        threads = [threading.Thread(target=read, args=(key,)) for key in data for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertGreater(self.metrics()["mogilefsd_http_sent_bytes_total"], sum(map(len, data.values())) * 15 - 1)


if __name__ == "__main__":
    unittest.main()
