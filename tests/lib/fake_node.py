# SPDX-License-Identifier: MIT
"""A storage node made of a dictionary, which answers as a test wants it: errors, silence, odd servers."""
import hashlib
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from waiting import free_port, new_address


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_any(self):
        node = self.server.node
        with node.lock:
            node.requests.append((self.command, self.path, dict(self.headers)))
            rules = list(node.rules)
        for method, part, answer in rules:
            if method == self.command and part in self.path:
                if answer(self) is not False:
                    return
        getattr(self, "plain_" + self.command)()

    do_GET = do_HEAD = do_PUT = do_DELETE = do_MKCOL = handle_any

    def plain_GET(self):
        node = self.server.node
        if self.path.endswith("/usage"):
            self.reply(200, node.usage)
            return
        data = node.files.get(self.path)
        self.reply(404) if data is None else self.reply(200, data)

    plain_HEAD = plain_GET

    def plain_PUT(self):
        node = self.server.node
        node.files[self.path] = self.body()
        self.reply(201)

    def plain_DELETE(self):
        self.reply(204 if self.server.node.files.pop(self.path, None) is not None else 404)

    def plain_MKCOL(self):
        self.body()
        self.reply(400)


class SideHandler(socketserver.StreamRequestHandler):
    def handle(self):
        node = self.server.node
        for raw in self.rfile:
            line = raw.decode().strip()
            with node.lock:
                node.side_lines.append(line)
            if node.side_answer is not None:
                if node.side_answer(self, line) is False:
                    return
                continue
            words = line.split()
            if words and words[0] in ("MD5", "SHA-1"):
                data = node.files.get(words[1])
                digest = "-1" if data is None else hashlib.new(words[0].replace("-", ""), data).hexdigest()
                self.wfile.write(f"{words[1]} {words[0]}={digest}\r\n".encode())


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 200

    def handle_error(self, *_):
        pass


class SideServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


class FakeNode:
    """`files`: path to bytes. `rules`: (method, part of the path, function of the handler that answers; False: go on)."""

    def __init__(self, side_port, total_kb=1000 * 1024, used_kb=100 * 1024):
        self.address = new_address()
        self.port = free_port(self.address)
        self.lock = threading.Lock()
        self.files, self.rules, self.requests, self.side_lines = {}, [], [], []
        self.side_answer = None
        self.set_usage(total_kb, used_kb)
        self.http = HttpServer((self.address, self.port), Handler)
        self.side = SideServer((self.address, side_port), SideHandler)
        for server in (self.http, self.side):
            server.node = self
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def set_usage(self, total_kb, used_kb):
        self.usage = f"available: {total_kb}\ntotal: {total_kb}\nused: {used_kb}\n".encode()

    def rule(self, method, part, answer):
        """Answer requests of this kind so; an int is a status without a body."""
        if isinstance(answer, int):
            status = answer

            def answer(handler):
                handler.body()
                handler.reply(status)
        self.rules.insert(0, (method, part, answer))

    def seen(self, method, part=""):
        with self.lock:
            return [path for m, path, _ in self.requests if m == method and part in path]

    def forget_requests(self):
        with self.lock:
            self.requests.clear()
            self.side_lines.clear()

    def close(self):
        for server in (self.http, self.side):
            server.shutdown()
            server.server_close()


class HungNode:
    """Takes connections and never says a word."""

    def __init__(self, port):
        self.address, self.port = new_address(), port
        self.sock = socket.socket()
        self.sock.bind((self.address, port))
        self.sock.listen(1000)

    def close(self):
        self.sock.close()
