# SPDX-License-Identifier: MIT
"""Clusters whose tracker has its HTTP listener on, and requests to it."""
import http.client
import re
import socket
import time
import urllib.parse

from build import is_sanitized, patient
from cluster import DEADLINE, ClusterTest, free_port, new_address, wait_until


class Reply:
    """Status, headers (http.client's) and body of one answer."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"


def fetch(address, port, target, method="GET", headers=None, timeout=DEADLINE):
    """One request on a connection of its own; `target` goes out as it is."""
    connection = http.client.HTTPConnection(address, port, timeout=patient(timeout))
    try:
        connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
        # The library refuses odd targets: they are what the tests are about.
        connection._buffer[0] = f"{method} ".encode() + (target if isinstance(target, bytes) else target.encode()) \
            + b" HTTP/1.1"
        for name, value in {"Host": f"{address}:{port}", **(headers or {})}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        return Reply(connection.getresponse())
    finally:
        connection.close()


def quote(text):
    """A name as it stands in a path."""
    return urllib.parse.quote(text if isinstance(text, bytes) else text.encode(), safe="/")


def parse_metrics(text):
    """{"name{labels}": number} of Prometheus' text form; every line must be one of its kinds."""
    out = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = re.fullmatch(r'([a-z_]+(?:\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})?) (\S+)', line)
        assert match, f"no sample: {line!r}"
        assert match[1] not in out, f"twice: {line!r}"
        out[match[1]] = float(match[2])
    return out


class WebTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.address = new_address()
        cls.port = free_port(cls.address)
        cls.options = {**cls.options, "http_listen": f"{cls.address}:{cls.port}"}
        super().setUpClass()
        wait_until(lambda: cls.fetch("/readyz").status == 200, what="the tracker is ready")

    @classmethod
    def fetch(cls, target, method="GET", headers=None, **more):
        return fetch(cls.address, cls.port, target, method, headers, **more)

    @classmethod
    def raw(cls, data, timeout=DEADLINE):
        """Send bytes, and return all that comes until the other end closes."""
        with socket.create_connection((cls.address, cls.port), timeout=patient(timeout)) as sock:
            sock.sendall(data)
            got = b""
            while True:
                try:
                    more = sock.recv(1 << 16)
                except ConnectionResetError:
                    more = b""
                if not more:
                    return got
                got += more

    def metrics(self):
        reply = self.fetch("/metrics")
        self.assertEqual(reply.status, 200)
        return parse_metrics(reply.text)


    def assertCheap(self, target, times=100):
        """Reading it asks no database, and costs the tracker less than 5 ms of a processor, whatever else runs here."""
        before, began = self.metrics(), time.monotonic()
        for _ in range(times):
            self.assertEqual(self.fetch(target).status, 200)
        after, spent = self.metrics(), time.monotonic() - began
        if not is_sanitized():
            spent_each = (after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]) / times
            self.assertLess(spent_each, 0.005, target)
        # The monitor and the jobs go on asking; readings that asked would show.
        asked = after["mogilefsd_database_statement_seconds_count"] - before["mogilefsd_database_statement_seconds_count"]
        self.assertLess(asked, times * max(1, spent / 2), target)


class GatewayTest(WebTest):
    nodes = 2
    gateway = "redirect"
    served = "files, with space"

    @classmethod
    def setUpClass(cls):
        cls.options = {**cls.options, "http_gateway": cls.gateway, "http_gateway_domains": cls.served}
        super().setUpClass()
        with cls.cluster.client() as client:
            for domain in ("files", "with space", "secret"):
                client.request("create_domain", domain=domain)
                client.request("create_class", domain=domain, mindevcount=2, **{"class": "two"})

    def put(self, key, data, domain="files", copies=2):
        """Store a file, and wait until it has its copies."""
        opened = self.client.upload(domain, key, data, class_="two" if copies == 2 else None)
        fid = opened["fid"]
        if copies == 2:
            wait_until(lambda: self.cluster.database.rows(f"SELECT devcount FROM file WHERE fid={fid}") == [["2"]],
                       what=f"{key!r} has two copies")
        return int(fid)

    def get(self, key, domain="files", **more):
        return self.fetch(f"/{quote(domain)}/{quote(key)}", **more)
