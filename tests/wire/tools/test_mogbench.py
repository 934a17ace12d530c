# SPDX-License-Identifier: MIT
"""mogbench: counts, errors, and that it cleans up."""
import json
import tempfile
import unittest

from daemon import run
from fake_tracker import ERR, FakeCluster, tool_env

OPS = "noop,create_open,upload,get_paths,get_paths_verify,file_info,list_keys,fetch,delete"


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cluster = FakeCluster()
        self.addCleanup(self.cluster.close)

    def bench(self, *args, check=0):
        return run("mogbench", f"--trackers={self.cluster.hostport}", "--domain=d", "--connections=3", "--keys=10",
                   "--seconds=10", *args, check=check, env=tool_env(self.folder))

    def test_all_operations(self):
        got = json.loads(self.bench(f"--ops={OPS}", "--count=20", "--json", "--size=1K").stdout)
        self.assertEqual([r["operation"] for r in got], OPS.split(","))
        for row in got:
            self.assertEqual((row["requests"], row["errors"]), (20, 0), row)
            self.assertGreater(row["latency_ms"]["p50"], 0)
            self.assertLessEqual(row["latency_ms"]["p50"], row["latency_ms"]["max"])
        self.assertEqual(got[2]["bytes"], 20 * 1024)
        self.assertEqual(got[7]["bytes"], 20 * 1024)
        self.assertEqual(self.cluster.files, {})

    def test_text(self):
        lines = self.bench("--ops=noop,upload", "--count=5", "--keep").stdout.decode().splitlines()
        self.assertEqual([line.split()[0:3] for line in lines], [["operation", "requests", "errors"],
                                                                 ["noop", "5", "0"], ["upload", "5", "0"]])
        self.assertEqual(len(self.cluster.files), 5)

    def test_time_is_kept(self):
        done = self.bench("--ops=noop", "--seconds=1", "--json")
        row = json.loads(done.stdout)[0]
        self.assertGreater(row["requests"], 10)
        self.assertGreaterEqual(row["seconds"], 0.9)
        self.assertLess(row["seconds"], 20)

    def test_errors(self):
        self.cluster.tracker.answers["noop"] = ERR("failure", "Operation failed")
        done = self.bench("--ops=noop", "--count=4", check=1)
        self.assertIn(b"first error: failure Operation failed", done.stderr)
        done = self.bench("--ops=bogus", check=1)
        self.assertIn(b"Unknown operation 'bogus'", done.stderr)
        self.cluster.tracker.answers["create_open"] = ERR("unreg_class")
        done = self.bench("--ops=get_paths", check=1)
        self.assertIn(b"10 of 10 files could not be stored: unreg_class", done.stderr)


if __name__ == "__main__":
    unittest.main()
