# SPDX-License-Identifier: MIT
"""The dashboard for Grafana: it asks only for what the daemons have, and in expressions that Prometheus understands."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from storednode import StoredNode
from waiting import free_port, new_address
from web_case import WebTest, fetch

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..")
PROMTOOL = shutil.which("promtool")
# Labels that Prometheus adds, or that come from buckets.
ADDED = {"instance", "job", "le"}
# Families that are there only while something goes on: mogilefs-metrics(7) has them all the same.
SOMETIMES = re.compile("mogilefsd_(queue_|fsck_events|job_|rebalance_|http_requests_total)|mogstored_(sync|request|device_)")


def families(text):
    """{name: its labels} of an answer to /metrics; names as they stand in it, _bucket and all."""
    out = {name: set() for name in re.findall(r"^# TYPE (\S+)", text, re.M)}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.M):
        out.setdefault(name, set()).update(re.findall(r'([a-z_]+)="(?:[^"\\]|\\.)*"', labels))
    return out


class Dashboard(WebTest):
    nodes = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(ROOT, "conf", "grafana-dashboard.json")) as f:
            cls.dashboard = json.load(f)
        cls.panels = [p for p in cls.dashboard["panels"] if p["type"] != "row"]
        cls.expressions = [t["expr"] for p in cls.panels for t in p["targets"]]

    def shown(self):
        name = self.domain()
        self.client.upload(name, "k", b"x")
        address = new_address()
        port = free_port(address)
        with StoredNode((1,), {"http_metrics_listen": f"{address}:{port}"}) as node:
            node.request("PUT", "/dev1/0/000/000/0000000001.fid", body=b"x")
            node.request("GET", "/dev1/0/000/000/0000000001.fid")
            return {**families(self.fetch("/metrics").text), **families(fetch(address, port, "/metrics").text)}

    def test_only_what_exists(self):
        shown = self.shown()
        with open(os.path.join(ROOT, "man", "mogilefs-metrics.7")) as f:
            manual = {name: set(re.findall(r"\w+", labels)) for name, labels in re.findall(
                r"^\.It Sy ([a-z_]+)(?: Ns \{ Ns Ar (.*) Ns \})?$", f.read(), re.M)}
        self.assertGreater(len(self.expressions), 30)
        for expression in self.expressions:
            used = set(re.findall(r"\b(?:mogilefsd|mogstored|process)_[a-z_]+", expression))
            self.assertTrue(used, expression)
            known = set(ADDED)
            for name in used:
                family = re.sub("_(bucket|sum|count)$", "", name)
                self.assertTrue(name in shown or SOMETIMES.match(name), f"{name} is not shown: {expression}")
                self.assertTrue(name in manual or family in manual, f"{name} is not in the manual")
                known |= shown.get(name, set()) | manual.get(family, set())
            asked = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
            asked |= {label for group in re.findall(r"\{([^}]*)\}", expression)
                      for label in re.findall(r"([a-z_]+)=", group)}
            self.assertEqual(asked - known, set(), expression)

    def test_legends_name_labels_that_are_left(self):
        for panel in self.panels:
            for target in panel["targets"]:
                names = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                groups = re.findall(r"by \(([^)]*)\)", target["expr"])
                if groups:
                    self.assertLessEqual(names, set(groups[0].split(", ")), panel["title"])

    def test_panels(self):
        ids = [p["id"] for p in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        places = set()
        for panel in self.panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & places, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            places |= cells

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian package prometheus)")
    def test_promtool_understands_the_expressions(self):
        rules = [{"record": f"r{i}", "expr": e.replace("$__rate_interval", "5m")} for i, e in enumerate(self.expressions)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump({"groups": [{"name": "all", "rules": rules}]}, f)
            f.flush()
            done = subprocess.run([PROMTOOL, "check", "rules", f.name], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)


if __name__ == "__main__":
    unittest.main()
