# SPDX-License-Identifier: MIT
"""mogbench: counts, errors, and that it cleans up."""
import json
import tempfile
import unittest

from daemon import run
from fake_tracker import CLOSE, ERR, HANG, OK, FakeCluster, tool_env
from waiting import free_port

OPS = "noop,create_open,create_close,upload,get_paths,get_paths_verify,file_info,list_keys,fetch,delete"


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
        for row in got:
            self.assertEqual(row["bytes"], 20 * 1024 if row["operation"] in ("upload", "fetch") else 0, row)
        self.assertEqual(self.cluster.files, {})

    def test_text(self):
        lines = self.bench("--ops=noop,upload", "--count=5", "--keep").stdout.decode().splitlines()
        self.assertEqual([line.split()[0:3] for line in lines], [["operation", "requests", "errors"],
                                                                 ["noop", "5", "0"], ["upload", "5", "0"]])
        self.assertEqual(len(self.cluster.files), 5)

    def test_existing(self):
        reading = "--ops=get_paths,file_info,list_keys,fetch,create_open"
        self.bench("--existing", "--prefix=mogbench/", reading, check=1)
        self.bench("--ops=upload", "--count=25", "--keep")
        before = set(self.cluster.files)
        for keys in (10, 100):
            rows = json.loads(self.bench("--existing", reading, "--count=30", f"--keys={keys}", "--json").stdout)
            self.assertEqual([(r["requests"], r["errors"]) for r in rows], [(30, 0)] * 5)
        asked = [args["key"] for args in self.cluster.tracker.args_of("file_info")]
        self.assertLess(set(asked[:30]), before)
        self.assertLessEqual(len(set(asked[:30])), 10)
        for op in ("upload", "delete", "create_close"):
            self.assertIn(b"changes files", self.bench("--existing", f"--ops={op}", check=1).stderr)
        self.assertEqual(set(self.cluster.files), before)

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

    def test_rate(self):
        row = json.loads(self.bench("--ops=noop", "--rate=40", "--seconds=1", "--json").stdout)[0]
        self.assertEqual(row["requests"] + row["errors"], 40, row)
        self.assertGreater(row["requests"], 0)
        # At most so many, also when the rate has more to do.
        row = json.loads(self.bench("--ops=noop", "--rate=1000", "--count=7", "--json").stdout)[0]
        self.assertEqual((row["requests"], row["errors"]), (7, 0), row)

    def test_rate_at_a_tracker_that_hangs(self):
        self.cluster.tracker.answers["noop"] = [OK(), HANG]
        done = self.bench("--ops=noop", "--rate=50", "--seconds=2", "--timeout=1", "--json")
        row = json.loads(done.stdout)[0]
        self.assertEqual((row["requests"], row["errors"]), (1, 99), row)

    def test_time_out(self):
        self.cluster.tracker.answers["noop"] = HANG
        done = self.bench("--ops=noop", "--count=3", "--timeout=1", check=1)
        self.assertIn(b"timed out waiting for an answer", done.stderr)

    def test_connections_that_break(self):
        self.cluster.tracker.answers["noop"] = [OK(), CLOSE, OK()]
        row = json.loads(self.bench("--ops=noop", "--count=20", "--json").stdout)[0]
        self.assertEqual((row["requests"], row["errors"]), (19, 1), row)
        self.assertIn("closed the connection", row["first_error"])
        for answer in (b"", b"nonsense", b"OK\r\nOK", b"ERR"):
            self.cluster.tracker.answers["noop"] = [answer, OK()]
            row = json.loads(self.bench("--ops=noop", "--count=5", "--json").stdout)[0]
            self.assertEqual((row["requests"], row["errors"]), (4, 1), answer)

    def test_node_that_fails(self):
        self.cluster.node.fail["PUT"] = [None, 507, "close"]
        row = json.loads(self.bench("--ops=upload", "--count=12", "--connections=1", "--json").stdout)[0]
        # A kept connection that breaks is opened once more.
        self.assertEqual((row["requests"], row["errors"]), (11, 1), row)
        self.assertRegex(row["first_error"], "PUT http://.*: status 507")
        self.cluster.node.fail["GET"] = ["cut"]
        row = json.loads(self.bench("--ops=fetch", "--count=12", "--connections=1", "--json").stdout)[0]
        self.assertEqual((row["requests"], row["errors"], row["bytes"]), (12, 0, 12 * 4096), row)

    def test_trackers(self):
        away = f"127.0.0.1:{free_port()}"
        row = json.loads(self.bench(f"--trackers={away},{self.cluster.hostport}", "--ops=noop", "--count=20",
                                    "--json").stdout)[0]
        self.assertEqual((row["requests"], row["errors"]), (20, 0), row)
        done = self.bench(f"--trackers={away}", "--ops=noop", "--seconds=1", check=1)
        self.assertIn(b"cannot connect to", done.stderr)

    def test_options(self):
        for option, bad in (("rate", ("0", "-1", "x", "99999999999")), ("connections", ("0", "10001", "many")),
                            ("seconds", ("0", "1.5", "86401")), ("count", ("0",)), ("keys", ("0", "10000001")),
                            ("timeout", ("0", "x"))):
            for value in bad:
                self.assertIn(option.encode(), self.bench(f"--{option}={value}", check=None).stderr, (option, value))
                self.assertNotEqual(self.bench(f"--{option}={value}", check=None).returncode, 0)
        self.assertIn(b"Bad size", self.bench("--size=2000M", check=1).stderr)
        self.assertIn(b"Unknown operation 'open_put'", self.bench("--ops=open_put", check=1).stderr)


if __name__ == "__main__":
    unittest.main()
