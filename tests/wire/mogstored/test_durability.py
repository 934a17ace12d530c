# SPDX-License-Identifier: MIT
"""What an acknowledged upload promises: the order of calls, failures at each of them, and death at each of them."""
import errno
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from faults import Faults
from storednode import StoredNode
from waiting import wait_until

TARGET = "/dev1/0/000/000/0000000001.fid"
STEPS = "create|write|fdatasync|link|rename|fsync|mkdir"


class WithFaults(unittest.TestCase):
    options = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.faults = Faults(self.folder)
        self.node = StoredNode((1,), self.options, self.faults.env, self.folder)
        self.addCleanup(self.node.kill)

    def put(self, body=b"new", target=TARGET, **headers):
        return self.node.request("PUT", target, headers, body)


class Order(WithFaults):
    def calls(self, target, body=b"new"):
        """The calls of one upload, without the path's beginning."""
        self.faults.set(*[f"{step} /dev1 delay 0" for step in STEPS.split("|")])
        self.faults.forget()
        self.assertEqual(self.put(body, target).status, 201)
        self.faults.set()
        out = []
        for call in self.faults.calls():
            name, path = call.split(" ", 1)
            path = re.sub(r"\.mogtmp-[0-9]+-[0-9a-f]+", "TEMP", path.split("/docroot")[1])
            if path not in ("/dev1/usage", "/dev1/TEMP", "/dev1/."):  # the janitor's
                out.append((name, path))
        return out

    def test_order(self):
        self.node.start()
        folder = os.path.dirname(TARGET)
        self.assertEqual(self.calls(TARGET), [
            ("mkdir", "/dev1/0"), ("fsync", "/dev1"), ("mkdir", "/dev1/0/000"), ("fsync", "/dev1/0"),
            ("mkdir", "/dev1/0/000/000"), ("fsync", "/dev1/0/000"),
            ("create", folder + "/TEMP"), ("write", folder + "/TEMP"), ("fdatasync", folder + "/TEMP"),
            ("rename", TARGET), ("fsync", folder)])
        self.assertEqual(self.calls(TARGET), [
            ("create", folder + "/TEMP"), ("write", folder + "/TEMP"), ("fdatasync", folder + "/TEMP"),
            ("rename", TARGET), ("fsync", folder)])

    def test_test_write_is_not_synced(self):
        self.node.start()
        self.check_unsynced(["mkdir"], "/dev1/test-write/test-write-1")

    def check_unsynced(self, before, target):
        """A file has no name at first, where the file system has such files."""
        names = [name for name, _ in self.calls(target)]
        self.assertIn(names, (before + ["create", "write", "link"], before + ["create", "write", "rename"]))
        if names[-1] == "link":
            self.assertEqual([name for name, _ in self.calls(target)], ["create", "write", "link", "link", "rename"])

    def test_a_deletion_waits_for_no_sync(self):
        """A file that comes back after a power cut wastes space, and nothing else."""
        self.node.start()
        self.assertEqual(self.put().status, 201)
        self.faults.set("fsync /dev1 delay 0", "fdatasync /dev1 delay 0", "unlink /dev1 delay 0")
        self.faults.forget()
        self.assertEqual(self.node.request("DELETE", TARGET).status, 204)
        names = [call.split(" ", 1)[0] for call in self.faults.calls() if TARGET in call or "sync" in call]
        self.assertEqual(names, ["unlink"])

    def test_fsync_off(self):
        self.node.options["fsync"] = "off"
        self.node.args.append("--nofsync")
        self.node.start()
        self.check_unsynced(["mkdir"] * 3, TARGET)

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_answer_comes_last(self):
        self.node.env.pop("LD_PRELOAD")
        self.node.start()
        self.put(b"old")
        out = os.path.join(self.folder, "strace.out")
        calls = "trace=openat,pwrite64,fdatasync,renameat,renameat2,fsync,sendto,sendmsg,writev,write"
        with open(os.path.join(self.folder, "strace.err"), "w+") as err:
            tracer = subprocess.Popen(["strace", "-f", "-y", "-o", out, "-e", calls, "-p", str(self.node.pid)],
                                      stderr=err)
            try:
                def attached():
                    err.seek(0)
                    text = err.read()
                    if tracer.poll() is not None:
                        raise unittest.SkipTest("strace may not trace here: " + text)
                    return "attached" in text
                wait_until(attached, what="strace is attached")
                self.assertEqual(self.put(b"traced").status, 201)
            finally:
                tracer.terminate()
                tracer.wait()
        with open(out) as f:
            text = f.read()
        temp = re.search(r"0/000/000>?, \"(\.mogtmp-[^\"]+)\"", text).group(1)
        positions = [text.index(mark) for mark in (
            f'"{temp}", O_WRONLY|O_CREAT|O_EXCL', "pwrite64(", "fdatasync(", "renameat", "fsync(", "HTTP/1.1 201")]
        self.assertEqual(positions, sorted(positions), text)


class Failures(WithFaults):
    broken = ("write", "fdatasync", "rename")

    def check(self, rules, status, large=False):
        body = os.urandom(3 << 20) if large else b"new"
        self.faults.set(*rules)
        with self.node.connect() as connection:
            answer = connection.request("PUT", TARGET, body=body)
            self.assertIn(answer.status, status if isinstance(status, tuple) else (status,), rules)
            if status == 507 and not large:
                self.assertEqual(connection.request("GET", "/").status, 200)
        self.faults.set()
        wait_until(lambda: not self.node.temporaries(), what="nothing is left behind")
        wait_until(lambda: self.node.request("GET", "/dev1/usage").status == 200, what="the device is well again")
        self.assertEqual(self.node.request("GET", TARGET).body, b"old")

    def test_failures(self):
        self.node.start()
        self.put(b"old")
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            for call in ("create", "write", "rename"):
                self.check([f"{call} /dev1/0/ errno {number}"], 507)
        self.check([f"fallocate /dev1/0/ errno {errno.ENOSPC}"], 507, True)
        for call in self.broken:
            self.check([f"{call} /dev1/0/ errno {errno.EIO}"], 500)
        logged = f"PUT {TARGET} failed from [0-9.:]+: .* dev1/0.*: {os.strerror(errno.EIO)}"
        wait_until(lambda: re.search(logged, self.node.log()), what="it is logged with its device")
        self.check([f"create /dev1/0/ errno {errno.EIO}"], (500, 503))
        self.check([f"create /dev1/0/ errno {errno.EACCES}"], 403)
        self.check([f"create /dev1/0/ errno {errno.EROFS}"], 403)

    def test_directory_that_cannot_be_made(self):
        self.node.start()
        self.faults.set(f"mkdir /dev1/0 errno {errno.EIO}")
        self.assertIn(self.put().status, (500, 503))
        self.faults.set(f"mkdir /dev1/0 errno {errno.ENOSPC}")
        wait_until(lambda: self.put().status == 507, what="no space for a directory")
        self.faults.set()
        self.assertEqual(self.put().status, 201)

    def test_part_of_a_file(self):
        self.node.start()
        self.put(b"0123456789")
        self.faults.set(f"write /dev1/0/ errno {errno.ENOSPC}")
        self.assertEqual(self.put(b"xx", **{"Content-Range": "bytes 3-4/*"}).status, 507)
        self.faults.set()
        self.assertEqual(self.node.read(TARGET), b"0123456789")


class UnsyncedFailures(Failures):
    options = {"fsync": "off"}
    broken = ("write", "rename")

    def test_no_name(self):
        self.node.start()
        self.put(b"old")
        self.faults.set("link /dev1/0/ delay 0")
        self.faults.forget()
        self.assertEqual(self.put(b"old").status, 201)
        if not self.faults.calls():
            self.skipTest("this file system has no files without a name")
        for number, status in ((errno.ENOSPC, 507), (errno.EIO, 500), (errno.EACCES, 403)):
            self.check([f"link /dev1/0/ errno {number}"], status)
            self.check([f"link /dev1/0/000/000/.mogtmp errno {number}"], status)


class Death(WithFaults):
    def test_killed_at_every_call(self):
        """Old or new, never anything between, and no litter after the next start."""
        body, step, acknowledged = os.urandom(300000), 0, False
        while not acknowledged:
            step += 1
            self.assertLess(step, 40)
            shutil.rmtree(self.node.path("/dev1/0"), ignore_errors=True)
            self.node.write("/dev1/1/old", b"old")
            replaces = step % 2 == 0
            self.faults.set()
            self.node.start()
            if replaces:
                self.assertEqual(self.put(b"old").status, 201)
            self.faults.set(*[f"{name} /dev1/0 kill {step}" for name in STEPS.split("|")])
            try:
                acknowledged = self.put(body).status == 201
            except (EOFError, ConnectionError):
                pass
            if not acknowledged:
                self.node.process.wait()
                self.node.kill()
                self.faults.set()
                self.node.start()
            self.faults.set()
            wait_until(lambda: not self.node.temporaries(), what=f"the litter of step {step} is gone")
            answer = self.node.request("GET", TARGET)
            if acknowledged:
                self.assertEqual(answer.body, body)
            elif replaces:
                self.assertIn(answer.body, (b"old", body))
            else:
                self.assertTrue(answer.status == 404 or answer.body == body)
            self.assertEqual(self.node.request("GET", "/dev1/1/old").body, b"old")
            self.node.stop()
        self.assertGreater(step, 6)

    def test_only_our_own_names_are_litter(self):
        keep = ["/dev1/0/.mogtmp-x", "/dev1/0/.mogtmp-1", "/dev1/0/mogtmp-999999-0123456789abcdef", "/dev1/0/x.tmp",
                "/dev1/0/.mogtmp-999999-0123456789abcdeg", "/dev1/0/.mogtmp-999999-0123456789abcdef0"]
        drop = ["/dev1/0/.mogtmp-999999-0123456789abcdef", "/dev1/.mogtmp-4000000-0123456789abcdef"]
        for name in keep + drop:
            self.node.write(name, b"x")
        os.makedirs(self.node.path("/dev1/1/.mogtmp-999999-0123456789abcdee"))
        os.symlink("x", self.node.path("/dev1/1/.mogtmp-999999-0123456789abcdef"))
        self.node.start()
        wait_until(lambda: "removed 2 unfinished uploads" in self.node.log(), what="the litter is gone")
        self.assertEqual([n for n in drop if os.path.exists(self.node.path(n))], [])
        self.assertEqual([n for n in keep if not os.path.exists(self.node.path(n))], [])
        self.assertTrue(os.path.isdir(self.node.path("/dev1/1/.mogtmp-999999-0123456789abcdee")))
        self.node.stop()

    def test_stop_in_mid_upload_leaves_nothing(self):
        self.node.start()
        with self.node.connect() as connection:
            connection.send(f"PUT {TARGET} HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n")
            connection.send(bytes(1000000))
            wait_until(lambda: self.node.temporaries() or self.nameless(), what="the upload has begun")
            self.node.stop()
        self.assertEqual(self.node.files(), [])

    def nameless(self):
        """The node's open files that have no name."""
        fds = f"/proc/{self.node.pid}/fd"
        links = [os.readlink(os.path.join(fds, fd)) for fd in os.listdir(fds)]
        return [link for link in links if "/docroot/dev1/" in link and link.endswith("(deleted)")]


class UnsyncedDeath(Death):
    options = {"fsync": "off"}


if __name__ == "__main__":
    unittest.main()
