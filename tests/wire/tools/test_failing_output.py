# SPDX-License-Identifier: MIT
"""What a tool prints and cannot: on a full disk, a closed stream, a pipe that nobody reads. It fails, and says why.

And the other end: trackers that close in the middle of an answer, at any byte.
"""
import contextlib
import os
import signal
import subprocess
import tempfile
import unittest

from adm_case import devices, domains, hosts, settings
from daemon import program, run
from fake_tracker import Cut, FakeNode, FakeTracker, HangingNode, OK, tool_env
from small_disk import SmallDisk, can_mount
from waiting import wait_until

PATH = "/dev1/0/000/000/0000000042.fid"

# Every tool that prints something of its own, in each of its forms.
PRINTS = [
    ("mogfetch", "--domain=d", "--key=k", "--file=-"),
    ("mogfileinfo", "--domain=d", "--key=k"),
    ("mogfileinfo", "--domain=d", "--key=k", "--json"),
    ("mogfiledebug", "--domain=d", "--key=k"),
    ("mogfiledebug", "--domain=d", "--key=k", "--json"),
    ("moglistkeys", "--domain=d"),
    ("moglistfids", "--fromfid=1", "--count=2"),
    ("mogdelete", "--domain=d", "--prefix=a", "--dry-run"),
    ("mogtool", "--domain=d", "extract", "k", "-"),
    ("mogadm", "host", "list"),
    ("mogadm", "host", "list", "--json"),
    ("mogadm", "device", "list"),
    ("mogadm", "domain", "list"),
    ("mogadm", "domain", "list", "--json"),
    ("mogadm", "class", "list"),
    ("mogadm", "settings", "list"),
    ("mogadm", "status", "--json"),
    ("mogadm", "export"),
]


def half_files(folder):
    """The sizes of temporary files."""
    with contextlib.suppress(FileNotFoundError):
        return [os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder) if name.startswith(".")]
    return []


class Output(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.node = FakeNode({PATH: b"hello"})
        self.addCleanup(self.node.close)
        self.tracker = FakeTracker({
            "get_paths": OK(paths=1, path1=self.node.url(PATH)),
            "file_info": OK(fid=42, domain="d", key="k", length=5, devcount=1, **{"class": "default"}),
            "file_debug": OK(fid_fid=42, fid_length=5, fid_dkey="k", devpath_1=self.node.url(PATH), devids="1"),
            "list_keys": OK(key_count=2, key_1="a1", key_2="a2", next_after="a2"),
            "list_fids": OK(fid_count=1, fid_1_fid=42, fid_1_domain="d", fid_1_key="k", fid_1_length=5,
                            fid_1_devcount=1, **{"fid_1_class": "default"}),
            "get_hosts": hosts({"hostname": "hosta"}), "get_devices": devices({"devid": 1}),
            "get_domains": domains(d={"default": {}}), "server_settings": settings(a="b"), "noop": OK(),
            "fsck_status": OK(running=0, host="", max_fid_checked=0, end_fid=0, start_time=0, stop_time=0, current_time=1,
                              max_logid=0, policy_only=0),
        }, admin={"!version": "2.73", "!stats": "uptime 1", "!jobs": "queryworker count 1"})
        self.addCleanup(self.tracker.close)

    def command(self, name, *args):
        return [program(name), f"--trackers={self.tracker.hostport}", *args]

    def run_with(self, args, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.command(*args), stderr=subprocess.PIPE, env={**os.environ, **tool_env(self.folder)},
                              timeout=60, **more)

    def assertTold(self, done, args):
        self.assertEqual(done.returncode if done.returncode != 2 else 1, 1, (args, done))
        self.assertIn(b"standard output", done.stderr, args)

    def test_they_all_print(self):
        """Else the others would find nothing."""
        for args in PRINTS:
            with self.subTest(args=args):
                done = self.run_with(args, stdout=subprocess.PIPE)
                self.assertEqual(done.returncode, 0, done)
                self.assertNotEqual(done.stdout, b"")

    def test_full_disk(self):
        for args in PRINTS:
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                self.assertTold(self.run_with(args, stdout=full), args)

    def test_closed_stream(self):
        """No connection may get its number: what is printed would go to the tracker."""
        for args in PRINTS:
            with self.subTest(args=args):
                self.assertTold(self.run_with(args, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(1)), args)
                self.assertTold(self.run_with(args, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.closerange(0, 2)), args)
        known = {*self.tracker.answers, "rebalance_status"}
        self.assertEqual([c for c in self.tracker.commands() if not c.startswith("!") and c not in known], [])

    def test_pipe_that_nobody_reads(self):
        for args in PRINTS:
            with self.subTest(args=args):
                ours, theirs = os.pipe()
                os.close(ours)
                try:
                    self.assertTold(self.run_with(args, stdout=theirs), args)
                finally:
                    os.close(theirs)

    def test_pipe_that_is_full(self):
        """Of the kind that does not wait."""
        ours, theirs = os.pipe()
        try:
            os.set_blocking(theirs, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(theirs, bytes(4096))
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(theirs, b"x")
            for args in PRINTS:
                with self.subTest(args=args):
                    self.assertTold(self.run_with(args, stdout=theirs), args)
        finally:
            os.close(ours)
            os.close(theirs)

    def test_database_tools(self):
        path = os.path.join(self.folder, "db")
        args = ("--type=SQLite", f"--dbname={path}", "--yes")
        run("mogdbsetup", *args, env=tool_env(self.folder))
        copy = os.path.join(self.folder, "copy")
        for command in (["mogdbsetup", *args, "--check"], ["mogdbsetup", *args, f"--backup={copy}"],
                        ["mogstats", f"--db_dsn=DBI:SQLite:{path}", "--json"],
                        ["mogstats", f"--db_dsn=DBI:SQLite:{path}"]):
            with self.subTest(command=command), open("/dev/full", "wb") as full:
                done = subprocess.run([program(command[0]), *command[1:]], stdout=full, stderr=subprocess.PIPE,
                                      env={**os.environ, **tool_env(self.folder)}, timeout=60)
                self.assertTold(done, command)

    # ---- trackers ----

    def test_a_tracker_that_closes_at_any_byte(self):
        """Of each command that a tool asks, and at some bytes of each answer: at its ends, and within names and values."""
        for args, asked in ((("mogfileinfo", "--domain=d", "--key=k"), "file_info"),
                            (("moglistkeys", "--domain=d"), "list_keys"),
                            (("mogfiledebug", "--domain=d", "--key=k", "--json"), "file_debug"),
                            (("moglistfids", "--fromfid=1", "--count=2"), "list_fids"),
                            (("moglistfids", "--fromfid=1", "--count=2", "--json"), "list_fids"),
                            (("mogadm", "host", "list", "--json"), "get_hosts"),
                            (("mogadm", "domain", "list"), "get_domains"),
                            (("mogadm", "settings", "list"), "server_settings"),
                            (("mogdelete", "--domain=d", "--key=k"), "delete"),
                            (("mogrename", "--domain=d", "--old_key=k", "--new_key=l"), "rename"),
                            (("mogfetch", "--domain=d", "--key=k", "--file=-"), "get_paths")):
            whole = self.tracker.answers.get(asked, OK())
            text = FakeTracker.format(whole) + b"\r\n"
            for cut in sorted({0, 1, 2, 3, 4, len(text) // 2, len(text) - 3, len(text) - 2, len(text) - 1}):
                with self.subTest(args=args, cut=cut):
                    self.tracker.answers[asked] = Cut(text[:cut])
                    done = self.run_with(args, stdout=subprocess.PIPE)
                    self.assertEqual(done.returncode, 1, done)
                    self.assertIn(b"tracker", done.stderr)
                    self.assertEqual(done.stdout, b"")
            self.tracker.answers[asked] = whole
            self.assertEqual(self.run_with(args, stdout=subprocess.PIPE).returncode, 0, args)

    # ---- files ----

    @unittest.skipUnless(can_mount(), "small file systems cannot be mounted here")
    def test_fetch_to_a_full_disk(self):
        body = os.urandom(300 << 10)
        self.node.files[PATH] = body
        self.tracker.answers["file_info"]["length"] = len(body)
        disk = SmallDisk(os.path.join(self.folder, "disk"), 128)
        self.addCleanup(disk.close)
        target = os.path.join(disk.path, "file")
        with open(target, "wb") as f:
            f.write(b"old")
        done = self.run_with(("mogfetch", "--domain=d", "--key=k", f"--file={target}"), stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left on device", done.stderr)
        self.assertEqual(os.listdir(disk.path), ["file"])
        with open(target, "rb") as f:
            self.assertEqual(f.read(), b"old")
        many = self.run_with(("mogfetch", "--domain=d", "--prefix=a", f"--file={disk.path}/all"), stdout=subprocess.PIPE)
        self.assertEqual(many.returncode, 1)
        self.assertIn(b"No space left on device", many.stderr)
        self.assertEqual(os.listdir(f"{disk.path}/all"), [])
        piece = self.run_with(("mogtool", "--domain=d", "extract", "--overwrite", "k", target), stdout=subprocess.PIPE)
        self.assertNotEqual(piece.returncode, 0)
        self.assertIn(b"No space left on device", piece.stderr)
        self.assertEqual(sorted(os.listdir(disk.path)), ["all", "file"])
        with open(target, "rb") as f:
            self.assertEqual(f.read(), b"old")

    def test_sources_that_cannot_be_read(self):
        """Nothing of them is stored, or said to be."""
        self.tracker.answers.update(create_open=OK(fid=42, devid=1, path=self.node.url("/dev1/new")), create_close=OK())
        for args in (("mogupload", "--domain=d", "--key=k", "--file=/proc/self/mem"),
                     ("mogupload", "--domain=d", "--key=k", f"--file={self.folder}"),
                     ("mogtool", "--domain=d", "inject", "/proc/self/mem", "k"),
                     ("mogdelete", "--domain=d", f"--keys-from={self.folder}"),
                     ("mogadm", "apply", self.folder), ("mogadm", "--config=/proc/self/mem", "host", "list"),
                     ("mogfileinfo", "--domain=d", "--key=k", "--conf=/proc/self/mem")):
            with self.subTest(args=args):
                done = self.run_with(args, stdout=subprocess.PIPE)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertNotEqual(done.stderr, b"")
        self.assertEqual([a for a in self.tracker.args_of("create_close") if a.get("key")], [])
        self.assertNotIn("delete", self.tracker.commands())

    def test_fetch_that_is_interrupted(self):
        """In the middle of a file: nothing of it is left, and what was there before stays."""
        held = HangingNode(b"x" * 1000)
        self.addCleanup(held.close)
        self.tracker.answers["get_paths"] = OK(paths=1, path1=held.url)
        self.tracker.answers["file_info"]["length"] = 2000
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for args in (("--key=k", f"--file={self.folder}/file"), ("--prefix=a", f"--file={self.folder}/all", "--jobs=2")):
                with self.subTest(sig=sig, args=args):
                    with open(f"{self.folder}/file", "wb") as f:
                        f.write(b"old")
                    process = subprocess.Popen(self.command("mogfetch", "--domain=d", *args), stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL,
                                               env={**os.environ, **tool_env(self.folder)})
                    where = self.folder if args[0] == "--key=k" else f"{self.folder}/all"
                    wait_until(lambda: 1000 in half_files(where), what="half of the file is there")
                    process.send_signal(sig)
                    self.assertEqual(process.wait(30), -sig)
                    with open(f"{self.folder}/file", "rb") as f:
                        self.assertEqual(f.read(), b"old")
                    self.assertEqual(half_files(where), [])


if __name__ == "__main__":
    unittest.main()
