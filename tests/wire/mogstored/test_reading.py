# SPDX-License-Identifier: MIT
"""GET and HEAD: heads, ranges, conditions, paths, and what is no file."""
import email.utils
import os
import socket
import time
import unittest

from storednode import StoredTest

BODY = bytes(range(256)) * 2 + bytes(154)  # 666 bytes


class Reading(StoredTest):
    def setUp(self):
        self.target = self.unique()
        self.node.write(self.target, BODY)

    def get(self, target=None, **headers):
        return self.request("GET", target or self.target, {k.replace("_", "-"): v for k, v in headers.items()})

    def test_root(self):
        answer = self.get("/")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_head_of_a_file(self):
        for method in ("GET", "HEAD"):
            answer = self.request(method, self.target)
            self.assertEqual((answer.status, answer.version, answer.reason), (200, "HTTP/1.1", "OK"))
            self.assertEqual(answer.body, BODY if method == "GET" else b"")
            self.assertEqual(answer.headers["content-length"], "666")
            self.assertEqual(answer.headers["content-type"], "application/octet-stream")
            self.assertEqual(answer.headers["accept-ranges"], "bytes")
            self.assertEqual(answer.headers["server"].split("/")[0], "mogstored")
            self.assertEqual(answer.headers["connection"].lower(), "keep-alive")
            modified = email.utils.parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
            self.assertEqual(modified, int(os.stat(self.node.path(self.target)).st_mtime))
            now = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
            self.assertLess(abs(now - time.time()), 60)

    def test_empty_file(self):
        self.node.write(self.target, b"")
        for method in ("GET", "HEAD"):
            answer = self.request(method, self.target)
            self.assertEqual((answer.status, answer.headers["content-length"]), (200, "0"))

    def test_sizes(self):
        with self.node.connect() as connection:
            for size in (1, 16383, 16384, 16385, 65536, 131072, 131073, 1 << 20, (3 << 20) + 7):
                data = os.urandom(size)
                self.node.write(self.target, data)
                for _ in range(2):
                    self.assertEqual(connection.request("GET", self.target).body, data)

    def test_ranges(self):
        size = len(BODY)
        table = {
            "bytes=66-70": (66, 70), "bytes=66-": (66, 665), "bytes=-66": (600, 665), "bytes=0-0": (0, 0),
            "bytes=123-123": (123, 123), "bytes=665-665": (665, 665), "bytes=0-": (0, 665), "bytes=5-6666": (5, 665),
            "bytes=-667": (0, 665), "bytes=-6666": (0, 665), "bytes=-666": (0, 665), "Bytes=1-2": (1, 2),
            "bytes=666-666": 416, "bytes=666-": 416, "bytes=6666-": 416, "bytes=662-226": 416, "bytes=-0": 416,
            "bytes=99999999999999999999-": 416, "bytes=0-99999999999999999999": 416,
            "bytes=-99999999999999999999": 416,
            "bytes=-5-5": 200, "bytes=4qasdlkj": 200, "bytes=323": 200, "bytes=": 200, "bytes=-": 200,
            "bytes=1-2,4-5": 200, "bytes= 1-2": 200, "bytes=1 -2": 200, "lines=1-2": 200, "bytes 1-2": 200,
        }
        for value, expected in table.items():
            for method in ("GET", "HEAD"):
                with self.subTest(value=value, method=method):
                    answer = self.request(method, self.target, {"Range": value})
                    if isinstance(expected, tuple):
                        first, last = expected
                        self.assertEqual(answer.status, 206)
                        self.assertEqual(answer.headers["content-range"], f"bytes {first}-{last}/{size}")
                        self.assertEqual(answer.headers["content-length"], str(last - first + 1))
                        part = BODY[first:last + 1]
                    else:
                        self.assertEqual(answer.status, expected)
                        self.assertEqual(answer.headers.get("content-range"),
                                         f"bytes */{size}" if expected == 416 else None)
                        part = BODY if expected == 200 else b""
                    self.assertEqual(answer.body, part if method == "GET" else b"")

    def test_range_of_an_empty_file(self):
        self.node.write(self.target, b"")
        for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
            answer = self.get(Range=value)
            self.assertEqual((answer.status, answer.headers["content-range"]), (416, "bytes */0"))

    def test_range_of_a_large_file(self):
        data = os.urandom(1 << 20)
        self.node.write(self.target, data)
        self.assertEqual(self.get(Range="bytes=1000-900000").body, data[1000:900001])
        self.assertEqual(self.get(Range="bytes=-5").body, data[-5:])

    def test_if_modified_since(self):
        path = self.node.path(self.target)
        os.utime(path, (1e9, 1e9))
        when = lambda t: email.utils.formatdate(t, usegmt=True)
        for value, status in ((when(1e9), 304), (when(1e9 + 1), 304), (when(1e9 - 1), 200), ("nonsense", 200),
                              (when(time.time() + 86400), 200), ("Sunday, 09-Sep-01 01:46:40 GMT", 304),
                              ("Sun Sep  9 01:46:40 2001", 304), (when(1e9) + "; length=666", 304)):
            with self.subTest(value=value), self.node.connect() as connection:
                answer = connection.request("GET", self.target, {"If-Modified-Since": value, "Range": "bytes=0-1"}
                                            if status == 304 else {"If-Modified-Since": value})
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.headers["last-modified"], when(1e9))
                self.assertEqual(connection.request("GET", self.target).body, BODY)  # nothing is left over

    def test_if_range(self):
        modified = self.get().headers["last-modified"]
        self.assertEqual(self.get(Range="bytes=0-1", If_Range=modified).status, 206)
        self.assertEqual(self.get(Range="bytes=0-1", If_Range='"etag"').status, 200)

    def test_paths(self):
        name = os.path.basename(self.target)
        folder = os.path.dirname(self.target)
        table = {
            "/" + self.target: 200, self.target.replace("/", "///"): 200, self.target + "?a=b": 200,
            self.target + "?": 200, "http://other:1/" + self.target: 200, "HTTP://x" + self.target: 200,
            self.target.replace("fid", "%66id"): 200, self.target + "/": 404, self.target + "/x": 404,
            folder: 403, folder + "/": 403, "/dev1": 403, "/dev1/": 403, "/dev1/missing": 404,
            "/dev1/..": 403, "/dev1/./x": 403, "/dev1/%2e%2e/x": 403, "/..": 403, "/dev1/../dev1/x": 403,
            "/dev1/a..b": 404, "/dev1/.x": 404, "/dev1/%00": 400, "/dev1/a%2fb": 400, "/dev1/a%zz": 400,
            "/dev1/a%2": 400, "/dev1/a\\b": 400, "/dev1/a:b": 400, "/dev1/\x7f": 400, "/dev1/\xe4": 400,
            "/other/x": 404, "/dev01/x": 404, "/dev+1/x": 400, "/dev16777216/x": 404, "/dev/x": 404,
            "/dev777/x": 503, "/dev777": 503, "/dev777/usage": 503, "*": 400, "x": 400,
            "/dev1/" + "n" * 255: 404, "/dev1/" + "n" * 256: 400, "/dev1" + "/abcdefg" * 127: 404,
            "/dev1" + "/abcdefg" * 128: 400, "/dev1/" + "x" * 9000: 400,
        }
        for target, status in table.items():
            for method in ("GET", "HEAD"):
                with self.subTest(target=target[:80], method=method, name=name):
                    self.assertEqual(self.request(method, target).status, status)

    def test_device_that_appears(self):
        self.assertEqual(self.get("/dev55/x").status, 503)
        os.mkdir(self.node.path("/dev55"))
        self.assertEqual(self.get("/dev55/x").status, 404)
        self.assertEqual(self.get("/dev55/usage").status, 200)

    def test_links_are_not_followed(self):
        os.symlink(self.node.path(self.target), self.node.path("/dev1/link"))
        os.symlink("/etc", self.node.path("/dev1/etc"))
        os.symlink(os.path.dirname(self.node.path(self.target)), self.node.path("/dev2/below"))
        for target in ("/dev1/link", "/dev1/etc/passwd", "/dev2/below/" + os.path.basename(self.target)):
            self.assertEqual(self.get(target).status, 403)

    def test_device_may_be_a_link(self):
        os.mkdir(os.path.join(self.node.folder, "elsewhere"))
        os.symlink(os.path.join(self.node.folder, "elsewhere"), self.node.path("/dev66"))
        self.assertEqual(self.request("PUT", "/dev66/0/x", body=b"linked").status, 201)
        self.assertEqual(self.get("/dev66/0/x").body, b"linked")

    def test_special_files(self):
        os.mkfifo(self.node.path("/dev1/fifo"))
        os.mknod(self.node.path("/dev1/null"), 0o600 | 0o020000, os.makedev(1, 3)) if os.getuid() == 0 else None
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        os.chdir(self.node.path("/dev1"))
        listener.bind("socket")
        os.chdir("/")
        for name in ("fifo", "socket") + (("null",) if os.getuid() == 0 else ()):
            for method in ("GET", "HEAD"):
                with self.subTest(name=name, method=method):
                    self.assertEqual(self.request(method, "/dev1/" + name).status, 403)
        self.assertEqual(self.get("/dev1/usage").status, 200)

    def test_file_that_shrinks(self):
        self.node.write(self.target, bytes(100 << 20))
        with self.node.connect() as connection:
            connection.send(f"GET {self.target} HTTP/1.1\r\n\r\n")
            connection.until(b"\r\n\r\n")
            os.truncate(self.node.path(self.target), 1 << 20)
            while connection.fill():
                connection.buffer = connection.buffer[-1:]

    def test_one_packet(self):
        for target in (self.target, "/dev1/usage", "/dev1/missing"):
            with self.node.connect() as connection:
                connection.send(f"GET {target} HTTP/1.1\r\n\r\n")
                connection.fill()
                self.assertTrue(connection.buffer.partition(b"\r\n\r\n")[2], target)


if __name__ == "__main__":
    unittest.main()
