# SPDX-License-Identifier: MIT
"""What one connection is through: heads that end early, answers with the very bytes announced, conversations of all kinds."""
import base64
import fcntl
import hashlib
import os
import random
import resource
import shutil
import socket
import struct
import termios
import threading
import unittest

from storednode import StoredNode, StoredTest
from waiting import wait_until

HEAD_READ = 16384  # bytes that are read at once where a head is awaited
SIZES = (0, 1, 100, 4096, 16383, 16384, 16385, 20000, 65535, 65536, 65537, 131072, 131073, 262143, 262144, 262145, 300000,
         524288, 524289, 600000, 1048577)
FILES = bytes(range(251)) * 4500


class Heads(StoredTest):
    def test_end_in_a_head(self):
        """Whoever leaves in the middle of a head leaves nothing behind, and no other request sees his bytes."""
        for _ in range(20):
            with self.node.connect() as connection:
                connection.send("GET /dev1/x HTTP/1.1\r\nHo")
                with self.node.connect() as other:
                    self.assertEqual(other.request("GET", "/").status, 200)
                connection.sock.shutdown(socket.SHUT_WR)
                self.assertTrue(connection.ended())
        self.assertEqual(self.request("GET", "/").status, 200)

    def test_part_of_a_head_at_the_end_of_a_read(self):
        """A read that is full and ends within a head, with nothing behind it for a while."""
        whole, last = b"GET / HTTP/1.1\r\n\r\n", b"GET /dev1/usage HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyy\r\n\r\n"
        for part in (1, 2, 17, 30, len(last) - 1):
            with self.subTest(part=part), self.node.connect() as connection:
                count = (HEAD_READ - part) // len(whole) - 5
                filled = whole * count
                filled += b"GET / HTTP/1.1\r\nX: " + b"y" * (HEAD_READ - part - len(filled) - 23) + b"\r\n\r\n"
                self.assertEqual(len(filled) + part, HEAD_READ)
                connection.send(filled + last[:part])
                for _ in range(count + 1):
                    self.assertEqual(connection.answer().status, 200)
                with self.node.connect() as other:  # what had been freed would be in use again
                    self.assertEqual(other.request("GET", "/").status, 200)
                connection.send(last[part:])
                answer = connection.answer()
                self.assertEqual((answer.status, answer.body[:10]), (200, b"available:"))

    def test_blanks_are_two_characters(self):
        """Who takes others for blanks sees a body where other programs see none."""
        for head in (b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0c", b"Content-Length: \x0c3",
                     b"Content-Length: 3\r"):
            with self.subTest(head=head), self.node.connect() as connection:
                connection.send(b"PUT /dev1/0/blanks HTTP/1.1\r\n" + head + b"\r\n\r\n0\r\n\r\n")
                self.assertIn(connection.answer().status, (400, 501))
                self.assertTrue(connection.ended())
        self.assertNotIn("/dev1/0/blanks", self.node.files())

    def test_no_end_of_a_line_in_an_extension(self):
        answer = self.node.exchange(b"PUT /dev1/0/extension HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    b"3;a\rb\r\nabc\r\n0\r\n\r\n")
        self.assertIn(b" 400 ", answer.split(b"\r\n")[0])

    def test_a_target_is_of_one_request_only(self):
        """MKCOL looks at no path, so it must not find that of the request before."""
        with self.node.connect() as connection:
            for _ in range(3):
                self.assertEqual(connection.request("GET", "/dev99/x").status, 503)
                self.assertEqual(connection.request("MKCOL", "/dev1/test-write/", body=b"").status, 400)


class LinkedDevice(unittest.TestCase):
    """A device behind a link: nothing of it is taken out of memory without a thread of the device."""

    @classmethod
    def setUpClass(cls):
        cls.node = StoredNode(devices=())
        cls.addClassCleanup(shutil.rmtree, cls.node.folder, ignore_errors=True)
        cls.addClassCleanup(cls.node.kill)
        os.makedirs(cls.node.folder + "/elsewhere")
        os.makedirs(cls.node.docroot)
        os.symlink(cls.node.folder + "/elsewhere", cls.node.docroot + "/dev1")
        cls.node.start()
        cls.node.write("/dev1/0/a.fid", FILES)

    def test_parts(self):
        with self.node.connect() as connection:
            for first in (0, 1, 100000, 1000000):
                for count in (1, 16384, 16385, 20000, 65536, 65537, 100000, 131071, 131072, 131073):
                    with self.subTest(first=first, count=count):
                        answer = connection.request("GET", "/dev1/0/a.fid",
                                                    {"Range": f"bytes={first}-{first + count - 1}"})
                        self.assertEqual(answer.status, 206)
                        self.assertEqual(answer.body, FILES[first:first + count])
            self.assertEqual(connection.request("GET", "/dev1/0/a.fid").body, FILES)
            self.assertEqual(connection.buffer, b"")


class LastAnswers(StoredTest):
    def slow_reader(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(30)
        sock.connect((self.node.address, self.node.port))
        self.addCleanup(sock.close)
        return sock

    @staticmethod
    def unsent(sock):
        """Bytes of ours that the other end has not acknowledged."""
        return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]

    def test_more_bytes_do_not_destroy_them(self):
        """A reset for bytes that came late would take an answer along that is still on its way."""
        for size in (60000, len(FILES)):
            for late in (b"\r\n", b"GET / HTTP/1.1\r\n\r\n"):
                target = self.unique()
                self.node.write(target, FILES[:size])
                with self.subTest(size=size, late=late):
                    sock = self.slow_reader()
                    sock.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
                    got = sock.recv(100)
                    sock.sendall(late)
                    wait_until(lambda: self.unsent(sock) == 0)
                    while piece := sock.recv(4096):
                        got += piece
                    self.assertEqual(got.split(b"\r\n\r\n", 1)[1], FILES[:size])


class Crowd(unittest.TestCase):
    def test_accepts_again_while_all_are_busy(self):
        """Descriptors run out for a moment, on a node that is never quiet afterwards."""
        with StoredNode() as node:
            pid, stop = node.process.pid, threading.Event()

            def ask(connection):
                with connection:
                    while not stop.is_set():
                        connection.request("GET", "/")

            askers = []
            try:
                for _ in range(32):  # one after the other while others ask: they are spread over the threads
                    connection = node.connect()
                    connection.request("GET", "/")
                    askers.append(threading.Thread(target=ask, args=(connection,)))
                    askers[-1].start()
                before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), before[1]))
                waiting = [node.connect() for _ in range(4)]
                wait_until(lambda: "cannot accept connections" in node.log())
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
                for connection in waiting:
                    self.assertEqual(connection.request("GET", "/").status, 200)
                    connection.close()
            finally:
                stop.set()
                for asker in askers:
                    asker.join()


class Conversation:
    """Requests of all kinds in one stream, with the answers that they must get, in order."""

    def __init__(self, seed, devices):
        self.random = random.Random(seed)
        self.names = [f"/dev{self.random.choice(devices)}/{seed}/{i}.fid" for i in range(5)]
        self.files, self.bytes, self.answers = {}, b"", []

    def head(self, method, target, headers=()):
        end = self.random.choice(("\r\n", "\r\n", "\n"))
        before = self.random.choice(("", "", "", "\r\n", "\n"))
        return (before + f"{method} {target} HTTP/1.1{end}" + "".join(f"{h}{end}" for h in headers) + end).encode()

    def chunked(self, body, trailer=b""):
        out, at = b"", 0
        while at < len(body):
            size = min(max(self.random.choice((1, 15, 100, 4096, 16384, 65536, 262144)), len(body) // 200), len(body) - at)
            out += b"%x%s\r\n%s\r\n" % (size, self.random.choice((b"", b"", b";a=b")), body[at:at + size])
            at += size
        return out + b"0\r\n" + trailer + b"\r\n"

    def add(self, request, status, method, body=None):
        self.bytes += request
        self.answers.append((method, status, body))

    def put(self, name):
        size = self.random.choice(SIZES)
        at = self.random.randrange(len(FILES) - size)
        body, status, headers, trailer = FILES[at:at + size], 201, [], b""
        digests = [base64.b64encode(hashlib.md5(data).digest()).decode() for data in (body, body + b"x")]
        is_chunked, is_wrong, where = (self.random.random() < 0.5, self.random.random() < 0.3, self.random.randrange(4))
        if where == 0:
            headers.append(f"Content-MD5: {digests[is_wrong]}")
        elif where == 1 and is_chunked:
            trailer = f"X: y\r\nContent-MD5: {digests[is_wrong]}\r\n".encode()
        else:
            is_wrong = False
        if self.random.random() < 0.2:
            headers.append("Expect: 100-continue")
        headers.append("Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}")
        if is_wrong:
            status = 400
        else:
            self.files[name] = body
        self.add(self.head("PUT", name, headers) + (self.chunked(body, trailer) if is_chunked else body), status, "PUT")

    def get(self, name):
        body, headers, status = self.files.get(name), [], 200
        method = self.random.choice(("GET", "GET", "HEAD"))
        if body is None:
            status = 404
        elif self.random.random() < 0.5:
            first = self.random.choice((0, 1, len(body) // 2, len(body)))
            last = first + self.random.choice((0, 16383, 16384, 65536, 131072))
            headers.append(f"Range: bytes={first}-{last}")
            status, body = (206, body[first:last + 1]) if first < len(body) else (416, b"")
        self.add(self.head(method, name, headers), status, method, body)

    def delete(self, name):
        self.add(self.head("DELETE", name), 404 if self.files.pop(name, None) is None else 204, "DELETE")

    def refused(self, name):
        size = self.random.choice((0, 1, 1000, 65536))
        body = FILES[:size]
        length = f"Content-Length: {size}"
        table = ((self.head("PUT", "/nothing" + name, [length]) + body, 400, "PUT"),
                 (self.head("NONSENSE", name, [length]) + body, 501, "NONSENSE"),
                 (self.head("MKCOL", name, [length]) + body, 400, "MKCOL"),
                 (self.head("GET", "/dev1/..", [length]) + body, 403, "GET"),
                 (self.head("GET", "/dev1/none", ["Transfer-Encoding: chunked"]) + self.chunked(body[:60000]), 404, "GET"))
        self.add(*self.random.choice(table))

    def some(self, count):
        kinds = (self.put, self.put, self.get, self.get, self.get, self.get, self.delete, self.refused)
        for _ in range(count):
            self.random.choice(kinds)(self.random.choice(self.names))
        return self

    def pieces(self):
        """The stream, cut in ways that meet the ends of the server's reads."""
        sizes, at = self.random.choice(((len(self.bytes),), (1000, 16384, 16383), (65536, 100, 262144))), 0
        while at < len(self.bytes):
            size = self.random.choice(sizes)
            yield self.bytes[at:at + size]
            at += size


class Conversations(unittest.TestCase):
    def converse(self, node, talk):
        with node.connect() as connection:
            def send():
                for piece in talk.pieces():
                    connection.send(piece)

            sender = threading.Thread(target=send)
            sender.start()
            try:
                for number, (method, status, body) in enumerate(talk.answers):
                    answer = connection.answer(method != "HEAD")
                    self.assertEqual((number, method, answer.status), (number, method, status))
                    self.assertEqual(answer.headers["connection"], "keep-alive")
                    if body is not None and status < 300:
                        self.assertEqual(int(answer.headers["content-length"]), len(body))
                    if body is not None and status < 300 and method == "GET":
                        self.assertTrue(answer.body == body, f"answer {number} has other bytes")
            finally:
                sender.join()
            self.assertEqual(connection.buffer, b"")

    def test_mixed(self):
        with StoredNode(options={"fsync": "off"}) as node:
            os.makedirs(node.folder + "/elsewhere")
            os.symlink(node.folder + "/elsewhere", node.docroot + "/dev3")
            wait_until(lambda: node.request("GET", "/dev3/usage").status == 200)
            for seed in range(12):
                with self.subTest(seed=seed):
                    self.converse(node, Conversation(seed, (1, 2, 3)).some(40))
            self.assertEqual(node.temporaries(), [])

    def test_leaving_at_any_time(self):
        """Clients that go away in the midst of everything, some with a reset."""
        with StoredNode(options={"fsync": "off"}) as node:
            chance = random.Random(1)
            for seed in range(60):
                talk = Conversation(seed, (1, 2)).some(5)
                with node.connect() as connection:
                    connection.sock.settimeout(1)
                    try:
                        connection.send(talk.bytes[:chance.randrange(len(talk.bytes))])
                        if chance.random() < 0.5:
                            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    except OSError:
                        pass
            wait_until(lambda: node.temporaries() == [])
            self.assertEqual(node.request("GET", "/").status, 200)


if __name__ == "__main__":
    unittest.main()
