# SPDX-License-Identifier: MIT
"""A storage node alone, and raw conversations with it: every byte of requests and answers is the test's own.

    class Reading(StoredTest):
        options = {"maxconns": 100}

        def test_missing(self):
            self.assertEqual(self.node.request("GET", "/dev1/x").status, 404)
"""
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import unittest

from build import is_sanitized, patient  # noqa: F401
from daemon import Daemon, program
from waiting import DEADLINE, free_port, new_address, wait_until


class Answer:
    """One HTTP answer: status, reason, headers (names in lower case), body, and the head's bytes."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = (lines[0].split(" ", 2) + [""])[:3]
        self.status = int(status)
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.body = b""

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class Connection:
    """A TCP connection to port 7500 or 7501."""

    def __init__(self, address, port, timeout=DEADLINE):
        self.sock = socket.create_connection((address, port), timeout=patient(timeout))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def fill(self):
        """Read more; False at the end."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def until(self, mark):
        """The bytes up to and with `mark`."""
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError(f"closed after {self.buffer!r}")
        at = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:at], self.buffer[at:]
        return data

    def exactly(self, count):
        data = bytearray(self.buffer[:count])
        self.buffer = self.buffer[count:]
        while len(data) < count:
            piece = self.sock.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {count} bytes")
            data += piece
        return bytes(data)

    def line(self):
        return self.until(b"\n").decode("latin-1")

    def answer(self, has_body=True):
        """The next final answer."""
        while True:
            answer = Answer(self.until(b"\r\n\r\n")[:-4])
            if answer.status != 100:
                break
        if has_body and answer.status not in (204, 304):
            answer.body = self.exactly(int(answer.headers["content-length"]))
        return answer

    def request(self, method, target, headers=(), body=None, version="1.1"):
        """Send a request, and return its answer. A body is sent with its length."""
        lines = [f"{method} {target} HTTP/{version}", "Host: test"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        if body is not None and not any(line.lower().startswith(("content-length:", "transfer-encoding:"))
                                        for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines) + "\r\n\r\n")
        if body:
            self.send(body)
        return self.answer(method != "HEAD")

    def ended(self):
        """Whether the other end closes, with nothing more to say."""
        while self.fill():
            pass
        return self.buffer == b""

    def say(self, line):
        """A command of the side channel, and its one line of answer without the end."""
        self.send(line + "\n")
        return self.line().rstrip("\r\n")


class StoredNode(Daemon):
    """A mogstored in a scratch folder with devices dev1, dev2..."""

    def __init__(self, devices=(1, 2), options=None, env=None, folder=None, args=(), wrapper=()):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="mogtest-")
        self.docroot = os.path.join(self.folder, "docroot")
        for device in devices:
            os.makedirs(os.path.join(self.docroot, f"dev{device}"), exist_ok=True)
        self.address = new_address()
        self.port, self.side_port = free_port(self.address), free_port(self.address)
        self.options = {"httplisten": f"{self.address}:{self.port}", "mgmtlisten": f"{self.address}:{self.side_port}",
                        "docroot": self.docroot, "maxconns": 500, **(options or {})}
        arguments = [f"--{key}={value}" for key, value in self.options.items() if value is not None]
        if "--config" not in " ".join(args):
            arguments.insert(0, "--skipconfig")
        super().__init__("mogstored", arguments + list(args), self.folder, "mogstored",
                         {"MOG_DISK_USAGE_INTERVAL": "1", **(env or {})})
        self.wrapper = list(wrapper)

    def start(self, wait=True):
        super().start()
        if wait:
            self.wait_listening(self.address, self.side_port)
        return self

    def wait_running(self):
        """Wait until it has all that it starts with; it answers a little earlier."""
        wait_until(lambda: "Running.\n" in self.log(), what=f"{self.label} runs")

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            if kind is not None:
                print(self.log(), file=sys.stderr)
            self.kill()
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, **more):
        return Connection(self.address, self.port, **more)

    def side(self, **more):
        return Connection(self.address, self.side_port, **more)

    def request(self, *args, **more):
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.request(*args, **more)

    def exchange(self, data):
        """Send bytes, and return all that comes until the other end closes."""
        with self.connect() as connection:
            connection.send(data)
            while connection.fill():
                pass
            return connection.buffer

    def path(self, target):
        """Where the file behind a target lies."""
        return os.path.join(self.docroot, target.lstrip("/"))

    def write(self, target, data):
        """Put a file there behind the node's back."""
        os.makedirs(os.path.dirname(self.path(target)), exist_ok=True)
        with open(self.path(target), "wb") as f:
            f.write(data)

    def read(self, target):
        with open(self.path(target), "rb") as f:
            return f.read()

    def temporaries(self):
        """Our temporary files that lie about."""
        return [os.path.join(at, name) for at, _, names in os.walk(self.docroot) for name in names
                if name.startswith(".mogtmp-")]

    def files(self):
        """All files of all devices but the usage files, as targets."""
        return sorted("/" + os.path.relpath(os.path.join(at, name), self.docroot)
                      for at, _, names in os.walk(self.docroot) for name in names if name != "usage")


class StoredTest(unittest.TestCase):
    """One node for all tests of a class; `options`, `devices` and `env` as of StoredNode."""
    devices = (1, 2)
    options = {}
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.node = StoredNode(cls.devices, cls.options, cls.env).start()
        cls.addClassCleanup(cls.clean)

    @classmethod
    def clean(cls):
        try:
            cls.node.stop()
        finally:
            cls.node.kill()
            shutil.rmtree(cls.node.folder, ignore_errors=True)

    def request(self, *args, **more):
        return self.node.request(*args, **more)

    def unique(self, device=1):
        """A target that no other test uses."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.id())
        return f"/dev{device}/0/{name}/{time.monotonic_ns()}.fid"
