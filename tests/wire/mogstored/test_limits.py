# SPDX-License-Identifier: MIT
"""Many connections, slow clients, huge files: what they cost, and what is refused."""
import os
import resource
import signal
import socket
import threading
import time
import unittest

from storednode import StoredNode, StoredTest, is_sanitized
from waiting import wait_until


class FewPlaces(StoredTest):
    options = {"maxconns": 20}

    def test_idle_ones_make_room(self):
        idle = [self.node.connect() for _ in range(20)]
        for connection in idle:
            self.assertEqual(connection.request("GET", "/").status, 200)

        def served():
            return self.request("GET", "/").status == 200
        wait_until(served, what="an idle connection makes room")
        self.assertFalse(idle[0].fill(), "the longest idle one was to go first")
        for connection in idle:
            connection.close()

    def test_surplus_is_told(self):
        busy = []
        for i in range(20):
            connection = self.node.connect()
            connection.send(f"PUT /dev1/busy{i} HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            busy.append(connection)

        def told():
            answer = self.request("GET", "/dev1/usage")
            return answer.status == 503 and answer.headers["connection"] == "close"
        wait_until(told, what="a surplus connection is told")
        for connection in busy:
            connection.send("123")
            self.assertEqual(connection.answer().status, 201)
            connection.close()
        wait_until(lambda: self.request("GET", "/").status == 200)


class ManyPlaces(unittest.TestCase):
    def test_idle_connections_are_cheap(self):
        count = 2000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 500) if hard > 0 else count + 500, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with StoredNode((1,), {"maxconns": 10000}) as node:
            node.write("/dev1/x", b"x" * 100)
            node.request("GET", "/dev1/x")
            before = node.memory_kib()
            connections = [node.connect() for _ in range(count)]
            for connection in connections:
                connection.send("GET /dev1/x HTTP/1.1\r\n\r\n")
            for connection in connections:
                self.assertEqual(connection.answer().status, 200)
            each = (node.memory_kib() - before) / count
            if not is_sanitized():
                self.assertLessEqual(each, 16, "KiB a connection")
            began = time.monotonic()
            self.assertEqual(node.request("GET", "/dev1/x").status, 200)
            self.assertLess(time.monotonic() - began, 1)
            for connection in connections:
                connection.close()


def switches(pid):
    """How often threads of the process have gone to sleep and were woken, so far."""
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as f:
            count += next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return count


class Idle(unittest.TestCase):
    def test_who_does_nothing_needs_nothing(self):
        with StoredNode(env={"MOG_DISK_USAGE_INTERVAL": "10"}) as node:
            self.assertEqual(node.request("GET", "/dev1/usage").status, 200)
            seconds, before, began = 4, switches(node.pid), time.monotonic()
            wait_until(lambda: time.monotonic() - began >= seconds, what="some seconds have passed")
            each = (switches(node.pid) - before) / (time.monotonic() - began)
            if not is_sanitized():
                self.assertLess(each, 10, "times a second")
                self.assertLess(node.memory_kib(), 8192)


class Huge(StoredTest):
    options = {"fsync": "off"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.size = 1 << 30

    def sure(self, what):
        if not is_sanitized():
            self.assertLess(self.node.memory_kib() - self.before, 30000, what)

    def test_a_gigabyte(self):
        self.node.request("GET", "/")
        self.before = self.node.memory_kib()
        block = bytes(1 << 20)
        with self.node.connect() as connection:
            connection.send(f"PUT /dev1/huge HTTP/1.1\r\nContent-Length: {self.size}\r\n\r\n")
            for i in range(self.size >> 20):
                connection.send(block)
                if i % 256 == 0:
                    self.sure("while receiving")
            self.assertEqual(connection.answer().status, 201)
            self.assertEqual(os.stat(self.node.path("/dev1/huge")).st_size, self.size)
            connection.send("GET /dev1/huge HTTP/1.1\r\n\r\n")
            connection.until(b"\r\n\r\n")
            left = self.size - len(connection.buffer)
            view = bytearray(1 << 20)
            while left:
                left -= connection.sock.recv_into(view, min(left, len(view)))
            self.sure("while sending")
            connection.buffer = b""
            self.assertEqual(connection.request("DELETE", "/dev1/huge").status, 204)


class Slow(StoredTest):
    def test_slow_writers_disturb_nobody(self):
        slow = [self.node.connect() for _ in range(200)]
        for i, connection in enumerate(slow):
            connection.send(f"PUT /dev1/slow{i} HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
        for _ in range(3):
            for connection in slow:
                connection.send("x")
            began = time.monotonic()
            for _ in range(20):
                self.assertEqual(self.request("GET", "/dev1/usage").status, 200)
            self.assertLess(time.monotonic() - began, 3)
        for connection in slow:
            connection.send("x")
            self.assertEqual(connection.answer().status, 201)
            connection.close()

    def test_slow_readers_disturb_nobody(self):
        self.node.write("/dev1/large", bytes(100 << 20))
        slow = []
        for _ in range(20):
            connection = self.node.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send("GET /dev1/large HTTP/1.1\r\n\r\n")
            slow.append(connection)
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.request("GET", "/dev1/usage").status, 200)
        self.assertLess(time.monotonic() - began, 3)
        for connection in slow:
            connection.close()

    def test_many_at_once(self):
        errors = []

        def descriptors():
            return len(os.listdir(f"/proc/{self.node.pid}/fd"))
        self.node.wait_running()
        self.request("PUT", "/dev1/many/warm", body=b"x")
        before = descriptors()

        def work(i):
            try:
                with self.node.connect() as connection:
                    for k in range(20):
                        data = os.urandom(1000 * (k + 1))
                        target = f"/dev{i % 2 + 1}/many/{i}/{k % 3}"
                        assert connection.request("PUT", target, body=data).status == 201
                        assert connection.request("GET", target).body == data
                        assert connection.request("DELETE", target).status == 204
                        assert connection.request("GET", target).status == 404
                with self.node.connect() as connection:  # and one that leaves in mid-upload
                    connection.send(f"PUT /dev1/many/{i}/gone HTTP/1.1\r\nContent-Length: 900000\r\n\r\n")
                    connection.send(bytes(300000))
            except BaseException as e:  # noqa: B902 (told to the test)
                errors.append(e)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        wait_until(lambda: descriptors() <= before, what="no descriptor is lost")
        self.assertEqual(self.node.temporaries(), [])


class NoDescriptors(StoredTest):
    """None is left, as when clients hold too many files."""
    options = {"maxconns": 200}

    def limit(self, count):
        """How many there may be. Less than there are: none is given out any more, whichever is closed."""
        hard = resource.prlimit(self.node.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.node.pid, resource.RLIMIT_NOFILE, (count, hard))
        self.addCleanup(resource.prlimit, self.node.pid, resource.RLIMIT_NOFILE, (hard, hard))

    def test_devices_stay_well(self):
        self.node.write("/dev1/x", b"x")
        with self.node.connect() as connection:
            self.assertEqual(connection.request("GET", "/dev1/x").body, b"x")
            self.limit(3)
            until = time.monotonic() + 2.5  # longer than from one measurement to the next
            while time.monotonic() < until:
                self.assertEqual(connection.request("GET", "/dev1/none").status, 503)
                self.assertEqual(connection.request("PUT", "/dev1/new", body=b"x").status, 500)
                self.assertEqual(connection.request("GET", "/dev1/usage").status, 200)
                time.sleep(0.1)
            self.limit(150)
            self.assertEqual(connection.request("GET", "/dev1/none").status, 404)
            self.assertEqual(connection.request("PUT", "/dev1/new", body=b"x").status, 201)

    def test_idle_connections_make_room(self):
        idle = [self.node.connect() for _ in range(60)]
        for connection in idle:
            connection.request("GET", "/")
        time.sleep(0.5)  # they must have been idle for a moment
        self.limit(max(map(int, os.listdir(f"/proc/{self.node.pid}/fd"))) + 1)
        began = time.monotonic()
        for _ in range(20):
            connection = self.node.connect()
            self.assertEqual(connection.request("GET", "/").status, 200)
            idle.append(connection)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.node.log().count("http: cannot accept"), 1)
        for connection in idle:
            connection.close()

    def test_the_docroot_is_told_of_once(self):
        def count(text):
            return self.node.log().count(text)
        told = count("devices: cannot read")
        self.limit(3)
        for _ in range(4):
            done = count("reload: done")
            self.node.process.send_signal(signal.SIGHUP)  # looks through it at once
            wait_until(lambda: count("reload: done") > done)
            time.sleep(0.2)
        self.assertLessEqual(count("devices: cannot read") - told, 1)

    def test_the_side_channel_waits(self):
        def ticks():
            with open(f"/proc/{self.node.pid}/stat") as f:
                return sum(map(int, f.read().split()[13:15]))
        self.limit(3)
        with self.node.side() as side:
            side.send("size /dev1/none\n")
            time.sleep(0.2)
            before = ticks()
            time.sleep(1)
            self.assertLess((ticks() - before) / os.sysconf("SC_CLK_TCK"), 0.5)
            self.assertEqual(self.node.log().count("side: cannot accept"), 1)
            self.limit(150)
            self.assertEqual(side.line(), "/dev1/none -1\r\n")

    def test_idle_clients_of_the_side_channel_make_room(self):
        idle = [self.node.side() for _ in range(5)]
        for client in idle:
            self.assertEqual(client.say("size /dev1/none"), "/dev1/none -1")
        time.sleep(1.2)  # as above, but longer
        self.limit(max(map(int, os.listdir(f"/proc/{self.node.pid}/fd"))) + 1)
        for _ in range(5):
            idle.append(self.node.side())
            self.assertEqual(idle[-1].say("size /dev1/none"), "/dev1/none -1")
        for client in idle:
            client.close()


class ShortTimes(StoredTest):
    options = {"keepalive_timeout": 2}

    def test_idle_connections_are_closed(self):
        with self.node.connect() as connection:
            connection.request("GET", "/")
            began = time.monotonic()
            self.assertTrue(connection.ended())
            self.assertGreater(time.monotonic() - began, 1)


if __name__ == "__main__":
    unittest.main()
