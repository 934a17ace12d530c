# SPDX-License-Identifier: MIT
"""Health and metrics of a tracker: what they say, what reading them costs, and what becomes of odd requests."""
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from cluster import wait_until
from storednode import StoredNode
from waiting import free_port, new_address
from web_case import WebTest, fetch

PROMTOOL = shutil.which("promtool")


def lint(text):
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


class Metrics(WebTest):
    nodes = 2

    def test_health(self):
        for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
            reply = self.fetch(path, headers={"Host": "whatever.example"})
            self.assertEqual((reply.status, reply.text), (200, text))
            self.assertEqual(self.fetch(path, "HEAD").body, b"")

    def test_commands_and_jobs_are_counted(self):
        name = self.domain(two=2)
        before = self.metrics()
        for i in range(5):
            self.client.upload(name, f"k{i}", b"x" * 1000, class_="two")
        self.client.call("get_paths", domain=name, key="nothing")
        self.client.call("no_such_command")

        def copied():
            return self.metrics()['mogilefsd_job_items_total{queue="replicate",result="done"}'] >= 5
        wait_until(copied, what="five files are replicated")
        now = self.metrics()
        self.assertEqual(now['mogilefsd_command_seconds_count{command="create_close"}'] -
                         before.get('mogilefsd_command_seconds_count{command="create_close"}', 0), 5)
        self.assertEqual(now['mogilefsd_command_errors_total{command="create_close"}'], 0)
        self.assertEqual(now['mogilefsd_command_errors_total{command="get_paths"}'], 1)
        self.assertEqual(now['mogilefsd_command_errors_total{command="unknown"}'], 1)
        self.assertEqual(now['mogilefsd_command_seconds_bucket{command="create_close",le="+Inf"}'],
                         now['mogilefsd_command_seconds_count{command="create_close"}'])
        self.assertEqual(now["mogilefsd_copied_bytes_total"] - before["mogilefsd_copied_bytes_total"], 5000)
        self.assertGreater(now["mogilefsd_database_statement_seconds_count"],
                           before["mogilefsd_database_statement_seconds_count"])
        self.assertEqual(now["mogilefsd_database_up"], 1)
        self.assertEqual(now["mogilefsd_ready"], 1)
        self.assertGreaterEqual(now["mogilefsd_clients"], 1)
        self.assertEqual(now['mogilefsd_pool_threads{pool="queryworker"}'], 4)
        self.assertEqual(now['mogilefsd_device_state{device="dev1",host="node1",state="alive"}'], 1)
        self.assertEqual(now['mogilefsd_device_state{device="dev1",host="node1",state="dead"}'], 0)
        self.assertEqual(now['mogilefsd_device_observed{device="dev2",host="node2",state="writeable"}'], 1)
        self.assertGreater(now['mogilefsd_device_size_bytes{device="dev1",host="node1"}'], 0)
        self.assertGreater(now["process_resident_memory_bytes"], 1e6)
        self.assertLess(abs(now["process_start_time_seconds"] - time.time()), 300)

    def test_reading_is_cheap(self):
        self.assertCheap("/metrics")

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian package prometheus)")
    def test_promtool_accepts_it(self):
        status, said = lint(self.fetch("/metrics").text)
        self.assertEqual((status, said), (0, ""))

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian package prometheus)")
    def test_promtool_accepts_the_storage_node(self):
        address = new_address()
        port = free_port(address)
        with StoredNode((1,), {"http_metrics_listen": f"{address}:{port}"}) as node:
            node.request("PUT", "/dev1/0/000/000/0000000001.fid", body=b"x")
            node.request("GET", "/dev1/0/000/000/0000000001.fid")
            status, said = lint(fetch(address, port, "/metrics").text)
            self.assertEqual((status, said), (0, ""))

    @staticmethod
    def in_the_manual():
        root = os.path.join(os.path.dirname(__file__), "..", "..", "..")
        with open(os.path.join(root, "man", "mogilefs-metrics.7")) as f:
            return set(re.findall(r"^\.It Sy ([a-z_]+)", f.read(), re.M))

    def test_every_family_of_the_storage_node_is_in_the_manual(self):
        address = new_address()
        port = free_port(address)
        with StoredNode((1,), {"http_metrics_listen": f"{address}:{port}"}) as node:
            node.request("PUT", "/dev1/0/000/000/0000000001.fid", body=b"x")
            shown = set(re.findall(r"^# TYPE (\S+)", fetch(address, port, "/metrics").text, re.M))
        manual = self.in_the_manual()
        self.assertEqual(shown - manual, set())
        self.assertEqual({m for m in manual if m.startswith("mogstored_")} - shown, set())

    def test_every_family_is_in_the_manual(self):
        manual = self.in_the_manual()
        shown = set(re.findall(r"^# TYPE (\S+)", self.fetch("/metrics").text, re.M))
        self.assertEqual(shown - manual, set())
        # Some are only there while something goes on.
        missing = {m for m in manual if m.startswith("mogilefsd_")} - shown
        self.assertEqual({m for m in missing if "rebalance" not in m and "queue_" not in m}, set())


class Queues(WebTest):
    options = {"job_master": 0}

    def test_queues(self):
        """Nobody works here: rows stay, and grow old."""
        execute, now = self.cluster.database.execute, int(time.time())
        for i in range(7):
            execute(f"INSERT INTO file_to_replicate (fid, nexttry) VALUES ({i + 10}, 0)")
        execute("INSERT INTO file_to_replicate (fid, nexttry) VALUES (5, 2147483647)")
        execute(f"INSERT INTO file_to_delete2 (fid, nexttry) VALUES (1, {now - 500}), (2, {now + 500})")
        execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES (1, 1, {now + 500})")
        lengths = {"replicate": 8, "delete": 2, "fsck": 1}
        # One sample may be taken between our rows: wait for one that has them all.
        seen = wait_until(lambda: next((m for m in [self.metrics()] if all(
            m.get(f'mogilefsd_queue_length{{queue="{q}"}}') == n for q, n in lengths.items())), None),
            what="the queues' lengths are seen")

        def of(name, queue):
            return seen[f'mogilefsd_queue_{name}{{queue="{queue}"}}']
        self.assertEqual([of("due", q) for q in ("replicate", "delete", "fsck", "rebalance")], [7, 1, 0, 0])
        self.assertEqual([of("length", q) for q in ("delete", "fsck", "rebalance")], [2, 1, 0])
        self.assertEqual(of("parked", "replicate"), 1)
        self.assertGreaterEqual(of("oldest_seconds", "delete"), 500)
        self.assertLess(of("oldest_seconds", "delete"), 600)
        self.assertEqual(of("oldest_seconds", "fsck"), 0)
        wait_until(lambda: self.metrics()['mogilefsd_queue_oldest_seconds{queue="replicate"}'] > 0,
                   what="what is due at once grows old too")
        self.assertLess(self.metrics()["mogilefsd_queue_sample_age_seconds"], 15)


class Refusals(WebTest):
    def test_methods(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "MKCOL", "get"):
            reply = self.fetch("/metrics", method)
            self.assertEqual((reply.status, reply.headers["Allow"]), (405, "GET, HEAD"), method)

    def test_host(self):
        own = socket.gethostname()
        for host in ("127.0.0.1", "127.0.0.1:80", "[::1]:7002", "localhost", "LOCALHOST:1", own, own + ":7002"):
            self.assertEqual(self.fetch("/metrics", headers={"Host": host}).status, 200, host)
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "127.0.0.1:x",
                     "127.0.0.1:99999", "[::1", "::1", "1.2.3", "x" * 5000):
            self.assertEqual(self.fetch("/metrics", headers={"Host": host}).status, 403, host)

    def test_two_hosts_and_none(self):
        self.assertIn(b" 400 ", self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"))
        self.assertIn(b" 400 ", self.raw(b"GET /metrics HTTP/1.1\r\n\r\n"))
        self.assertIn(b" 200 ", self.raw(b"GET /healthz HTTP/1.0\r\n\r\n"))

    def test_bodies(self):
        for head in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 6"):
            got = self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n!shutdown\r\n")
            # What is left unread resets the connection, which may overtake the answer.
            if got:
                self.assertIn(b" 400 ", got.split(b"\r\n")[0])
            self.assertLessEqual(got.count(b"HTTP/1."), 1)
        self.assertEqual(self.fetch("/healthz").status, 200)

    def test_odd_lines(self):
        for line in (b"!jobs", b"get_paths domain=x&key=y", b"\x00\x01", b"GET", b"GET /", b"GET /  HTTP/1.1",
                     b"GET http://localhost/metrics HTTP/1.1", b"GET metrics HTTP/1.1", b"GET * HTTP/1.1",
                     b"GET /metrics HTTP/9.9", b"GET /metrics/ HTTP/1.1", b"GET /metrics/../metrics HTTP/1.1",
                     b"GET //metrics HTTP/1.1", b"GET /%6detrics HTTP/1.1"):
            got = self.raw(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertNotIn(b" 200 ", got.split(b"\r\n")[0], line)
            self.assertNotIn(b"mogilefsd_", got, line)
            self.assertNotIn(b"ERR ", got, line)
        self.assertEqual(self.fetch("/healthz").status, 200)

    def test_long_ones(self):
        self.assertIn(self.fetch("/" + "a" * 9000).status, (414, 431))
        for many in (b"X: " + b"a" * 100000, b"\r\n".join(b"X%d: a" % i for i in range(20000))):
            got = self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n\r\n")
            self.assertNotIn(b" 200 ", got.split(b"\r\n")[0])
        self.assertEqual(self.fetch("/healthz").status, 200)

    def test_unknown_paths(self):
        for path in ("/nothing", "/api", "/api/", "/api/x", "/metrics?x=1/../", "/app.js/"):
            self.assertIn(self.fetch(path).status, (200,) if path.startswith("/metrics?") else (404,), path)

    def test_slow_clients_do_not_keep_others_out(self):
        slow = [socket.create_connection((self.address, self.port)) for _ in range(1030)]
        try:
            for sock in slow:
                sock.sendall(b"GET /healthz HT")
            wait_until(lambda: self.fetch("/healthz").status == 200, what="somebody is served")
        finally:
            for sock in slow:
                sock.close()


if __name__ == "__main__":
    unittest.main()
