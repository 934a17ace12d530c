# SPDX-License-Identifier: MIT
"""Several trackers, faults in between, and replication seen through the tools."""
import json
import os
import tempfile

from cluster import ClusterTest, run, wait_until
from database import SERVER
from fake_tracker import tool_env


class Faults(ClusterTest):
    database = SERVER
    nodes, devices, trackers = 3, 1, 2

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.list = ",".join(t.hostport for t in self.cluster.trackers)

    def tool(self, name, *args, check=0, **more):
        return run(name, f"--trackers={self.list}", *args, check=check, env=tool_env(self.folder), **more)

    def adm_json(self, *args):
        return json.loads(self.tool("mogadm", *args, "--json").stdout)

    def test_life(self):
        self.tool("mogadm", "domain", "add", "d")
        self.tool("mogadm", "class", "add", "d", "c", "--mindevcount=2", "--hashtype=MD5")
        self.tool("mogadm", "tracker", "refresh")
        data = os.urandom(200000)
        for n in range(6):
            self.tool("mogupload", "--domain=d", f"--key=k{n}", "--class=c", "--file=-", "--verify", stdin=data)
        wait_until(lambda: all(self.adm_json("why", "d", f"k{n}")["good"] == 2 for n in range(6)),
                   what="all files have two copies")
        self.assertIn(b"all is well", self.tool("mogadm", "why", "d", "k0").stdout)

        with self.subTest("one node is gone"):
            self.cluster.nodes[0].stop()
            for n in range(6):
                self.assertEqual(self.tool("mogfetch", "--domain=d", f"--key=k{n}", "--file=-").stdout, data)
            for n in range(6):
                self.tool("mogupload", "--domain=d", f"--key=new{n}", "--class=c", "--file=-", stdin=data)
            self.tool("mogadm", "check", "--strict", check=1)
            self.cluster.nodes[0].start()
            wait_until(lambda: self.tool("mogadm", "check", "--strict", check=None).returncode == 0,
                       what="all is well again")

        with self.subTest("one tracker is gone"):
            self.cluster.trackers[0].stop()
            for n in range(4):
                self.assertEqual(self.tool("mogfetch", "--domain=d", f"--key=k{n}", "--file=-").stdout, data)
            self.assertEqual([t["ok"] for t in self.adm_json("status")["trackers"]], [False, True])
            self.tool("mogadm", "tracker", "version", check=1)
            self.cluster.trackers[0].start()

        with self.subTest("statistics of the database"):
            options = self.cluster.trackers[0].options
            got = json.loads(run("mogstats", f"--db_dsn={options['db_dsn']}", f"--db_user={options['db_user']}",
                                 f"--db_pass={options['db_pass']}", "--json", env=tool_env(self.folder)).stdout)
            self.assertEqual([(r["domain"], r["class"], r["files"], r["bytes"]) for r in got["files"]],
                             [("d", "c", 12, 12 * len(data))])

        with self.subTest("fsck"):
            self.tool("mogadm", "fsck", "reset")
            self.tool("mogadm", "fsck", "start")
            wait_until(lambda: not self.adm_json("fsck", "status")["running"], what="fsck has ended")
            got = self.adm_json("fsck", "status")
            self.assertEqual(got["max_fid_checked"], got["end_fid"])


if __name__ == "__main__":
    import unittest
    unittest.main()
