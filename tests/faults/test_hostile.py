# SPDX-License-Identifier: MIT
"""Clients that mean ill, at every port: others are served, memory stays bounded, nothing ends."""
import os
import random
import socket
import time
import unittest

from build import is_sanitized, patient
from cluster import Cluster, Daemon, http, wait_until

LIMIT_MIB = 400  # for a tracker under attack: up to 256 MiB of requests and answers, and what its buffers cost
SERVED_S = 10
CROWD = 260


def connect(where, timeout=10):
    return socket.create_connection(where, timeout=timeout)


def try_send(sock, data):
    """False when the other end has hung up."""
    try:
        sock.sendall(data)
        return True
    except OSError:
        return False


def is_closed(sock):
    """Whether the other end has hung up."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Hostile(unittest.TestCase):
    """A tracker and two nodes; self.ports() are all ports that listen."""

    limit = None  # of descriptors

    @classmethod
    def setUpClass(cls):
        Daemon.nofile = cls.limit
        try:
            cls.cluster = Cluster(nodes=2)
        finally:
            Daemon.nofile = None
        with cls.cluster.client() as client:
            client.request("create_domain", domain="d")
            client.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
            for i in range(20):
                client.upload("d", f"{'k' * 200}{i}", b"x", "two")

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def setUp(self):
        self.rnd, self.held = random.Random(self.id()), []
        self.tracker, self.node = self.cluster.tracker, self.cluster.nodes[0]
        self.addCleanup(self.let_go)
        self.serves()

    def let_go(self):
        for sock in self.held:
            sock.close()

    def ports(self):
        return {"tracker": (self.tracker.address, self.tracker.port), "http": (self.node.address, self.node.port),
                "side": (self.node.address, self.node.side_port)}

    def crowd(self, where, first=b"", count=CROWD):
        """So many connections; each says `first`."""
        made = []
        for _ in range(count):
            try:
                sock = connect(where)
            except OSError:
                continue
            self.held.append(sock)
            if first:
                try_send(sock, first)
            made.append(sock)
        return made

    def serves(self):
        """An honest client stores and reads a file, lists, and speaks with the side channel, in good time."""
        began = time.monotonic()
        data = self.rnd.randbytes(3000)

        def stored():
            with self.cluster.client(timeout=SERVED_S) as client:
                client.upload("d", "honest", data, "two")
                url = client.paths("d", "honest")[0]
                self.assertEqual(http("GET", url, timeout=SERVED_S)[2], data)
            return True
        # A node that was full of idle connections has room again after a try or two, as clients make them.
        wait_until(stored, SERVED_S, "an honest client is served", pause=0.2)

        def spoken():
            with connect((self.node.address, self.node.side_port), timeout=2) as side:
                side.sendall(b"size /dev1/usage\n")
                self.assertRegex(side.recv(200), rb"^/dev1/usage -?\d+\r\n")
            return True
        wait_until(spoken, SERVED_S, "the side channel answers", pause=0.2)
        self.assertLess(time.monotonic() - began, patient(2 * SERVED_S))

    def bounded(self):
        if not is_sanitized():
            for daemon in self.cluster.trackers + self.cluster.nodes:
                self.assertLess(daemon.memory_kib() // 1024, LIMIT_MIB, daemon.label)

    # ---- who says little

    def test_slow_requests(self):
        """Requests that come byte by byte, and never end."""
        texts = {"tracker": b"create_open domain=d&key=", "http": b"PUT /dev1/0/000/000/slow.fid HTTP/1.1\r\nHost: x\r\nX: ",
                 "side": b"size /dev1/"}
        crowds = [(self.crowd(where, texts[name][:1]), texts[name]) for name, where in self.ports().items()]
        for at in range(1, 12):
            for socks, text in crowds:
                for sock in socks[::7]:
                    try_send(sock, text[at:at + 1])
            if at % 5 == 0:
                self.serves()
        self.serves()
        self.bounded()

    def test_silent_crowds(self):
        for where in self.ports().values():
            self.crowd(where)
            self.serves()
        self.bounded()

    def test_slow_uploads(self):
        """Uploads that announce much and send little: not even their beginnings stay."""
        head = b"PUT /dev1/0/000/000/%d.slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nabc"
        for i in range(100):
            self.crowd(self.ports()["http"], head % i, 1)
        self.serves()
        self.let_go()
        wait_until(lambda: not self.temporaries(), what="nothing of them is left on the disk")

    def temporaries(self):
        return [name for node in self.cluster.nodes for _, _, names in os.walk(node.docroot) for name in names
                if name.startswith(".mogtmp-") or name.endswith(".slow")]

    # ---- who says much

    def test_endless_lines(self):
        for name, where in self.ports().items():
            with self.subTest(name), connect(where) as sock:
                sent = 0
                while sent < 64 << 20 and try_send(sock, b"x" * 65536):
                    sent += 65536
                self.assertLess(sent, 64 << 20, "it is hung up before long")
        self.serves()
        self.bounded()

    def test_long_beginnings_of_many(self):
        """Each is within its limit; together they are too much."""
        for _ in range(3):
            for sock in self.crowd(self.ports()["tracker"]):
                sock.settimeout(2)
                try_send(sock, b"list_keys domain=" + b"x" * 1_000_000)
        self.serves()
        self.bounded()
        closed = sum(is_closed(sock) for sock in self.held)
        self.assertGreater(closed, CROWD // 2)

    def test_requests_without_end(self):
        """Requests in one go, and nobody who reads the answers."""
        one = b"list_keys domain=d&limit=1000\r\n" * 2000
        for sock in self.crowd(self.ports()["tracker"], count=50):
            sock.settimeout(0.2)
            try_send(sock, one)
        get = b"GET /dev1/usage HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
        for sock in self.crowd(self.ports()["http"], count=50):
            sock.settimeout(0.2)
            try_send(sock, get)
        size = b"size /dev1/usage\n" * 1000
        for sock in self.crowd(self.ports()["side"], count=50):
            sock.settimeout(0.2)
            try_send(sock, size)
        self.serves()
        self.bounded()

    def test_log_lines_that_nobody_reads(self):
        for sock in self.crowd(self.ports()["tracker"], b"!watch\r\n", 50):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with self.cluster.client() as client:
            for i in range(300):
                client.call("set_state", host="x" * 2000, device=i, state="alive")
        self.serves()
        self.bounded()

    # ---- who says nonsense

    def test_garbage(self):
        for where in self.ports().values():
            for i in range(150):
                data = self.rnd.randbytes(self.rnd.choice((1, 10, 100, 5000)))
                with connect(where) as sock:
                    try_send(sock, data + (b"\r\n\r\n" if i % 2 else b"\n"))
        self.serves()

    def test_lines_like_requests(self):
        words = [b"create_open", b"create_close", b"get_paths", b"list_keys", b"file_debug", b"!want", b"!to", b"!jobs",
                 b"updateclass", b"list_fids", b"set_weight"]
        tails = [b"domain=d", b"key=%00%ff%", b"fid=-1", b"fid=99999999999999999999", b"=&=&=", b"devid=0", b"path=",
                 b"limit=1e99", b"size=NaN", b"%" * 50, b"x=" + b"y" * 5000, b"\0", b"callid=" + b"z" * 3000]
        with self.cluster.client() as client:
            for _ in range(600):
                parts = self.rnd.sample(tails, self.rnd.randrange(1, 6))
                word = self.rnd.choice(words)
                if word == b"!want":
                    parts = [b"999999999999 nothing"]
                client.send(word + b" " + b"&".join(parts) + b"\n")
            client.send(b"noop domain=d\n")
            while True:
                line = client.line(bare_lf=True)
                self.assertIsNotNone(line, "the tracker hung up")
                if line == b"OK ":
                    break
        self.serves()

    def test_requests_cut_at_every_byte(self):
        requests = {
            "tracker": [b"create_open domain=d&key=cut&class=two&multi_dest=1\r\n", b"!stats\r\n"],
            "http": [b"PUT /dev1/0/000/000/cut.slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345",
                     b"GET /dev1/usage HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n\r\n",
                     b"PUT /dev1/0/cut2.slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
            "side": [b"md5 /dev1/usage\n", b"watch\n"]}
        for name, texts in requests.items():
            for text in texts:
                for at in range(len(text)):
                    with connect(self.ports()[name]) as sock:
                        try_send(sock, text[:at])
                        if at % 3 == 0:
                            sock.shutdown(socket.SHUT_WR)
        self.serves()
        wait_until(lambda: not self.temporaries(), what="nothing of them is left on the disk")


class FewDescriptors(Hostile):
    """The same where crowds are larger than what the daemons may open."""

    limit = 240

    def test_slow_uploads(self):
        self.skipTest("as with many descriptors")

    test_requests_cut_at_every_byte = test_garbage = test_lines_like_requests = test_slow_uploads
    test_long_beginnings_of_many = test_endless_lines = test_slow_uploads


if __name__ == "__main__":
    unittest.main()
