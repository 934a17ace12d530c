# SPDX-License-Identifier: MIT
"""Hostile clients of the tracker's HTTP listener: heads, paths, bodies, slowness, crowds. It refuses, and lives on."""
import http.client
import random
import re
import socket
import time
import unittest

from build import is_sanitized
from cluster import wait_until
from web_case import WebTest, quote

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST


def statuses(got):
    """The statuses of all answers in these bytes. The library sends the heads of its own refusals twice."""
    got = re.sub(rb"^(HTTP/1.1 4.*?\r\n\r\n)\1", rb"\1", got, flags=re.S)
    return [int(s) for s in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", got, re.M)]


class Hostile(WebTest):
    """All that is sent here ends the connection, so that raw() returns."""

    options = {"http_gateway": "redirect", "http_gateway_domains": "d"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            client.request("create_domain", domain="d")

    def tearDown(self):
        # Whatever it was, the next one is served, and so is the client port.
        self.assertEqual(self.fetch("/healthz").status, 200)
        self.client.request("noop")

    def test_refused_heads(self):
        for head, expected in (
                (GET + b"A b: c\r\n", (400,)), (GET + b"A : c\r\n", (400,)),
                (GET + b" folded: x\r\n", (400,)), (GET + b"no colon\r\n", (400,)),
                (GET + HOST, (400,)), (b"GET /healthz HTTP/1.1\r\n", (400,)),
                (b"GET /healthz HTTP/2.0\r\n" + HOST, (400, 505)), (b"GET /healthz HTTP/0.9\r\n" + HOST, (400, 505)),
                (b"GET /healthz HTTP/1.1 x\r\n" + HOST, (400, 505)), (b"GET  /healthz HTTP/1.1\r\n" + HOST, (200, 400)),
                (b"GET\t/healthz\tHTTP/1.1\r\n" + HOST, (400, 505)), (b" GET /healthz HTTP/1.1\r\n" + HOST, (400, 405)),
                (GET + b"X: " + b"y" * 200000 + b"\r\n", (400, 413, 431)),
                (GET + b"".join(b"h%d: v\r\n" % i for i in range(5000)), (400, 413, 431)),
                (b"GET /" + b"x" * 200000 + b" HTTP/1.1\r\n" + HOST, (400, 414, 431)),
                (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST, (414,)),
                (b"X" * 30000 + b" /healthz HTTP/1.1\r\n" + HOST, (400, 405, 414, 431))):
            with self.subTest(head=head[:60]):
                got = self.raw(head + b"Connection: close\r\n\r\n")
                # What is left unread resets the connection, which may overtake the answer.
                for status in statuses(got):
                    self.assertIn(status, expected)
                self.assertLessEqual(len(statuses(got)), 1)

    def test_nul_and_other_bytes_in_heads(self):
        for c in [*range(32), *range(127, 256, 16), 255]:
            for head in (b"GET /healthz" + bytes([c]) + b" HTTP/1.1\r\n" + HOST, GET + b"X: a" + bytes([c]) + b"b\r\n",
                         GET + b"X" + bytes([c]) + b": a\r\n"):
                got = self.raw(head + b"Connection: close\r\n\r\n")
                self.assertTrue(set(statuses(got)) <= {200, 400, 403, 404, 501, 505}, (head, got))
                self.assertNotIn(b"\x00", got)

    def test_bodies_are_refused_and_not_taken_for_requests(self):
        smuggled = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
        for framing in (b"Content-Length: %d" % len(smuggled), b"Content-Length: 0\r\nContent-Length: 5",
                        b"Content-Length: +5", b"Content-Length: -1", b"Content-Length: 0x5", b"Content-Length: 5, 5",
                        b"Content-Length: 99999999999999999999", b"Content-Length:", b"Transfer-Encoding: chunked",
                        b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
                        b"Content-Length: 5\r\nTransfer-Encoding: chunked"):
            for method in (b"GET", b"HEAD", b"POST"):
                got = self.raw(method + b" /healthz HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n" + smuggled)
                self.assertTrue(statuses(got) in ([], [400], [413]), (method, framing, got))
                self.assertNotIn(b"mogilefsd_", got)

    def test_lines_of_the_other_protocol(self):
        before = self.client.request("get_domains")
        for lines in (b"create_domain domain=smuggled\r\n", b"!shutdown\r\n", b"!want 0 queryworker\r\n"):
            for data in (lines, lines * 100, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(lines) + lines,
                         GET + b"Connection: close\r\n\r\n" + lines):
                self.assertNotIn(b"OK ", self.raw(data + b"\r\n\r\n").replace(b"200 OK", b""))
        self.assertEqual(self.client.request("get_domains"), before)

    def test_odd_paths(self):
        for path in ("/%00", "/d/%00", "/d/k%00.jpg", "/d/..", "/../../etc/passwd", "/d/%2e%2e/%2e%2e/etc/passwd", "/d\\k", "//",
                     "/.", "/d/" + "%41" * 2000, "/d/" + "a/" * 2000, "/?", "/?domain=d", "/d/?", "/d?/k", "/api/why?" + "&" * 50,
                     "/api/why?domain=d&domain=d&key=k", "/api/why?domain=d&key=" + "%ff" * 1500,
                     "/api/status?after=" + "9" * 3000, "/api/status?" + "a=b&" * 50, "/%", "/d/%", "/d/%f", "/d/%fg",
                     "/d/k#fragment", "/d/<script>", "/d/\"'`", "/healthz;x", "/healthz?x#y", "/metrics%00"):
            reply = self.fetch(path)
            self.assertIn(reply.status, (200, 400, 404, 414), path)
            if reply.status != 200:
                self.assertIn(reply.headers["Content-Type"].split(";")[0], ("text/plain", "application/json"))
                self.assertNotIn(b"<script>", reply.body)

    def test_very_many_arguments(self):
        """More than the library has room for."""
        for path in (b"/api/status?" + b"a=b&" * 2000, b"/api/why?" + b"&" * 8000, b"/?" + b"a&" * 4000):
            got = self.raw(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            self.assertTrue(set(statuses(got)) <= {200, 400, 404, 413, 414, 431}, got)
        for turn in range(8):
            if turn == 1:
                before = self.cluster.tracker.memory_kib()  # with what so many connections cost
            crowd = [socket.create_connection((self.address, self.port)) for _ in range(400)]
            for sock in crowd:
                sock.sendall(b"GET /?" + b"a&" * 3900 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
                sock.shutdown(socket.SHUT_WR)
            for sock in crowd:
                while sock.recv(1 << 16):
                    pass
                sock.close()
        if not is_sanitized():
            self.assertLess(self.cluster.tracker.memory_kib() - before, 10 << 10)

    def test_any_number_of_arguments(self):
        """What the library cannot keep of a query must not keep it from answering, nor from reading on."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=30)
        self.addCleanup(connection.close)
        for count in (1, 99, 100, 200, 220, 240, 260, 300, 500, 1000, 3000):
            for path, expected in (("/healthz?", 200), ("/api/status?after=0&", 200), ("/api/why?", 400), ("/d/k?", 404)):
                connection.request("GET", path + "a&" * count)
                reply = connection.getresponse()
                reply.read()
                self.assertEqual((reply.status, reply.will_close), (expected, False), (path, count))
            # The argument that counts may be the last one.
            connection.request("GET", "/api/why?" + "a&" * count + "domain=d&key=k")
            reply = connection.getresponse()
            self.assertIn(b"unknown_key", reply.read())

    def test_every_byte_in_a_path(self):
        for c in range(256):
            for path in (b"/d/k%%%02x" % c, b"/%%%02x" % c, b"/api/why?domain=d&key=%%%02x" % c):
                self.assertIn(self.fetch(path).status, (400, 404), path)
            if c not in b" \r\n\t" and c:
                self.assertIn(self.fetch(b"/d/k" + bytes([c])).status, (400, 404), c)

    def test_noise(self):
        """What no one would write by hand; the same at each run."""
        dice = random.Random(7)
        pieces = [b"GET ", b"/", b"/api/why?", b"domain=d&key=", b" HTTP/1.1", b"\r\n", b"\r", b"\n", b"Host: localhost", b":",
                  b"%", b"%00", b"\x00", b"\xff", b"Content-Length: 7", b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"HEAD ",
                  b"/metrics", b"Range: bytes=0-", b"Connection: keep-alive", b"\r\n\r\n", b"Expect: 100-continue"]
        for _ in range(300):
            data = b"".join(dice.choice(pieces) for _ in range(dice.randint(1, 30)))
            with socket.create_connection((self.address, self.port), timeout=30) as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                try:
                    while sock.recv(1 << 16):
                        pass
                except ConnectionResetError:
                    pass

    def test_deep_pipeline(self):
        got = self.raw((GET + b"\r\n") * 500 + GET + b"Connection: close\r\n\r\n")
        self.assertEqual(statuses(got), [200] * 501)

    def test_expectations(self):
        got = self.raw(GET + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        self.assertEqual(statuses(got)[-1], 200)

    def test_clients_that_go(self):
        for data in (b"", b"G", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n",
                     b"GET /api/why?domain=d&key=k HTTP/1.1\r\n" + HOST + b"\r\n"):
            for _ in range(50):
                with socket.create_connection((self.address, self.port)) as sock:
                    sock.sendall(data)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
        wait_until(lambda: self.metrics()["mogilefsd_http_connections"] < 5, what="their connections are gone")

    def test_clients_that_do_not_read(self):
        """The answers wait for them; nobody else does."""
        lazy, before = [], self.cluster.tracker.memory_kib()
        try:
            for _ in range(200):
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect((self.address, self.port))
                sock.sendall(b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /page.js HTTP/1.1\r\n" + HOST + b"\r\n")
                lazy.append(sock)
            began = time.monotonic()
            for _ in range(20):
                self.assertEqual(self.fetch("/healthz").status, 200)
            self.assertLess(time.monotonic() - began, 20)
            if not is_sanitized():
                self.assertLess(self.cluster.tracker.memory_kib() - before, 64 << 10)
        finally:
            for sock in lazy:
                sock.close()

    def test_a_crowd(self):
        """More than there are places, all in the middle of a head: those that come later are served all the same."""
        crowd = []
        try:
            for i in range(1100):
                sock = socket.create_connection((self.address, self.port))
                sock.sendall((b"G", b"GET /healthz HTTP/1.1\r\n", b"")[i % 3])
                crowd.append(sock)
            wait_until(lambda: self.fetch("/healthz").status == 200, what="somebody is served")
        finally:
            for sock in crowd:
                sock.close()
        wait_until(lambda: self.fetch("/healthz").status == 200, what="everybody is served again")

    def test_names_that_are_looked_up_are_data(self):
        for key in ("' OR 1=1 --", "%", "_", "\\", "a&b=c", "a=b", "k\n.\n!jobs"):
            self.assertEqual(self.fetch("/d/" + quote(key)).status, 404, key)


if __name__ == "__main__":
    unittest.main()
