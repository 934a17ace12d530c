# SPDX-License-Identifier: MIT
"""mogadm status, why, apply, export and completion against scripted trackers and nodes."""
import json
import os
import subprocess
import tempfile
import time
import unittest

from adm_case import AdmCase, devices, domains, hosts, settings
from daemon import program, run
from fake_tracker import ERR, FakeNode, OK, tool_env
from waiting import free_port


class Case(AdmCase):
    def setUp(self):
        super().setUp()
        self.tracker.admin.update({"!stats": "uptime 90\npending_queries 0\nprocessing_queries 1\n"
                                             "bored_queryworkers 19\nqueries 5\nwork_queue_for_delete 7",
                                   "!version": "3.0.0"})
        self.tracker.answers.update(
            get_hosts=hosts({"hostname": "hosta"}, {"hostname": "hostb"}),
            get_devices=devices({"mb_total": 2048, "mb_used": 1024, "utilization": "12.5"},
                                {"hostid": 2, "status": "down", "observed_state": ""}),
            get_domains=domains(d={"default": {}, "c": {"mindevcount": 3, "replpolicy": "MultipleHosts(2)"}}),
            server_settings=settings(memcache_ttl="60", schema_version="17"),
            fsck_status=OK(running=1, host="t1", max_fid_checked=50, end_fid=100, num_MISS=3),
            rebalance_status=ERR("no_rebal_state"))


class Status(Case):
    def test_screen(self):
        gone = f"127.0.0.1:{free_port()}"
        out = self.out("status", trackers=f"{self.tracker.hostport},{gone}")
        self.assertIn(f"  {self.tracker.hostport:24} OK  3.0.0, up 1 min, 5 requests, 0 waiting, 19 idle workers\n", out)
        self.assertIn(f"  {gone:24} couldn't connect", out)
        self.assertIn("    dev1     alive    writeable   [############............]  50.0%     1.0 GiB free of 2.0 GiB"
                      "  12% busy\n", out)
        self.assertIn("    dev2     down     -           usage unknown\n", out)
        self.assertIn("work_queue_for_delete                   7\n", out)
        self.assertIn("running on t1  [############............] file 50 of 100  MISS 3\n", out)
        self.assertIn("Rebalance\n  not running\n", out)
        self.assertNotIn("\x1b", out)

    def test_what_a_tracker_tells_of_the_database(self):
        """Queues as they are there, and that it is gone, which nothing else on the screen shows."""
        row = {"length": 1200, "due": 0, "parked": 0, "oldest_s": 0}
        self.tracker.admin["!status"] = json.dumps({
            "trackers": [{"tracker": "x", "not_ready": None}], "queues": {"replicate": {**row, "due": 30, "oldest_s": 200},
                                                                          "delete": {**row, "parked": 4}}})
        out = self.out("status")
        self.assertIn(" OK  3.0.0", out)
        self.assertIn("  replicate                            1200 waiting, 30 due (for up to 3 min)\n", out)
        self.assertIn("  delete                               1200 waiting, 0 due, 4 given up\n", out)
        self.assertNotIn("work_queue", out)
        self.assertNotIn(" ago", out)
        self.tracker.admin["!status"] = json.dumps({
            "trackers": [{"tracker": "x", "not_ready": "the database does not answer"}], "queues_age_s": 90,
            "queues": {"replicate": row}})
        self.tracker.answers.update(fsck_status=ERR("failure", "Operation failed"), rebalance_status=ERR("failure"))
        out = self.out("status")
        self.assertIn(" the database does not answer  3.0.0, up 1 min", out)
        self.assertIn("Queues\n  as they were 90 s ago\n  replicate ", out)
        self.assertIn("Fsck\n  unknown: failure Operation failed\n", out)
        self.assertIn("Rebalance\n  unknown\n", out)

    def test_rebalance(self):
        self.tracker.answers.update(server_settings=settings(rebal_host="t1"),
                                    rebalance_status=OK(state="fids_queued=5 bytes_queued=2048 x=1"))
        self.assertIn("  running, 5 files with 2.0 KiB queued\n", self.out("status"))
        got = self.json("status")
        self.assertEqual((got["rebalance"]["running"], got["rebalance"]["queued_files"], got["rebalance"]["queued_bytes"]),
                         (True, 5, 2048))
        self.assertEqual(got["trackers"][0]["counters"]["queries"], 5)
        self.assertEqual(got["devices"][0]["mb_used"], 1024)

    def test_watch(self):
        process = subprocess.Popen([program("mogadm"), f"--trackers={self.tracker.hostport}", "status", "--watch",
                                    "--interval=1"], stdout=subprocess.PIPE, env={**os.environ,
                                                                                 **tool_env(self.folder)})
        try:
            seen = 0
            for line in process.stdout:
                seen += line == b"Trackers\n"
                if seen == 2:
                    break
            self.assertEqual(seen, 2)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_unreachable(self):
        self.adm("status", trackers=f"127.0.0.1:{free_port()}", check=1)


class Why(Case):
    def setUp(self):
        super().setUp()
        self.node = FakeNode({"/dev1/x": b"12345", "/dev2/x": b"12345"})
        self.addCleanup(self.node.close)
        self.file = OK(fid_fid=42, fid_dkey="k", fid_length=5, fid_class="c", fid_domain="d", fid_devcount=2,
                       devids="1,2", devpath_1=self.node.url("/dev1/x"), devpath_2=self.node.url("/dev2/x"),
                       checksum="NONE")
        self.tracker.answers["file_debug"] = self.file

    def test_missing_copy(self):
        self.file.update(replqueue_fid=42, replqueue_nexttry=int(time.time()) + 7000, replqueue_failcount=3)
        out = self.out("why", "d", "k")
        self.assertIn("k: file 42, 5 bytes (5 B), class c, MultipleHosts(2), 2 copies wanted\n", out)
        self.assertIn("  dev1      hosta            alive     good\n", out)
        self.assertIn("  dev2      hostb            down      the device or its host is marked down\n", out)
        self.assertIn("It has 1 good copy on 1 host; 2 are wanted.\n", out)
        self.assertIn("There is no device that could take another copy.\n", out)
        self.assertIn("queued for replication, next in 1 h 56 min (failed 3 times before)", out)

    def test_good(self):
        self.tracker.answers["get_devices"] = devices({}, {"hostid": 2})
        out = self.out("why", "d", "k")
        self.assertIn("It has 2 good copies on 2 hosts; 2 are wanted: all is well.\n", out)
        got = self.json("why", "d", "k")
        self.assertEqual((got["good"], got["wanted"], [c["ok"] for c in got["copies"]]), (2, 2, [True, True]))

    def test_bad_copies(self):
        self.tracker.answers["get_devices"] = devices({}, {"hostid": 2}, {"hostid": 2})
        self.node.files["/dev1/x"] = b"1"
        del self.node.files["/dev2/x"]
        out = self.out("why", "d", "k")
        self.assertIn("it has 1 bytes instead of 5", out)
        self.assertIn("the file is missing there: 404 Not Found", out)
        self.assertIn("No copy can be read now: the file is unavailable.\n", out)
        self.assertIn("1 device could take another copy, 1 of them on other hosts.\n", out)
        self.assertIn("It is not queued for replication: fsck will find it.\n", out)

    def test_unknown(self):
        self.tracker.answers["file_debug"] = ERR("unknown_key")
        self.assertEqual(self.adm("why", "d", "k", check=1).stderr,
                         b"There is no such file: unknown_key unknown_key\n")


class Apply(Case):
    def write(self, text):
        path = os.path.join(self.folder, "cluster.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_changes(self):
        path = self.write("hosts:\n  hosta: {port: 7600}\nsettings: {memcache_ttl: 5}\n")
        self.tracker.answers.update(update_host=OK(), set_server_setting=OK())
        text = "change host hosta: port 7500 -> 7600\nchange setting memcache_ttl: value 60 -> 5\n"
        done = self.adm("apply", path, "--dry-run", check=2)
        self.assertEqual(done.stdout.decode(), "".join(f"would {line}\n" for line in text.splitlines()))
        self.assertEqual(self.tracker.args_of("update_host"), [])
        self.assertEqual(self.out("apply", path), text)
        self.assertEqual(self.tracker.requests[-2:], [("update_host", {"host": "hosta", "port": "7600"}),
                                                      ("set_server_setting", {"key": "memcache_ttl", "value": "5"})])
        with open(path, "rb") as f:
            self.assertEqual(self.out("apply", "-", stdin=f.read()), text)

    def test_nothing_to_do(self):
        exported = self.out("export")
        path = self.write(exported)
        self.assertEqual(self.out("apply", path, "--prune"), "nothing to do\n")
        self.assertEqual(self.json("apply", path), [])
        self.assertIn("      2: {status: down, weight: 100}\n", exported)

    def test_failure_ends_it(self):
        path = self.write("domains: {new: , newer: }\n")
        self.tracker.answers["create_domain"] = ERR("failure", "Operation failed")
        done = self.adm("apply", path, check=1)
        self.assertEqual(done.stderr, b"cannot create domain new: failure Operation failed\n")
        self.assertEqual(len(self.tracker.args_of("create_domain")), 1)

    def test_bad_file(self):
        path = self.write("hosts:\n  hosta:\n    prot: 5\n")
        done = self.adm("apply", path, check=1)
        self.assertIn(f"{path}:3: unknown key 'prot'".encode(), done.stderr)
        self.adm("apply", "/nonexistent/x", check=1)


class Completion(unittest.TestCase):
    def complete(self, line):
        """What bash offers behind `line`."""
        with tempfile.TemporaryDirectory() as folder:
            script = run("mogadm", "completion", "bash").stdout.decode()
            words = line.split(" ")
            ask = (f"{script}\ncompopt() {{ :; }}\nCOMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}\n"
                   f"_mogadm mogadm; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
            out = subprocess.run(["bash", "--norc", "-c", ask], capture_output=True, text=True, cwd=folder, check=True)
            self.assertEqual(out.stderr, "")
            return out.stdout.split()

    def test_bash(self):
        self.assertEqual(self.complete("mogadm hos"), ["host"])
        self.assertEqual(self.complete("mogadm host m"), ["modify", "mark"])
        self.assertEqual(self.complete("mogadm --trackers=a:1 class add d c --m"), ["--mindevcount="])
        self.assertEqual(self.complete("mogadm device mark h 5 dr"), ["drain"])
        self.assertEqual(self.complete("mogadm check --st"), ["--strict"])

    def test_zsh_is_made(self):
        self.assertTrue(run("mogadm", "completion", "zsh").stdout.startswith(b"#compdef mogadm mogupload"))
        run("mogadm", "completion", "fish", check=1)


if __name__ == "__main__":
    unittest.main()
