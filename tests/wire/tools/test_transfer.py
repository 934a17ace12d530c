# SPDX-License-Identifier: MIT
"""mogupload and mogfetch against trackers and storage nodes that fail in every way."""
import base64
import hashlib
import os
import subprocess
import tempfile
import time
import unittest

from daemon import program, run
from fake_tracker import CLOSE, ERR, FakeNode, FakeTracker, OK, tool_env
from waiting import free_port

PATH = "/dev1/0/000/000/0000000042.fid"
PATH2 = "/dev2/0/000/000/0000000042.fid"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.node = FakeNode()
        self.addCleanup(self.node.close)
        self.tracker = FakeTracker({
            "create_open": OK(fid=42, dev_count=2, devid_1=1, path_1=self.node.url(PATH), devid_2=2,
                              path_2=self.node.url(PATH2)),
            "create_close": OK(),
        })
        self.addCleanup(self.tracker.close)

    def tool(self, name, *args, check=0, trackers=None, **more):
        return run(name, f"--trackers={trackers or self.tracker.hostport}", "--domain=d", *args, check=check,
                   env=tool_env(self.folder), **more)

    def file(self, data):
        path = os.path.join(self.folder, "source")
        with open(path, "wb") as f:
            f.write(data)
        return path


class Upload(Case):
    def test_file_is_stored_and_closed_with_its_size(self):
        done = self.tool("mogupload", "--key=/he llo&=+%", "--class=c", f"--file={self.file(b'some bytes')}")
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(self.node.files, {PATH: b"some bytes"})
        self.assertEqual(self.tracker.requests, [
            ("create_open", {"domain": "d", "key": "/he llo&=+%", "class": "c", "fid": "0", "multi_dest": "1",
                             "size": "10"}),
            ("create_close", {"domain": "d", "key": "/he llo&=+%", "fid": "42", "devid": "1", "size": "10",
                              "path": self.node.url(PATH)})])

    def test_default_class_is_sent_empty(self):
        self.tool("mogupload", "--key=k", "--class=default", f"--file={self.file(b'x')}")
        self.assertEqual(self.tracker.args_of("create_open")[0]["class"], "")

    def test_large_file_and_long_stream(self):
        data = os.urandom(3 * 1024 * 1024 + 17)
        self.tool("mogupload", "--key=k", f"--file={self.file(data)}")
        self.assertEqual(self.node.files[PATH], data)
        self.tool("mogupload", "--key=k", "--file=-", stdin=data)
        self.assertEqual(self.node.files[PATH], data)
        self.assertEqual(self.node.requests[1][2].get("Transfer-Encoding"), "chunked")
        self.assertEqual([a["size"] for a in self.tracker.args_of("create_close")], [str(len(data))] * 2)

    def test_a_tracker_that_lost_its_database(self):
        with FakeTracker({"create_open": ERR("failure", "Operation failed")}) as other:
            trackers = f"{self.tracker.hostport},{other.hostport}"
            for _ in range(40):  # which tracker comes first is up to chance
                self.tool("mogupload", "--key=k", f"--file={self.file(b'x')}", trackers=trackers)
                if other.requests:
                    break
            self.assertEqual(other.commands(), ["create_open"])

    def test_a_file_longer_than_it_says(self):
        # Files of /proc say that they are empty; this one has more than is read ahead.
        values = [chr(ord("a") + i) * 100_000 for i in range(12)]
        other = subprocess.Popen(["/bin/cat"], env={f"V{i}": value for i, value in enumerate(values)}, bufsize=0,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(other.communicate)
        other.stdin.write(b"x")
        other.stdout.read(1)  # now it has its environment
        path = f"/proc/{other.pid}/environ"
        self.assertEqual(os.stat(path).st_size, 0)
        with open(path, "rb") as f:
            data = f.read()
        self.assertGreater(len(data), 1024 * 1024)
        self.tool("mogupload", "--key=k", f"--file={path}", "--checksum=MD5")
        self.assertEqual(self.node.files[PATH], data)
        close = self.tracker.args_of("create_close")[0]
        self.assertEqual((close["size"], close["checksum"]), (str(len(data)), "MD5:" + hashlib.md5(data).hexdigest()))

    def test_empty_file_and_empty_stream(self):
        self.tool("mogupload", "--key=k", f"--file={self.file(b'')}")
        self.tool("mogupload", "--key=k", "--file=-", stdin=b"")
        self.assertEqual(self.node.files, {PATH: b""})
        self.assertEqual([a["size"] for a in self.tracker.args_of("create_close")], ["0", "0"])
        self.assertEqual(self.node.requests[0][2].get("Content-Length"), "0")

    def test_second_destination_when_the_first_fails(self):
        for failure in (500, 507, "close"):
            with self.subTest(failure):
                self.node.files.clear()
                self.node.fail = {("PUT", PATH): failure}
                data = os.urandom(2 * 1024 * 1024)
                self.tool("mogupload", "--key=k", f"--file={self.file(data)}")
                self.assertEqual(self.node.files, {PATH2: data})
                self.assertEqual(self.tracker.args_of("create_close")[-1]["devid"], "2")

    def test_new_destinations_when_all_fail(self):
        self.node.fail = {"PUT": [500, 500, None]}
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}")
        self.assertEqual(self.tracker.commands(), ["create_open", "create_close", "create_open", "create_close"])
        self.assertEqual(self.tracker.args_of("create_close")[0]["key"], "", "the failed upload is given up")
        self.assertEqual(self.tracker.args_of("create_close")[1]["key"], "k")

    def test_unreachable_node(self):
        self.tracker.answers["create_open"] = OK(fid=42, devid=1, path=f"http://127.0.0.1:{free_port()}{PATH}")
        done = self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}", check=1)
        self.assertTrue(done.stderr.startswith(b"Error writing file: "), done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_long_stream_is_not_sent_twice(self):
        self.node.fail = {"PUT": 500}
        self.tool("mogupload", "--key=k", "--file=-", stdin=os.urandom(3 * 1024 * 1024), check=1)
        self.assertEqual(len([r for r in self.node.requests if r[0] == "PUT"]), 1)

    def test_close_is_tried_again_with_a_new_upload(self):
        self.tracker.answers["create_close"] = [ERR("size_mismatch", "Expected: 4; actual: 0; path: p"), OK()]
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}")
        self.assertEqual(self.tracker.commands().count("create_open"), 2)

    def test_lost_answer_of_close_is_asked_again(self):
        self.tracker.answers["create_close"] = [CLOSE, OK()]
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}")
        self.assertEqual(self.tracker.commands(), ["create_open", "create_close", "create_close"])

    def test_errors(self):
        file = self.file(b"data")
        self.tracker.answers["create_open"] = ERR("unreg_class")
        done = self.tool("mogupload", "--key=k", f"--file={file}", check=1)
        self.assertEqual(done.stderr, b"Error opening MogileFS file: unreg_class unreg_class\n")
        self.tracker.answers["create_open"] = OK(fid=42, devid=1, path=self.node.url(PATH))
        self.tracker.answers["create_close"] = ERR("unreg_domain", "Domain name invalid/not found")
        done = self.tool("mogupload", "--key=k", f"--file={file}", check=1)
        self.assertEqual(done.stderr,
                         b"Error writing file: unreg_domain: unreg_domain Domain name invalid/not found\n")
        done = self.tool("mogupload", f"--file={file}", check=1)
        self.assertIn(b"--key", done.stderr)
        done = self.tool("mogupload", "--key=k", check=1)
        self.assertIn(b"Must specify a file to upload with --file", done.stderr)
        done = self.tool("mogupload", "--key=k", "--file=/nonexistent/x", check=1)
        self.assertIn(b"Could not stat /nonexistent/x", done.stderr)

    def test_verifying_may_take_long(self):
        def close_late(args):
            time.sleep(3.5)  # more than the default of 3 s
            return OK()
        self.tracker.answers["create_close"] = close_late
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}", "--verify")
        self.assertEqual(self.tracker.commands(), ["create_open", "create_close"])

    def test_checksum(self):
        digest = hashlib.md5(b"data")
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}", "--verify")
        close = self.tracker.args_of("create_close")[0]
        self.assertEqual((close["checksum"], close["checksumverify"]), ("MD5:" + digest.hexdigest(), "1"))
        self.assertEqual(self.node.requests[0][2]["Content-MD5"], base64.b64encode(digest.digest()).decode())
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}", "--checksum=SHA-1")
        close = self.tracker.args_of("create_close")[1]
        self.assertEqual(close["checksum"], "SHA-1:" + hashlib.sha1(b"data").hexdigest())
        self.assertNotIn("checksumverify", close)
        self.tool("mogupload", "--key=k", f"--file={self.file(b'data')}", "--checksum=CRC", check=1)


class Fetch(Case):
    def setUp(self):
        super().setUp()
        self.data = os.urandom(300000)
        self.node.files = {PATH: self.data, PATH2: self.data}
        self.tracker.answers = {
            "get_paths": OK(paths=2, path1=self.node.url(PATH), path2=self.node.url(PATH2)),
            "file_info": OK(fid=42, domain="d", key="k", length=len(self.data), devcount=2, **{"class": "default"}),
        }
        self.target = os.path.join(self.folder, "target")

    def fetch(self, **more):
        return self.tool("mogfetch", "--key=k", f"--file={self.target}", **more)

    def content(self):
        with open(self.target, "rb") as f:
            return f.read()

    def test_file_and_standard_output(self):
        done = self.fetch()
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(self.content(), self.data)
        self.assertEqual(self.tool("mogfetch", "--key=k", "--file=-").stdout, self.data)
        self.assertEqual(self.tracker.args_of("get_paths")[0],
                         {"domain": "d", "key": "k", "noverify": "1", "pathcount": "99"})

    def test_a_link_stays_and_leads_to_the_file(self):
        real = os.path.join(self.folder, "real")
        link = os.path.join(self.folder, "link")
        os.symlink("real", link)
        for before in (None, b"what was there"):  # where a link leads to need not exist yet
            if before:
                with open(real, "wb") as f:
                    f.write(before)
            self.tool("mogfetch", "--key=k", f"--file={link}")
            self.assertEqual(os.readlink(link), "real")
            with open(real, "rb") as f:
                self.assertEqual(f.read(), self.data)
        self.node.fail = {"GET": 500}
        self.tool("mogfetch", "--key=k", f"--file={link}", check=1)
        with open(real, "rb") as f:
            self.assertEqual(f.read(), self.data)

    def test_a_link_to_what_is_not_there_yet(self):
        """Nothing is there before the whole file is, through two links."""
        first, folder = os.path.join(self.folder, "first"), os.path.join(self.folder, "below")
        os.mkdir(folder)
        os.symlink("below/second", first)
        os.symlink(os.path.join(folder, "real"), os.path.join(folder, "second"))
        self.node.fail = {"GET": 500}
        self.tool("mogfetch", "--key=k", f"--file={first}", check=1)
        self.assertEqual(os.listdir(folder), ["second"])
        self.node.fail = {}
        self.tool("mogfetch", "--key=k", f"--file={first}")
        self.assertEqual(sorted(os.listdir(folder)), ["real", "second"])
        with open(first, "rb") as f:
            self.assertEqual(f.read(), self.data)

    def test_a_link_to_a_file_without_a_name(self):
        # As /dev/stdout is one when what it leads to has been removed.
        link = os.path.join(self.folder, "link")
        os.symlink("/proc/self/fd/1", link)
        with tempfile.TemporaryFile() as out:
            done = subprocess.run([program("mogfetch"), f"--trackers={self.tracker.hostport}", "--domain=d", "--key=k",
                                   f"--file={link}"], stdout=out, env={**os.environ, **tool_env(self.folder)}, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(os.readlink(link), "/proc/self/fd/1")
            out.seek(0)
            self.assertEqual(out.read(), self.data)

    def test_next_copy_when_one_fails(self):
        for failure in (404, 500, "close", "cut"):
            with self.subTest(failure):
                self.node.fail = {("GET", PATH): failure}
                self.assertEqual(self.fetch().stderr, b"")
                self.assertEqual(self.content(), self.data)
                self.assertEqual(self.tool("mogfetch", "--key=k", "--file=-").stdout, self.data)

    def test_goes_on_where_a_copy_broke_off(self):
        self.node.fail = {("GET", PATH): "cut"}
        self.fetch()
        ranges = [headers.get("Range") for _, path, headers in self.node.requests if path == PATH2]
        self.assertEqual(ranges, [f"bytes={len(self.data) // 2}-"])

    def test_a_file_that_is_replaced_meanwhile(self):
        # Half of the old version comes; then there is only the new one, as long or longer.
        new_path = PATH.replace("42", "43")
        self.node.fail = {("GET", PATH): "cut"}
        self.tracker.answers["get_paths"] = lambda args: OK(
            paths=1, path1=self.node.url(PATH if args["noverify"] == "1" else new_path))
        for new in (os.urandom(len(self.data)), os.urandom(2 * len(self.data))):
            infos = [OK(fid=fid, domain="d", key="k", length=length, devcount=1, **{"class": "default"})
                     for fid, length in ((42, len(self.data)), (43, len(new)))]
            self.node.files = {PATH: self.data, new_path: new}
            with self.subTest(len(new)):
                self.tracker.answers["file_info"] = list(infos)
                self.assertEqual(self.fetch().stderr, b"")
                self.assertTrue(self.content() == new)
                self.tool("mogfetch", "--key=k", "--no-check", f"--file={self.target}")
                self.assertTrue(self.content() == new)
                self.tracker.answers["file_info"] = list(infos)
                done = self.tool("mogfetch", "--key=k", "--file=-", check=None)
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stdout == self.data[:len(self.data) // 2], "not a mixture of both")
                self.assertIn(b"the file was replaced while it was read\n", done.stderr)

    def test_copy_of_wrong_length(self):
        self.node.files[PATH] = self.data[:1000]
        self.fetch()
        self.assertEqual(self.content(), self.data)

    def test_copy_with_wrong_content(self):
        self.node.files[PATH] = bytes(len(self.data))
        self.tracker.answers["file_info"]["checksum"] = "MD5:" + hashlib.md5(self.data).hexdigest()
        self.fetch()
        self.assertEqual(self.content(), self.data)
        done = self.tool("mogfetch", "--key=k", "--file=-", check=1)
        self.assertIn(b"MD5 checksum differs", done.stderr)

    def test_all_copies_fail_and_the_target_stays(self):
        with open(self.target, "wb") as f:
            f.write(b"old")
        del self.node.files[PATH]
        self.node.fail = {("GET", PATH2): 503}
        done = self.fetch(check=1)
        self.assertEqual(done.stderr.splitlines()[:3], [b"Got errors while trying to fetch:", b"404 Not Found",
                                                        b"503 Service Unavailable"])
        self.assertEqual(self.content(), b"old")
        self.assertEqual(sorted(os.listdir(self.folder)), ["target"])
        self.assertEqual([a["noverify"] for a in self.tracker.args_of("get_paths")], ["1", "0"])

    def test_unreachable_node(self):
        port = free_port()
        self.tracker.answers["get_paths"] = OK(paths=1, path1=f"http://127.0.0.1:{port}{PATH}")
        done = self.fetch(check=1)
        self.assertIn(f"500 Can't connect to 127.0.0.1:{port} (".encode(), done.stderr)

    def test_errors(self):
        self.tracker.answers["get_paths"] = ERR("unknown_key")
        self.assertEqual(self.fetch(check=1).stderr, b"Error fetching paths: unknown_key unknown_key\n")
        self.tracker.answers["get_paths"] = OK(paths=0)
        self.assertEqual(self.fetch(check=1).stderr, b"No paths found or key does not exist\n")
        self.assertFalse(os.path.exists(self.target))
        done = self.tool("mogfetch", "--key=k", check=1)
        self.assertIn(b"--file", done.stderr)

    def test_target_that_cannot_be_written(self):
        done = self.tool("mogfetch", "--key=k", "--file=/nonexistent/x", check=1)
        self.assertIn(b"/nonexistent/x", done.stderr)
        done = self.tool("mogfetch", "--key=k", "--file=/dev/full", check=1)
        self.assertIn(b"/dev/full", done.stderr)


if __name__ == "__main__":
    unittest.main()
