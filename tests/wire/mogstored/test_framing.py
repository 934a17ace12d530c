# SPDX-License-Identifier: MIT
"""How requests are parsed: versions, line ends, lengths that lie, connections that stay and that go."""
import socket
import unittest

from storednode import StoredTest, is_sanitized


class Framing(StoredTest):
    def first(self, data):
        """The status of the answer to raw bytes, and whether the connection was closed then."""
        with self.node.connect() as connection:
            connection.send(data)
            status = connection.answer().status
            connection.sock.settimeout(0.5)
            try:
                while connection.fill():
                    pass
                return status, True
            except TimeoutError:
                return status, False

    def test_refused_heads(self):
        put = "PUT /dev1/x HTTP/1.1\r\n"
        table = {
            put + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello": 400,
            put + "Content-Length: 12a\r\n\r\n": 400, put + "Content-Length: -1\r\n\r\n": 400,
            put + "Content-Length: 0x10\r\n\r\n": 400, put + "Content-Length: \r\n\r\n": 400,
            put + "Content-Length: 5, 5\r\n\r\nhello": 400,
            put + "Content-Length: 99999999999999999999\r\n\r\n": (400, 413),
            put + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
            put + "Transfer-Encoding: gzip\r\n\r\n": 501, put + "Transfer-Encoding: gzip, chunked\r\n\r\n": 501,
            put + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
            put + "Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
            put + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n": 400,
            put + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n": (400, 413),
            "GET / HTTP/2.0\r\n\r\n": 505, "GET / HTTP/0.9\r\n\r\n": (400, 505),
            "GET / HTTP/1.1\r\nA b: c\r\n\r\n": 400, "GET / HTTP/1.1\r\nA : c\r\n\r\n": 400,
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n": 400, "GET / HTTP/1.1\r\nA: b\r\n\tc\r\nB: d\r\n\r\n": 400,
            "GET / HTTP/1.1\r\n A: b\r\n\r\n": 400, "GET / HTTP/1.1\r\nA:\r\n b\r\n\r\n": 400,
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n d\r\n\r\n": 400,
            put + "Content-Length: 1\r\n 2\r\n\r\nabcdefghijkl": 400,
            "GET / HTTP/1.1\r\nX: " + "y" * 200000 + "\r\n\r\n": 431,
            "GET / HTTP/1.1\r\n" + "".join(f"h{i}: v\r\n" for i in range(5000)) + "\r\n": 431,
            "GET /dev1/" + "x" * 200000 + " HTTP/1.1\r\n\r\n": (400, 414),
        }
        for data, expected in table.items():
            with self.subTest(data=data[:100]):
                status, closed = self.first(data)
                self.assertIn(status, expected if isinstance(expected, tuple) else (expected,))
                self.assertTrue(closed)
        self.assertEqual([f for f in self.node.files() if f == "/dev1/x"], [])
        self.assertEqual(self.node.temporaries(), [])

    def test_accepted_heads(self):
        for data in ("GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\n\r\n", "\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX:\r\n\r\n",
                     "GET / HTTP/1.1\r\nx: y\r\nA_b: c\r\n\r\n", "GET / HTTP/1.1\r\nX: " + "y" * 8000 + "\r\n\r\n",
                     "GET / HTTP/1.0\r\nKeep-Alive: 300\r\nConnection: Keep-Alive, keep-alive\r\n\r\n",
                     "GET / HTTP/1.1\r\nConnection: Keep-Alive, TE\r\nTE: deflate,gzip;q=0.3\r\n\r\n",
                     "PUT /dev1/same HTTP/1.1\r\nContent-length: 2\r\nContent-Length: 2\r\n\r\nok"):
            status, closed = self.first(data)
            self.assertIn(status, (200, 201), data)
            self.assertFalse(closed, data)

    def test_any_number_of_arguments(self):
        """A long query is dropped, and the answer comes all the same."""
        with self.node.connect() as connection:
            for count in (1, 100, 200, 220, 240, 260, 300, 500, 1000, 3000):
                query = "?" + "a&" * count
                self.assertEqual(connection.request("GET", "/" + query).status, 200, count)
                self.assertEqual(connection.request("PUT", "/dev1/x" + query, body=b"x").status, 400, count)

    def test_closing(self):
        for data in ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
                     "GET / HTTP/1.1\r\nConnection: TE, close\r\n\r\n", "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
                     "PUT /dev1/y HTTP/1.0\r\nContent-length: 1\r\nConnection: close\r\n\r\ny"):
            status, closed = self.first(data)
            self.assertIn(status, (200, 201), data)
            self.assertTrue(closed, data)

    def test_not_http(self):
        for data in ("nonsense\r\n\r\n", "GET /\r\n\r\n", "size /dev1/x\n\n", "\x16\x03\x01\x02\r\n\r\n", "x\r\n"):
            with self.subTest(data=data), self.node.connect() as connection:
                connection.send(data)
                self.assertIn(connection.answer().status, (400, 505))
                connection.buffer = b""
                self.assertTrue(connection.ended())

    def test_nothing_is_said_to_who_says_nothing(self):
        with self.node.connect() as connection:
            connection.sock.shutdown(socket.SHUT_WR)
            self.assertTrue(connection.ended())
        with self.node.connect() as connection:
            self.assertEqual(connection.request("GET", "/").status, 200)
            connection.sock.shutdown(socket.SHUT_WR)
            self.assertTrue(connection.ended())

    def test_lengths_that_lie(self):
        """More than was announced is the next request; less is no file."""
        with self.node.connect() as connection:
            connection.send("PUT /dev1/lie HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcdefgh\r\n\r\n")
            self.assertEqual(connection.answer().status, 201)
            self.assertEqual(self.node.read("/dev1/lie"), b"abc")
            while connection.fill():
                pass
        with self.node.connect() as connection:
            connection.send("PUT /dev1/lie HTTP/1.1\r\nContent-Length: 9\r\n\r\nabcdefgh")
            connection.sock.shutdown(socket.SHUT_WR)
            while connection.fill():
                pass
            self.assertNotIn(b" 20", connection.buffer)
        self.assertEqual(self.node.read("/dev1/lie"), b"abc")

    def test_body_that_nobody_wants(self):
        for method, status in (("GET", 200), ("HEAD", 200), ("DELETE", 403), ("OPTIONS", 200), ("POST", 501)):
            with self.subTest(method=method), self.node.connect() as connection:
                for framing, body in (("Content-Length: 60000", b"GET " * 15000),
                                      ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")):
                    connection.send(f"{method} / HTTP/1.1\r\n{framing}\r\n\r\n".encode())
                    connection.send(body)
                    self.assertEqual(connection.answer(method != "HEAD").status, status)
                    if framing.startswith("T") and status in (403, 501):
                        break
                if not (status in (403, 501)):
                    self.assertEqual(connection.request("GET", "/").status, 200)
            status_of_large, closed = self.first(f"{method} / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n") \
                if method != "HEAD" else (200, True)
            self.assertEqual((status_of_large, closed), (status, True))

    def test_very_many_arguments(self):
        """Clients that ask so and leave: nothing of them is kept."""
        for turn in range(8):
            if turn == 1:
                before = self.node.memory_kib()  # with what so many connections cost
            crowd = [self.node.connect() for _ in range(400)]
            for connection in crowd:
                connection.send(b"GET /dev1/x?" + b"a&" * 4000 + b" HTTP/1.1\r\n\r\n")
                connection.sock.shutdown(socket.SHUT_WR)
            for connection in crowd:
                while connection.fill():
                    pass
                connection.close()
        if not is_sanitized():
            self.assertLess(self.node.memory_kib() - before, 10 << 10)
        self.assertEqual(self.request("GET", "/").status, 200)

    def test_deep_pipeline(self):
        count = 3000
        with self.node.connect() as connection:
            connection.sock.setblocking(True)
            import threading
            sender = threading.Thread(target=connection.send, args=(b"GET /dev1/usage HTTP/1.1\r\n\r\n" * count,))
            sender.start()
            for _ in range(count):
                self.assertEqual(connection.answer().status, 200)
            sender.join()

    def test_requests_of_the_trackers(self):
        with self.node.connect() as connection:
            connection.send("PUT /dev1/0/000/000/0000000007.fid HTTP/1.0\r\nConnection: keep-alive\r\nContent-length: 4\r\n"
                            "\r\nbody")
            answer = connection.answer()
            self.assertEqual((answer.status, answer.headers["connection"].lower()), (201, "keep-alive"))
            connection.send("GET /dev1/0/000/000/0000000007.fid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = connection.answer()
            self.assertEqual((answer.status, answer.body, answer.headers["connection"].lower()),
                             (200, b"body", "keep-alive"))
            connection.send("GET //dev1/usage HTTP/1.1\r\nConnection: TE, close\r\nHost: x\r\n\r\n")
            self.assertEqual(connection.answer().status, 200)
            self.assertTrue(connection.ended())


if __name__ == "__main__":
    unittest.main()
