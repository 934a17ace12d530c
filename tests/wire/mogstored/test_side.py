# SPDX-License-Identifier: MIT
"""The side channel: sizes, digests, watching, stopping, and everything that is no command."""
import hashlib
import os
import select
import socket
import time
import unittest

from storednode import StoredNode, StoredTest, is_sanitized
from waiting import wait_until

MISSING = "/dev1/0/000/000/0000009999.fid"


class Side(StoredTest):
    def setUp(self):
        self.target = self.unique().replace("__main__", "m")
        self.node.write(self.target, b"hello")
        self.side = self.node.side()
        self.addCleanup(self.side.close)

    def test_size(self):
        self.assertEqual(self.side.say(f"size {self.target}"), f"{self.target} 5")
        self.assertEqual(self.side.say(f"size {MISSING}"), f"{MISSING} -1")
        self.node.write(self.target, b"")
        self.assertEqual(self.side.say(f"size {self.target}"), f"{self.target} 0")
        os.truncate(self.node.path(self.target), 2 << 40)
        self.assertEqual(self.side.say(f"size {self.target}"), f"{self.target} {2 << 40}")
        for path in ("/dev1", "/dev1/0", "dev1/x", "/dev99/x", "/", "x", "/other/x"):
            self.assertEqual(self.side.say(f"size {path}"), f"{path} -1")
        for path in ("/dev1/../x", "/..", "a..b"):
            self.assertEqual(self.side.say(f"size {path}"), "ERROR: uri invalid (contains ..)")
        for line in (f"size  {self.target}", f"size {self.target} x", "size"):
            self.assertEqual(self.side.say(line), "ERROR: unknown command: size")
        self.assertEqual(self.side.say("SIZE /dev1/x"), "ERROR: unknown command: SIZE")

    def test_line_ends(self):
        self.side.send(f"size {self.target}\r\n")
        self.assertEqual(self.side.line(), f"{self.target} 5\r\n")
        for line in ("\n", "\r\n", "  \n", "\t\r\n"):
            self.side.send(line)
            self.assertEqual(self.side.line(), "\r\n")

    def test_digests(self):
        for size in (0, 1, 5, 1 << 20, (9 << 20) + 3):
            data = os.urandom(size)
            self.node.write(self.target, data)
            for name, make in (("MD5", hashlib.md5), ("SHA-1", hashlib.sha1), ("SHA-256", hashlib.sha256),
                               ("SHA-512", hashlib.sha512)):
                for reason in ("", " fsck", " create_close", " replicate"):
                    self.assertEqual(self.side.say(f"{name} {self.target}{reason}"),
                                     f"{self.target} {name}={make(data).hexdigest()}")
        for reason in ("", " fsck"):
            for path in (MISSING, "/dev1/0", "/other/x", self.target + "/x"):
                self.assertEqual(self.side.say(f"MD5 {path}{reason}"), f"{path} MD5=-1")
            self.assertEqual(self.side.say(f"MD5 /dev99/x{reason}"), "ERR read /dev99/x at 0 failed")
        self.assertEqual(self.side.say("MD5 /dev1/../x"), "ERROR: uri invalid (contains ..)")
        for line in ("MD5", f"MD5 {self.target} a b", f"MD5 {self.target} a-b", f"MD5 {self.target} ", f"MD5  x"):
            self.assertEqual(self.side.say(line), "ERROR: unknown command: MD5")
        self.assertEqual(self.side.say(f"md5 {self.target}"), "ERROR: unknown command: md5")

    def test_links_are_not_followed(self):
        os.symlink("/etc/passwd", self.node.path("/dev1/side-link"))
        self.assertEqual(self.side.say("size /dev1/side-link"), "/dev1/side-link -1")
        self.assertEqual(self.side.say("MD5 /dev1/side-link"), "ERR read /dev1/side-link at 0 failed")

    def test_order_and_pipelining(self):
        self.node.write(self.target, bytes(20 << 20))
        digest = hashlib.md5(bytes(20 << 20)).hexdigest()
        count = 100
        self.side.send((f"MD5 {self.target} fsck\n" + f"size {self.target}\n" * count + f"MD5 {self.target}\nnonsense\n")
                       .encode())
        lines = [self.side.line().rstrip() for _ in range(count + 3)]
        self.assertEqual(lines, [f"{self.target} MD5={digest}"] + [f"{self.target} {20 << 20}"] * count +
                         [f"{self.target} MD5={digest}", "ERROR: unknown command: nonsense"])

    def test_many_clients(self):
        self.node.write(self.target, bytes(5 << 20))
        digest = hashlib.md5(bytes(5 << 20)).hexdigest()
        sides = [self.node.side() for _ in range(12)]
        for i, side in enumerate(sides):
            side.send(f"MD5 {self.target}{' fsck' if i % 2 else ''}\n" * 3)
        for side in sides[:4]:
            side.close()
        for side in sides[4:]:
            for _ in range(3):
                self.assertEqual(side.line().rstrip(), f"{self.target} MD5={digest}")
            side.close()

    def test_byte_by_byte(self):
        for byte in f"size {self.target}\r\n".encode():
            self.side.send(bytes([byte]))
        self.assertEqual(self.side.line(), f"{self.target} 5\r\n")

    def test_answers_to_a_half_closed_client(self):
        self.side.send(f"size {self.target}\nMD5 {self.target}\n")
        self.side.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.side.line(), f"{self.target} 5\r\n")
        self.assertIn("MD5=", self.side.line())
        self.assertTrue(self.side.ended())

    def test_long_line(self):
        self.side.send("x" * 400000)
        self.assertEqual(self.side.line(), "ERROR: line too long\r\n")
        with self.node.side() as other:
            self.assertEqual(other.say(f"size {self.target}"), f"{self.target} 5")
            self.assertEqual(other.say("x" * 4000), "ERROR: unknown command: " + "x" * 4000)

    def test_answers_that_nobody_reads(self):
        self.side.sock.settimeout(2)
        line = b"stats\n" * 1000  # the longest answer to the shortest command
        sent = 0
        with self.assertRaises(TimeoutError):
            while sent < 64 << 20:
                sent += self.side.sock.send(line)
        if not is_sanitized():
            self.assertLess(self.node.memory_kib(), 200000)

    def test_unknown(self):
        for line, word in ((" size x", "size"), ("foo", "foo"), ("Foo bar", "Foo"), ("crash", "crash"), ("load x", "load"),
                           ("set a = b", "set"), ("fid_sizes 1 2", "fid_sizes"), ("watch ", "watch"), ("\0", "")):
            self.assertEqual(self.side.say(line), f"ERROR: unknown command: {word}")

    def test_server_options(self):
        for line in ("server aio_threads = 7", "server aio_threads=20", "SERVER AIO_THREADS = 500", "server aio_mode = none",
                     "server aio_mode = ioaio"):
            self.assertEqual(self.side.say(line), "")
        self.assertEqual(self.side.say("server aio_mode = linux"), "ERROR: Linux::AIO no longer supported")
        self.assertEqual(self.side.say("server foo = bar"), "ERROR: unknown server option 'bar'")
        self.assertEqual(self.side.say("server"), "ERROR: Invalid syntax to 'server' command")
        self.assertEqual(self.side.say("server aio_threads = 10"), "")

    def block(self):
        lines = []
        while lines[-1:] != ["."]:
            lines.append(self.side.line().rstrip("\r\n"))
        return lines[:-1]

    def test_reports(self):
        for command in ("version", "uptime"):
            self.side.send(command + "\n")
            fields = dict(line.split(" ", 1) for line in self.block())
            self.assertEqual(sorted(fields), ["starttime", "uptime", "version"])
            self.assertLess(abs(int(fields["starttime"]) + int(fields["uptime"]) - time.time()), 30)
        self.side.send("aio\n")
        lines = self.block()
        self.assertIn("dev1 cur_running 0", lines)
        self.assertEqual(len(lines) % 4, 0)
        self.side.send("stats\nhelp\n")
        self.assertIn("dev1 health healthy", self.block())
        self.assertIn("watch", self.block())

    def test_quit(self):
        self.side.send("quit\n")
        self.assertTrue(self.side.ended())

    def test_watch(self):
        self.side.send("Watch\nsize x\n")
        for _ in range(2):
            block = self.side.until(b"\n.\n")
            self.assertNotIn(b"\r", block)
            lines = block.decode().splitlines()[:-1]
            self.assertEqual([line.split("\t")[0] for line in lines], ["1", "2"])
            for line in lines:
                self.assertRegex(line, r"^\d+\t(\d+\.\d\d|-)$")

    def test_too_many_clients(self):
        sides = [self.node.side() for _ in range(520)]
        ended = select.poll()
        for side in sides:
            ended.register(side.sock, select.POLLRDHUP)
        wait_until(lambda: len(ended.poll(0)) >= 20, what="those too many are closed")
        closed = {fd for fd, _ in ended.poll(0)}
        left = next(side for side in sides if side.sock.fileno() not in closed)
        self.assertEqual(left.say(f"size {self.target}"), f"{self.target} 5")
        for side in sides:
            side.close()

        def again():
            try:
                with self.node.side() as side:
                    return side.say(f"size {self.target}")
            except EOFError:
                return False
        wait_until(again, what="there is room again")

    def test_http_on_the_side_channel(self):
        self.assertEqual(self.side.say("GET / HTTP/1.0"), "ERROR: unknown command: GET")


class Stopping(unittest.TestCase):
    def test_shutdown(self):
        with StoredNode() as node:
            with node.side() as side, node.side() as watcher, node.connect() as idle:
                watcher.send("watch\n")
                watcher.until(b".\n")
                self.assertEqual(idle.request("GET", "/").status, 200)
                began = time.monotonic()
                side.send("shutdown\n")
                self.assertTrue(side.ended())
                self.assertLess(time.monotonic() - began, 2)
                node.wait_end(4)
                self.assertTrue(watcher.fill() is False or not watcher.fill())
                self.assertTrue(idle.ended())

    def test_in_the_midst_of_everything(self):
        """Downloads that nobody reads, uploads that wait, digests that run."""
        with StoredNode() as node:
            node.write("/dev1/big", bytes(200 << 20))
            os.truncate(node.path("/dev1/big"), 1 << 36)
            clients = []
            for i in range(8):
                get, put, side = node.connect(), node.connect(), node.side()
                get.send(f"GET /dev1/big HTTP/1.1\r\nRange: bytes={i}-{60 << 20 if i % 2 else ''}\r\n\r\n")
                get.until(b"\r\n\r\n")
                put.send(f"PUT /dev1/put{i} HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n")
                put.send(bytes(1000000))
                side.send(f"MD5 /dev1/big{' fsck' if i % 2 else ''}\n")
                clients += [get, put, side]
            wait_until(lambda: len(node.temporaries()) == 8, what="all uploads have begun")
            node.stop(seconds=10)
            self.assertEqual(node.files(), ["/dev1/big"])
            for client in clients:
                client.close()

    def test_graceful(self):
        with StoredNode() as node:
            node.write("/dev1/big", bytes(40 << 20))
            with node.side() as side, node.connect() as get, node.connect() as put, node.connect() as idle:
                idle.request("GET", "/")
                get.send("GET /dev1/big HTTP/1.1\r\n\r\n")
                head = get.until(b"\r\n\r\n")
                put.send("PUT /dev1/late HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
                put.until(b"\r\n\r\n")
                put.send("la")
                self.assertEqual(side.say("shutdown graceful 100"), "")
                self.assertTrue(idle.ended())

                def refused():
                    try:
                        node.connect().close()
                    except ConnectionRefusedError:
                        return True
                wait_until(refused, what="new connections are refused")
                self.assertEqual(get.exactly(40 << 20), bytes(40 << 20))
                put.send("te")
                answer = put.answer()
                self.assertEqual((answer.status, answer.headers["connection"]), (201, "close"))
                self.assertIn(b"200 OK", head)
                node.wait_end()
                self.assertEqual(node.read("/dev1/late"), b"late")

    def test_graceful_has_a_limit(self):
        with StoredNode() as node:
            with node.side() as side, node.connect() as put:
                put.send("PUT /dev1/late HTTP/1.1\r\nContent-Length: 4\r\n\r\nla")
                self.assertEqual(node.request("GET", "/").status, 200)
                self.assertEqual(side.say("shutdown graceful 1"), "")
                node.wait_end(10)
                self.assertEqual(node.temporaries(), [])


class NoIostat(StoredTest):
    options = {"iostat": 0}

    def test_watch(self):
        with self.node.side() as side:
            side.send("watch\n")
            self.assertEqual(side.until(b".\n"), b"1\t-\n2\t-\n.\n")


if __name__ == "__main__":
    unittest.main()
