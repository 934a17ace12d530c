# SPDX-License-Identifier: MIT
"""Answers of a scripted tracker about its cluster, and a test case that runs mogadm."""
import json
import tempfile
import unittest

from daemon import run
from fake_tracker import FakeTracker, tool_env


def hosts(*rows):
    out = {"hosts": len(rows)}
    for i, row in enumerate(rows, 1):
        full = {"hostid": i, "status": "alive", "hostname": f"h{i}", "hostip": "127.0.0.1", "http_port": 7500,
                "http_get_port": "", "altip": "", "altmask": "", **row}
        out.update({f"host{i}_{k}": v for k, v in full.items()})
    return out


def devices(*rows):
    out = {"devices": len(rows)}
    for i, row in enumerate(rows, 1):
        full = {"devid": i, "hostid": 1, "status": "alive", "weight": 100, "mb_total": "", "mb_used": "",
                "mb_free": "", "mb_asof": "", "observed_state": "writeable", "utilization": "",
                "reject_bad_md5": 0, **row}
        out.update({f"dev{i}_{k}": v for k, v in full.items()})
    return out


def domains(**named):
    out = {"domains": len(named)}
    for i, (name, classes) in enumerate(named.items(), 1):
        out[f"domain{i}"] = name
        out[f"domain{i}classes"] = len(classes)
        for j, (class_, fields) in enumerate(classes.items(), 1):
            full = {"name": class_, "replpolicy": "MultipleHosts()", "hashtype": "NONE", "mindevcount": 2, **fields}
            out.update({f"domain{i}class{j}{k}": v for k, v in full.items()})
    return out


def settings(**pairs):
    out = {"key_count": len(pairs)}
    for i, (key, value) in enumerate(pairs.items(), 1):
        out.update({f"key_{i}": key, f"value_{i}": value})
    return out


class AdmCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tracker = FakeTracker()
        self.addCleanup(self.tracker.close)

    def adm(self, *args, check=0, trackers=None, globals_=(), **more):
        return run("mogadm", f"--trackers={trackers or self.tracker.hostport}", *globals_, *args, check=check,
                   env=tool_env(self.folder), **more)

    def out(self, *args, **more):
        return self.adm(*args, **more).stdout.decode()

    def json(self, *args):
        return json.loads(self.out(*args, "--json"))
