# SPDX-License-Identifier: MIT
"""A tracker with scripted answers, and a storage node that fails on demand: for what real ones cannot be made to do.

    with FakeTracker({"delete": [ERR("failure"), OK()]}) as tracker:
        run("mogdelete", f"--trackers={tracker.hostport}", ...)
        tracker.requests                          # [("delete", {"domain": "d", "key": "k"})]
"""
import http.server
import socketserver
import threading

from client import quote, unquote

CLOSE = object()  # the connection is closed without an answer
HANG = object()   # nothing is answered, until the tracker ends


class Cut:
    """An answer of which only these bytes come, and then the end."""

    def __init__(self, data):
        self.data = data


def OK(**pairs):
    return pairs


def ERR(code, text=None):
    return (code, text or code)


class FakeTracker:
    """Answers by command: one answer for ever, a list (its last one stays), or a function of the arguments.

    An answer is OK(...), ERR(...), bytes (a raw line, sent with CR LF), Cut(...), CLOSE or HANG. Unknown commands are
    unknown_command. `admin` answers lines that begin with "!": text by word.
    """

    def __init__(self, answers=None, admin=None):
        self.answers = dict(answers or {})
        self.admin = dict(admin or {})
        self.requests = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.serve(self.rfile, self.wfile)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # a client that goes away is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def hostport(self):
        return f"127.0.0.1:{self.port}"

    def commands(self):
        return [command for command, _ in self.requests]

    def args_of(self, command):
        """The arguments of each request of this command."""
        return [args for name, args in self.requests if name == command]

    def serve(self, rfile, wfile):
        for line in rfile:
            text = line.decode("ascii").rstrip("\r\n")
            if text.startswith("!"):
                with self.lock:
                    self.requests.append((text, {}))
                lines = self.admin.get(text, self.admin.get(text.split()[0], "")).splitlines()
                wfile.write("".join(f"{one}\r\n" for one in [*lines, "."]).encode())
                continue
            command, _, rest = text.partition(" ")
            args = {}
            for part in rest.split("&"):
                if part:
                    name, _, value = part.partition("=")
                    args[unquote(name)] = unquote(value)
            answer = self.next_answer(command, args)
            if answer is CLOSE:
                return
            if isinstance(answer, Cut):
                wfile.write(answer.data)
                return
            if answer is HANG:
                self.ended.wait(60)
                return
            wfile.write(self.format(answer) + b"\r\n")

    def next_answer(self, command, args):
        with self.lock:
            self.requests.append((command, args))
            answer = self.answers.get(command, ERR("unknown_command", "Unknown server command"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer(args) if callable(answer) else answer

    @staticmethod
    def format(answer):
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, tuple):
            return f"ERR {answer[0]} {quote(answer[1]).replace('%20', '+')}".encode()
        return ("OK " + "&".join(f"{quote(k)}={quote(v).replace('%20', '+')}" for k, v in answer.items())).encode()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeNode:
    """A storage node in memory. `fail` maps (method, path) or method to a status, "close", or "cut" (half a body).

    A list in `fail` is used up from its front; None in it means: work.
    """

    def __init__(self, files=None):
        self.files = dict(files or {})
        self.fail = {}
        self.requests = []  # (method, path, headers)
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def begin(self):
                self.path = self.requestline.split()[1]  # http.server makes a leading "//" single
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers)))
                    key = (self.command, self.path) if (self.command, self.path) in outer.fail else self.command
                    what = outer.fail.get(key)
                    if isinstance(what, list):
                        what = what.pop(0) if what else None
                return what

            def answer(self, status, body=b"", headers=(), cut=False):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body[:len(body) // 2] if cut else body)
                if cut:
                    self.wfile.flush()
                    self.close_connection = True

            def read_body(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return body
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def do_PUT(self):
                what = self.begin()
                if what == "close":
                    self.close_connection = True
                    return
                body = self.read_body()
                if isinstance(what, int):
                    self.answer(what)
                    return
                outer.files[self.path] = body
                self.answer(201)

            def do_GET(self):
                what = self.begin()
                body = outer.files.get(self.path)
                if what == "close":
                    self.close_connection = True
                elif isinstance(what, int):
                    self.answer(what, b"no")
                elif body is None:
                    self.answer(404, b"not here")
                elif self.headers.get("Range"):
                    start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                    self.answer(206, body[start:], [("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")],
                                cut=what == "cut")
                else:
                    self.answer(200, body, [("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")], cut=what == "cut")

            do_HEAD = do_GET

            def do_DELETE(self):
                self.begin()
                self.answer(204 if outer.files.pop(self.path, None) is not None else 404)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class HangingNode:
    """A storage node that gives `data`, which it calls half of a file, and then nothing more."""

    def __init__(self, data):
        self.ended = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(data)}\r\n\r\n".encode() + data)
                outer.ended.wait(60)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dev1/0/000/000/0000000042.fid"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class FakeCluster:
    """A tracker with one domain "d" and a storage node, in memory: what is stored can be read, listed and deleted."""

    def __init__(self, copies=2):
        self.copies = copies
        self.files = {}  # key -> (fid, class, length)
        self.last_fid = 0
        self.lock = threading.Lock()
        self.node = FakeNode()
        self.tracker = FakeTracker({
            "create_open": self.create_open, "create_close": self.create_close, "get_paths": self.get_paths,
            "file_info": self.file_info, "list_keys": self.list_keys, "delete": self.delete, "noop": OK(),
            "get_domains": OK(domains=1, domain1="d", domain1classes=1, domain1class1name="default",
                              domain1class1mindevcount=copies, domain1class1replpolicy="MultipleHosts()",
                              domain1class1hashtype="NONE")})
        self.hostport = self.tracker.hostport

    @staticmethod
    def path(fid, devid):
        return f"/dev{devid}/0/000/{fid // 1000 % 1000:03}/{fid:010}.fid"

    def create_open(self, args):
        with self.lock:
            self.last_fid += 1
            return OK(fid=self.last_fid, devid=1, path=self.node.url(self.path(self.last_fid, 1)))

    def create_close(self, args):
        fid = int(args["fid"])
        body = self.node.files.get(self.path(fid, 1))
        if args["key"] == "":
            return OK()
        if body is None or int(args["size"]) not in (0, len(body)):
            return ERR("size_mismatch")
        with self.lock:
            for devid in range(2, self.copies + 1):
                self.node.files[self.path(fid, devid)] = body
            self.files[args["key"]] = (fid, "default", len(body))
        return OK()

    def get_paths(self, args):
        if args["key"] not in self.files:
            return ERR("unknown_key")
        fid = self.files[args["key"]][0]
        out = OK(paths=self.copies)
        out.update({f"path{d}": self.node.url(self.path(fid, d)) for d in range(1, self.copies + 1)})
        return out

    def file_info(self, args):
        if args["key"] not in self.files:
            return ERR("unknown_key")
        fid, class_, length = self.files[args["key"]]
        return OK(fid=fid, domain="d", key=args["key"], length=length, devcount=self.copies, **{"class": class_})

    def list_keys(self, args):
        keys = sorted(k for k in self.files if k.startswith(args.get("prefix", "")) and k > args.get("after", ""))
        keys = keys[:int(args.get("limit") or 1000)]
        if not keys:
            return ERR("none_match", "No keys match that pattern and after-value (if any).")
        return OK(key_count=len(keys), next_after=keys[-1], **{f"key_{i}": k for i, k in enumerate(keys, 1)})

    def delete(self, args):
        with self.lock:
            return OK() if self.files.pop(args["key"], None) else ERR("unknown_key")

    def content(self, key):
        return self.node.files[self.path(self.files[key][0], 1)]

    def close(self):
        self.tracker.close()
        self.node.close()


def tool_env(home):
    """An environment in which no configuration of this machine's user is seen, and no colours."""
    return {"HOME": home, "MOGUTILSCONF": "", "NO_COLOR": "1", "LC_ALL": "C"}


__all__ = ["CLOSE", "Cut", "ERR", "FakeCluster", "FakeNode", "FakeTracker", "HANG", "HangingNode", "OK", "tool_env"]
