# SPDX-License-Identifier: MIT
"""A client of the tracker that shows everything, and HTTP for storage nodes."""
import socket
import urllib.parse
from http.client import HTTPConnection

from build import patient
from waiting import DEADLINE


def to_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def quote(value):
    """Percent-encode every byte that is not plain."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 or b in b"_,-./\\:" else f"%{b:02X}"
                   for b in to_bytes(value))


def unquote(value):
    """The text behind the tracker's encoding; bytes that are no UTF-8 come as surrogates."""
    return urllib.parse.unquote_to_bytes(value.replace("+", " ")).decode("utf-8", "surrogateescape")


class TrackerError(Exception):
    """An ERR answer."""

    def __init__(self, answer):
        super().__init__(f"{answer.code} {answer.text}")
        self.code, self.text, self.callid = answer.code, answer.text, answer.callid


class Answer:
    """One OK or ERR line. `raw` has it as bytes, without its CR LF."""

    def __init__(self, raw):
        self.raw = raw
        line = raw.decode("ascii")  # whatever is above 0x7F must be encoded
        word, _, rest = line.partition(" ")
        assert word in ("OK", "ERR") and line.startswith(word + " "), f"no answer of the protocol: {raw!r}"
        self.ok = word == "OK"
        self.args, self.code, self.text, self.callid = {}, None, None, None
        if self.ok:
            for pair in rest.split("&") if rest else []:
                assert pair.count("=") == 1, f"pair without exactly one '=': {pair!r} in {raw!r}"
                name, value = pair.split("=")
                assert unquote(name) not in self.args, f"{name} twice in {raw!r}"
                self.args[unquote(name)] = unquote(value)
        else:
            parts = rest.split(" ")
            assert 2 <= len(parts) <= 3 and all(parts), f"not 'ERR code text [callid]': {raw!r}"
            self.code, self.text = parts[0], unquote(parts[1])
            self.callid = unquote(parts[2]) if len(parts) == 3 else None

    def __repr__(self):
        return f"Answer({self.raw!r})"


class Client:
    """One connection to a tracker."""

    def __init__(self, address, port, timeout=DEADLINE, source=None):
        self.sock = socket.create_connection((address, port), timeout=patient(timeout),
                                             source_address=(source, 0) if source else None)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Send bytes as they are."""
        self.sock.sendall(to_bytes(data))

    def line(self, bare_lf=False):
        """The next line without its CR LF; None at the end of the stream."""
        raw = self.file.readline()
        if raw == b"":
            return None
        if bare_lf and not raw.endswith(b"\r\n"):
            return raw[:-1]
        assert raw.endswith(b"\r\n"), f"line not ended by CR LF: {raw!r}"
        return raw[:-2]

    def ask(self, line):
        """Send one line and read its Answer."""
        self.send(to_bytes(line) + b"\r\n")
        return self.answer()

    def answer(self):
        """Read one Answer."""
        raw = self.line()
        assert raw is not None, "the tracker closed the connection"
        return Answer(raw)

    def call(self, command, **args):
        """Send a command with its arguments encoded; None leaves an argument out. Returns the Answer."""
        pairs = "&".join(f"{quote(k)}={quote(v)}" for k, v in args.items() if v is not None)
        return self.ask(f"{command} {pairs}")

    def request(self, command, **args):
        """As call, but returns the decoded arguments of an OK, and raises TrackerError on ERR."""
        answer = self.call(command, **args)
        if not answer.ok:
            raise TrackerError(answer)
        return answer.args

    def admin(self, line, bare_lf=False):
        """Send a ! command and return its lines, decoded, without the closing dot. The help alone has bare LFs."""
        self.send(to_bytes(line) + b"\r\n")
        lines = []
        while True:
            raw = self.line(bare_lf)
            assert raw is not None, "the tracker closed the connection"
            if raw == b".":
                return lines
            lines.append(raw.decode("utf-8", "surrogateescape"))

    def jobs(self):
        """!jobs as {job: {"count": n, "desired": n, "pids": [..]}}."""
        out = {}
        for line in self.admin("!jobs"):
            job, field, *rest = line.split()
            out.setdefault(job, {})[field] = [int(p) for p in rest] if field == "pids" else int(rest[0])
        return out

    def stats(self):
        """!stats as {name: text}."""
        return dict(line.split(" ", 1) for line in self.admin("!stats"))

    def upload(self, domain, key, data, class_=None, **more):
        """create_open, PUT to the first path that takes it, create_close.

        Returns the answer of create_open, with "devid" and "path" of the place that was used.
        """
        opened = self.request("create_open", domain=domain, key=key, multi_dest=1, fid=0, **{"class": class_})
        problems = []
        for i in range(1, int(opened["dev_count"]) + 1):
            opened["devid"], opened["path"] = opened[f"devid_{i}"], opened[f"path_{i}"]
            try:
                status, _, body = http("PUT", opened["path"], data)
            except OSError as e:
                problems.append(f"PUT {opened['path']}: {e}")
                continue
            if 200 <= status < 300:
                break
            problems.append(f"PUT {opened['path']} answered {status} {body!r}")
        else:
            raise AssertionError("; ".join(problems))
        self.request("create_close", domain=domain, key=key, fid=opened["fid"], devid=opened["devid"],
                     path=opened["path"], size=len(data), **more)
        return opened

    def paths(self, domain, key, **more):
        """get_paths as a list of URLs."""
        got = self.request("get_paths", domain=domain, key=key, **more)
        paths = [got[f"path{i + 1}"] for i in range(int(got["paths"]))]
        assert len(got) == len(paths) + 1, f"get_paths answered more than its paths: {got}"
        return paths

    def keys(self, domain, **more):
        """list_keys as a list; [] for none_match."""
        answer = self.call("list_keys", domain=domain, **more)
        if answer.code == "none_match":
            return []
        assert answer.ok, answer
        keys = [answer.args[f"key_{i + 1}"] for i in range(int(answer.args["key_count"]))]
        assert len(answer.args) == len(keys) + 2, answer
        return keys


def http(method, url, body=None, headers=None, timeout=DEADLINE):
    """One HTTP request: (status, headers, body)."""
    parts = urllib.parse.urlsplit(url)
    connection = http_connection(parts.hostname, parts.port, timeout)
    try:
        connection.request(method, parts.path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def http_connection(host, port, timeout=DEADLINE):
    return HTTPConnection(host, port, timeout=patient(timeout))
