# SPDX-License-Identifier: MIT
"""/api/status and /api/why: what they say, that mogadm says the same, what they cost, and who may not ask."""
import json
import os
import re
import signal
import socket
import threading
import unittest
import urllib.parse

from cluster import run, wait_until
from fake_node import FakeNode
from waiting import freeze
from web_case import WebTest

MOVING = {"time", "queues_age_s", "current_time", "uptime", "queries", "clients", "bored_queryworkers", "utilization",
          "mb_used", "processing_queries", "max_logid"}


def ask(domain, key):
    return "/api/why?" + urllib.parse.urlencode({"domain": domain, "key": key})


class ApiTest(WebTest):
    def api(self, target, status=200, **more):
        reply = self.fetch(target, **more)
        self.assertEqual((reply.status, reply.headers["Content-Type"]), (status, "application/json"), reply)
        return json.loads(reply.body)

    def mogadm(self, *args, check=0):
        return json.loads(run("mogadm", f"--trackers={self.cluster.tracker.hostport}", *args, "--json", check=check,
                              env={**os.environ, "HOME": "/nonexistent"}).stdout)

    def same(self, a, b, where=""):
        """The same keys and kinds of values all the way down; values too, but for those that move."""
        self.assertEqual(type(a), type(b), where)
        if isinstance(a, dict):
            self.assertEqual(list(a), list(b), where)
            for key in a:
                if key not in MOVING and key not in ("history", "rates", "errors"):
                    self.same(a[key], b[key], f"{where}.{key}")
        elif isinstance(a, list):
            self.assertEqual(len(a), len(b), where)
            for i, (x, y) in enumerate(zip(a, b)):
                self.same(x, y, f"{where}[{i}]")
        else:
            self.assertEqual(a, b, where)


class Status(ApiTest):
    nodes = 2

    def setUp(self):
        super().setUp()
        wait_until(lambda: self.api("/api/status")["queues"], what="the queues are counted")

    def test_the_same_as_mogadm(self):
        name = self.domain(two=2)
        for i in range(3):
            self.client.upload(name, f"k{i}", b"x" * 1000, class_="two")
        self.client.request("fsck_start")
        self.client.request("fsck_stop")

        def settled():
            doc = self.api("/api/status")
            return doc["queues"]["replicate"]["length"] == 0 and not doc["fsck"]["running"]
        wait_until(settled, what="nothing is in work")
        over_http, over_console = self.api("/api/status"), self.mogadm("status")
        self.same(over_http, over_console)
        for doc in (over_http, over_console):
            tracker = doc["trackers"][0]
            self.assertEqual(len(tracker["history"]["time"]), len(tracker["history"]["length"]["fsck"]))
            self.assertEqual(sorted(tracker["history"]["finished"]), ["delete", "fsck", "rebalance", "replicate"])

    def test_what_it_says(self):
        doc = self.api("/api/status")
        tracker = doc["trackers"][0]
        self.assertEqual((tracker["tracker"], tracker["ok"], tracker["ready"]), (self.cluster.tracker.hostport, True, True))
        self.assertEqual([h["hostname"] for h in doc["hosts"]], ["node1", "node2"])
        self.assertEqual([(d["devid"], d["status"], d["observed_state"]) for d in doc["devices"]],
                         [(1, "alive", "writeable"), (2, "alive", "writeable")])
        self.assertGreater(doc["devices"][0]["mb_total"], doc["devices"][0]["mb_used"])
        self.assertEqual(sorted(doc["queues"]), ["delete", "fsck", "rebalance", "replicate"])
        self.assertEqual((doc["fsck"]["running"], doc["rebalance"]["running"]), (0, False))

    def test_fallback_has_the_same_keys(self):
        """A tracker that keeps no such document is asked the old way."""
        with_http = self.api("/api/status")
        old = self.cluster.tracker.options.pop("http_listen")
        self.cluster.tracker.stop()
        self.cluster.tracker.start()
        try:
            without = self.mogadm("status")
        finally:
            self.cluster.tracker.options["http_listen"] = old
            self.cluster.tracker.stop()
            self.cluster.tracker.start()
            wait_until(lambda: self.fetch("/readyz").status == 200)
        self.assertEqual(list(with_http), list(without))
        for part in ("trackers", "hosts", "devices"):
            self.assertEqual(list(with_http[part][0]), list(without[part][0]), part)
        self.assertEqual(list(with_http["rebalance"]), list(without["rebalance"]))
        self.assertIsNone(without["queues"])
        self.assertIsNone(without["trackers"][0]["history"])

    def test_after(self):
        last = wait_until(lambda: self.api("/api/status")["trackers"][0]["history"]["time"])[-1]
        newer = self.api(f"/api/status?after={last}")["trackers"][0]["history"]
        self.assertTrue(all(t > last for t in newer["time"]))
        self.assertEqual(self.api("/api/status?after=9999999999")["trackers"][0]["history"]["time"], [])
        for odd in ("x", "-1", "", "1e9", "99999999999999999999", "%zz"):
            self.api(f"/api/status?after={odd}", 400)

    def test_cost(self):
        self.assertCheap("/api/status")

    def test_every_key_is_in_the_manual(self):
        root = os.path.join(os.path.dirname(__file__), "..", "..", "..")
        with open(os.path.join(root, "man", "mogilefs-status.7")) as f:
            manual = set(re.findall(r"\w+", f.read()))
        name = self.domain()
        self.client.upload(name, "k", b"x")

        def keys(value, where=""):
            for key, below in value.items() if isinstance(value, dict) else []:
                if where != "counters":
                    yield key
                yield from keys(below, key)
            for below in value if isinstance(value, list) else []:
                yield from keys(below, where)
        shown = set(keys(self.api("/api/status"))) | set(keys(self.api(ask(name, "k"))))
        self.assertGreater(len(shown), 50)
        self.assertEqual({key for key in shown - manual if not key.startswith("num_")}, set())


class Why(ApiTest):
    nodes = 2

    def test_the_same_as_mogadm(self):
        name = self.domain(two=2)
        for key, class_ in (("plain", "two"), ("short of copies", None)):
            fid = self.client.upload(name, key, b"x" * 1000, class_=class_)["fid"]
            wait_until(lambda: self.cluster.database.rows(f"SELECT fid FROM file_to_replicate WHERE fid={fid}") == [],
                       what="it is replicated")
        self.client.request("updateclass", domain=name, key="short of copies", **{"class": "two"})
        for key in ("plain", "short of copies"):
            wait_until(lambda: self.api(ask(name, key))["good"] == 2, what=f"{key} has two copies")
            self.same(self.api(ask(name, key)), self.mogadm("why", name, key))
        got = self.api(ask(name, "plain"))
        self.assertEqual((got["key"], got["wanted"], got["good_hosts"]), ("plain", 2, 2))
        self.assertEqual([f["tone"] for f in got["findings"]], ["good"])

    def test_a_copy_is_missing(self):
        name = self.domain(two=2)
        self.client.upload(name, "k", b"x" * 1000, class_="two")
        got = wait_until(lambda: next((d for d in [self.api(ask(name, "k"))] if d["good"] == 2), None))
        for copy in got["copies"]:
            os.unlink(self.cluster.node_of(copy["url"]).file_of(copy["url"]))
        got = self.api(ask(name, "k"))
        self.assertEqual((got["good"], [c["ok"] for c in got["copies"]]), (0, [False, False]))
        self.assertEqual(got["copies"][0]["problem"], "the file is missing there: 404 Not Found")
        self.assertIn("unavailable", got["findings"][0]["text"])
        self.same(got, self.mogadm("why", name, "k"))

    def test_every_byte(self):
        name = self.domain()
        for start in range(1, 256, 51):
            key = bytes(range(start, min(start + 51, 256)))
            self.client.upload(name, key, b"x")
            got = self.api("/api/why?domain=" + name + "&key=" + urllib.parse.quote(key, safe=""))
            if "key_hex" in got:
                self.assertEqual(bytes.fromhex(got["key_hex"]), key)
            else:
                self.assertEqual(got["key"].encode(), key)

    def test_refusals(self):
        name = self.domain()
        for target, status, error in (
                ("/api/why", 400, "bad_request"), ("/api/why?domain=x", 400, "bad_request"),
                ("/api/why?key=x", 400, "bad_request"), ("/api/why?domain=&key=x", 400, "bad_request"),
                ("/api/why?domain=x&key=%", 400, "bad_encoding"), ("/api/why?domain=x&key=%zz", 400, "bad_encoding"),
                ("/api/why?domain=nowhere&key=x", 404, "unreg_domain"), (ask(name, "x"), 404, "unknown_key"),
                (ask(name, "x" * 2000), 404, "unknown_key"), (ask("x" * 2000, "x"), 404, "unknown_key"),
                (ask(name, "a\r\n!shutdown\r\n"), 404, "unknown_key"), (ask(name, "' OR '1'='1"), 404, "unknown_key")):
            self.assertEqual(self.api(target, status)["error"], error, target)

    def test_nodes_that_hang_do_not_take_all_threads(self):
        name, release, statuses = self.domain(), threading.Event(), []
        fid = self.client.upload(name, "k", b"x")["fid"]
        node = FakeNode(self.cluster.nodes[0].side_port)
        self.addCleanup(node.close)
        self.addCleanup(release.set)
        node.rule("HEAD", f"{int(fid):010d}", lambda handler: release.wait(30) and False)
        self.client.request("create_host", host="hung", ip=node.address, port=node.port, status="alive")
        self.client.request("create_device", devid=9, hostname="hung")
        self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, 9)")
        askers = [threading.Thread(target=lambda: statuses.append(self.fetch(ask(name, "k")).status)) for _ in range(6)]
        for asker in askers:
            asker.start()
        wait_until(lambda: 503 in statuses, what="one is told that there are too many")
        self.assertEqual(self.fetch("/api/status").status, 200)
        release.set()
        for asker in askers:
            asker.join()
        self.assertEqual(set(statuses), {200, 503})
        wait_until(lambda: self.fetch(ask(name, "k")).status == 200, what="the next one is answered")


class Guard(ApiTest):
    targets = ("/", "/page.js", "/page.css", "/icon.svg", "/api/status", "/api/why?domain=x&key=y", "/metrics")

    def test_hosts(self):
        own = socket.gethostname()
        for target in self.targets:
            for host in ("evil.example", "127.0.0.1.evil.example", "", "x" * 5000, "[::1", "127.0.0.1:99999"):
                self.assertEqual(self.fetch(target, headers={"Host": host}).status, 403, (target, host))
            for host in ("127.0.0.1", "[::1]:7002", "localhost:1", own):
                self.assertNotEqual(self.fetch(target, headers={"Host": host}).status, 403, (target, host))

    def test_pages_from_elsewhere(self):
        for target in ("/api/status", "/api/why?domain=x&key=y"):
            self.assertEqual(self.fetch(target, headers={"Sec-Fetch-Site": "cross-site"}).status, 403)
            self.assertNotEqual(self.fetch(target, headers={"Sec-Fetch-Site": "same-origin"}).status, 403)
            self.assertIsNone(self.fetch(target, headers={"Origin": "http://evil.example"}).headers.get(
                "Access-Control-Allow-Origin"))

    def test_headers(self):
        for target in self.targets[:4]:
            headers = self.fetch(target).headers
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertNotIn("*", policy)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Cross-Origin-Resource-Policy"], "same-origin")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        for target in self.targets[4:6]:
            headers = self.fetch(target).headers
            self.assertEqual((headers["Cache-Control"], headers["X-Content-Type-Options"]), ("no-store", "nosniff"))

    def test_nothing_from_elsewhere(self):
        for target in self.targets[:4]:
            text = self.fetch(target).text.replace("http://www.w3.org/2000/svg", "")
            self.assertNotIn("http:", text, target)
            self.assertNotIn("https:", text, target)
            self.assertNotIn("innerHTML", text, target)

    def test_only_reading(self):
        for target in self.targets:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                self.assertEqual(self.fetch(target, method).status, 405, (target, method))
            self.assertEqual(self.fetch(target, "HEAD").body, b"")
        for target in ("/api/!shutdown", "/api/status/", "/api/create_domain?domain=x", "/api/get_paths?domain=x&key=y",
                       "/api/why/?domain=x&key=y", "//api/status", "/API/status", "/page.html", "/api/status%00"):
            self.assertEqual(self.fetch(target).status, 404, target)
        self.client.request("noop")


class HangingHost(ApiTest):
    """A host that takes connections and says nothing: nobody shows its devices as what they were before."""

    nodes = 2

    def test_its_devices_are_unreachable(self):
        node = self.cluster.nodes[1]
        freeze(node.pid)
        try:
            wait_until(lambda: self.api("/api/status")["hosts"][1]["observed_state"] == "unreachable")
            self.assertEqual([d["observed_state"] for d in self.api("/api/status")["devices"]], ["writeable", "unreachable"])
            self.assertEqual(self.cluster.devices()[2]["observed_state"], "unreachable")
            now = self.metrics()
            self.assertEqual([now[f'mogilefsd_device_observed{{device="dev2",host="node2",state="{state}"}}']
                              for state in ("writeable", "readable", "unreachable")], [0, 0, 1])
        finally:
            os.kill(node.pid, signal.SIGCONT)
        self.cluster.wait_observed(2, "writeable")
        wait_until(lambda: self.cluster.tracker.log().count("monitor: host node2 answers again\n") == 1)

    def test_a_host_set_down_is_not_seen(self):
        self.client.request("update_host", host="node2", status="down")
        wait_until(lambda: self.cluster.devices()[2]["observed_state"] == "")
        self.client.request("update_host", host="node2", status="alive")
        self.cluster.wait_observed(2, "writeable")


class Named(ApiTest):
    options = {"http_hosts": "status.example.org, other"}

    def test_configured_names(self):
        for host in ("status.example.org", "STATUS.example.org:80", "other"):
            self.assertEqual(self.fetch("/", headers={"Host": host}).status, 200, host)
        self.assertEqual(self.fetch("/", headers={"Host": "example.org"}).status, 403)


if __name__ == "__main__":
    unittest.main()
