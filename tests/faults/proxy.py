# SPDX-License-Identifier: MIT
"""A TCP proxy before a storage node that hangs, cuts, slows and lies when it is told to."""
import random
import re
import select
import socket
import struct
import threading
import time

MODES = ("hang", "refuse", "cut", "slow", "500", "404", "short", "long")
HTTP_ONLY = ("500", "404", "short", "long")


def reset(sock):
    """Close with a RST rather than a FIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


class Connection(threading.Thread):
    """One client of the proxy, and its connection to the node."""

    def __init__(self, proxy, client):
        super().__init__(daemon=True)
        self.proxy, self.client, self.server = proxy, client, None
        self.sent = 0       # to the client, since the mode changed
        self.stalled = False
        self.generation = proxy.generation
        self.body_left = None

    def run(self):
        try:
            while self.step():
                pass
        except OSError:
            pass
        finally:
            reset(self.client)
            if self.server:
                self.server.close()
            self.proxy.forget(self)

    def mode(self):
        proxy = self.proxy
        if self.generation != proxy.generation:
            if self.stalled:
                raise ConnectionError("what was held back is lost")
            self.generation, self.sent, self.body_left = proxy.generation, 0, None
        return "pass" if proxy.mode in HTTP_ONLY and not proxy.http else proxy.mode

    def step(self):
        if self.proxy.closed:
            return False
        mode = self.mode()
        if mode == "refuse":
            return False
        if mode == "hang":
            self.stalled = True
            time.sleep(0.02)
            return True
        if mode in ("500", "404"):
            return self.lie(mode)
        if not self.server:
            self.server = socket.create_connection(self.proxy.target, timeout=5)
        ready, _, _ = select.select([self.client, self.server], [], [], 0.05)
        for source in ready:
            if self.mode() != mode:
                return True
            data = source.recv(256 if mode == "slow" else 1 << 16)
            if not data:
                return False
            if source is self.client:
                self.server.sendall(data)
            elif not self.answer(mode, data):
                return False
        if ready and mode == "slow":
            time.sleep(0.02)
        return True

    def lie(self, status):
        """Take a request, and answer it with a status of our own."""
        if not select.select([self.client], [], [], 0.05)[0]:
            return True
        data = b""
        self.client.settimeout(2)
        while b"\r\n\r\n" not in data:
            piece = self.client.recv(1 << 16)
            if not piece:
                return False
            data += piece
        self.client.sendall(f"HTTP/1.1 {status} Lie\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self.client.shutdown(socket.SHUT_WR)
        while self.client.recv(1 << 16):
            pass
        return False

    def answer(self, mode, data):
        """Bytes from the node; False: the connection ends with them."""
        if mode == "cut":
            room = self.proxy.cut_after - self.sent
            data = data[:max(room, 0)]
        elif mode in ("short", "long"):
            data = self.wrong_length(mode, data)
        self.client.sendall(data)
        self.sent += len(data)
        return not (mode == "cut" and self.sent >= self.proxy.cut_after or self.body_left == 0)

    def wrong_length(self, mode, data):
        """Say another length than the file has, and send accordingly."""
        found = re.match(rb"HTTP/1\.1 200 .*?\r\nContent-Length: (\d+)\r\n.*?\r\n\r\n", data, re.S | re.I)
        if found and int(found.group(1)) > 0:
            real = int(found.group(1))
            told = max(real - 7, 0) if mode == "short" else real + 7
            head = data[:found.start(1)] + str(told).encode() + data[found.end(1):found.end()]
            body = data[found.end():][:min(real, told)]
            # The answer to a HEAD has no body to count.
            self.body_left = min(real, told) - len(body) if body else None
            self.pending = min(real, told)
            return head + body
        if self.body_left is None and getattr(self, "pending", None):
            self.body_left, self.pending = self.pending, None
        if self.body_left is not None:
            data = data[:self.body_left]
            self.body_left -= len(data)
        return data


class Proxy:
    """Listens on `address`:`port` for a node at `target`. set_mode() at any time; "pass" does no harm."""

    def __init__(self, address, port, target, http=True):
        self.address, self.port, self.target, self.http = address, port, target, http
        self.mode, self.generation, self.cut_after, self.closed = "pass", 0, 0, False
        self.lock = threading.Lock()
        self.connections = set()
        self.listener = None
        self.listen()

    def listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(256)
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            connection.start()

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    def set_mode(self, mode, rnd=random):
        self.cut_after = rnd.choice((0, 9, 60, 300, 2000))
        was, self.mode = self.mode, mode
        self.generation += 1
        if mode == "refuse":
            self.stop_listening()
        elif was == "refuse":
            self.listen()

    def stop_listening(self):
        listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def close(self):
        self.closed = True
        self.stop_listening()
        with self.lock:
            left = list(self.connections)
        for connection in left:
            connection.join(5)
