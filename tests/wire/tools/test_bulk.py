# SPDX-License-Identifier: MIT
"""mogupload --recursive and mogfetch --prefix: whole folders, with failures that can be tried again."""
import os
import subprocess
import tempfile
import time
import unittest

from build import is_sanitized
from daemon import program, run
from fake_tracker import ERR, FakeCluster, OK, tool_env


class Bulk(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cluster = FakeCluster()
        self.addCleanup(self.cluster.close)
        self.failed = os.path.join(self.folder, "failed")
        self.slow_ones = []
        self.source = os.path.join(self.folder, "source")
        self.contents = {f"{d}file {n}": os.urandom(n * 10) for d in ("", "sub/", "sub/deep/") for n in range(10)}
        for name, data in self.contents.items():
            path = os.path.join(self.source, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)
        os.symlink("nowhere", os.path.join(self.source, "link"))

    def tool(self, name, *args, check=0):
        return run(name, f"--trackers={self.cluster.hostport}", "--domain=d", *args, check=check,
                   env=tool_env(self.folder))

    def upload(self, *args, check=0):
        return self.tool("mogupload", "--recursive", "--key=p/", f"--file={self.source}", *args, check=check)

    def stored(self):
        return {k: self.cluster.content(k) for k in self.cluster.files}

    def fetched(self, folder):
        out = {}
        for place, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(place, name), "rb") as f:
                    out[os.path.relpath(os.path.join(place, name), folder)] = f.read()
        return out

    def read_failed(self):
        with open(self.failed) as f:
            return sorted(f.read().splitlines())

    def test_there_and_back(self):
        done = self.upload("--jobs=3")
        self.assertEqual(self.stored(), {"p/" + k: v for k, v in self.contents.items()})
        self.assertIn(b"30 files uploaded (", done.stderr)
        self.assertIn(b"link: left out, no regular file\n", done.stderr)
        target = os.path.join(self.folder, "target")
        done = self.tool("mogfetch", "--prefix=p/", f"--file={target}", "--jobs=3", "--progress")
        self.assertEqual(self.fetched(target), self.contents)
        self.assertIn(b"30 of 30 files fetched", done.stderr)
        before = len(self.cluster.node.requests)
        self.assertIn(b"0 files fetched (0 B), 30 skipped",
                      self.tool("mogfetch", "--prefix=p/", f"--file={target}", "--skip-existing").stderr)
        self.assertIn(b"0 files uploaded (0 B), 30 skipped", self.upload("--skip-existing").stderr)
        self.assertEqual(len(self.cluster.node.requests), before)

    def test_failed_uploads_are_listed_and_tried_again(self):
        opened = self.cluster.tracker.answers["create_open"]
        self.cluster.tracker.answers["create_open"] = \
            lambda args: ERR("unreg_class") if args["key"].endswith(("3", "7")) else opened(args)
        done = self.upload(f"--failed={self.failed}", check=1)
        self.assertIn(b"24 files uploaded", done.stderr)
        self.assertIn(b"sub/file 3: unreg_class unreg_class\n", done.stderr)
        self.assertEqual(self.read_failed(), sorted(k for k in self.contents if k[-1] in "37"))
        self.cluster.tracker.answers["create_open"] = opened
        self.upload(f"--files-from={self.failed}", f"--failed={self.failed}")
        self.assertEqual(self.stored(), {"p/" + k: v for k, v in self.contents.items()})
        self.assertEqual(self.read_failed(), [])

    def test_failed_fetches_are_listed_and_tried_again(self):
        self.upload()
        target = os.path.join(self.folder, "target")
        asked = self.cluster.tracker.answers["get_paths"]
        self.cluster.tracker.answers["get_paths"] = \
            lambda args: OK(paths=0) if args["key"] == "p/file 5" else asked(args)
        self.tool("mogfetch", "--prefix=p/", f"--file={target}", f"--failed={self.failed}", check=1)
        self.assertEqual(self.read_failed(), ["p/file 5"])
        self.assertEqual(len(self.fetched(target)), 29)
        self.cluster.tracker.answers["get_paths"] = asked
        self.tool("mogfetch", "--prefix=p/", f"--file={target}", f"--keys-from={self.failed}")
        self.assertEqual(self.fetched(target), self.contents)

    def test_keys_cannot_leave_the_folder(self):
        self.upload()
        fid = self.cluster.files["p/file 1"]
        self.cluster.files = {k: fid for k in ("p/../../evil", "p//tmp/x", "p/a/", "p/", "p/.", "p/good")}
        target = os.path.join(self.folder, "a", "target")
        os.makedirs(target)
        done = self.tool("mogfetch", "--prefix=p/", f"--file={target}", check=1)
        self.assertEqual(sorted(self.fetched(target)), ["good", "tmp/x"])
        self.assertIn(b"p/../../evil: no file can have this name\n", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "evil")))

    def test_keys_that_differ_in_their_slashes(self):
        self.upload()
        fids = list(self.cluster.files.values())
        keys = ["p//a", "p//b", "p/a", "p/d/c", "p/d//c", "p/d///c", "p///e", "p////e"]
        self.cluster.files = dict(zip(keys, fids))
        target = os.path.join(self.folder, "target")
        self.tool("mogfetch", "--prefix=p/", f"--file={target}", f"--failed={self.failed}", check=1)
        right = {"a": "p/a", "b": "p//b", "d/c": "p/d/c"}
        got = self.fetched(target)
        self.assertEqual({name: got[name] for name in right}, {name: self.cluster.content(k) for name, k in right.items()})
        self.assertEqual(sorted(got), ["a", "b", "d/c", "e"])
        failed = self.read_failed()
        self.assertEqual([k for k in failed if not k.endswith("e")], sorted(["p//a", "p/d//c", "p/d///c"]))
        self.assertEqual(len(failed), 4)

    def test_the_folder_may_be_a_link(self):
        link = os.path.join(self.folder, "to source")
        os.symlink(self.source, link)
        for name in (link, link + "/"):
            self.cluster.files.clear()
            self.tool("mogupload", "--recursive", "--key=p/", f"--file={name}")
            self.assertEqual(self.stored(), {"p/" + k: v for k, v in self.contents.items()})

    def test_time_out_of_the_option(self):
        # Threads have connections of their own: to them it applies too. What is slow takes more than the default of 3 s.
        self.upload()
        self.cluster.tracker.answers["get_paths"] = self.slow_once(self.cluster.get_paths, "p/file 1")
        self.tool("mogfetch", "--prefix=p/file", f"--file={self.folder}/target", "--timeout=30")
        self.cluster.tracker.answers["create_open"] = self.slow_once(self.cluster.create_open, "BIG,1")
        self.tool("mogtool", "--bigfile", "--noreplwait", "--timeout=30", "inject", self.source + "/file 1", "BIG")
        self.assertEqual(self.slow_ones, ["p/file 1", "BIG,1"], "asked once each")

    def slow_once(self, answer, key):
        def answer_late(args):
            if args["key"] == key:
                self.slow_ones.append(key)
                time.sleep(3.5)
            return answer(args)
        return answer_late

    @unittest.skipIf(is_sanitized(), "a sanitizer wants more memory than that")
    def test_many_files_and_no_thread(self):
        # A thread's stack is as large as the soft limit says, here more than there may be in all.
        self.cluster.files = {f"p/{n}/": (1, "default", 0) for n in range(1100)}
        command = ["bash", "-c", "ulimit -S -s 4000000 && ulimit -S -v 3000000 && exec \"$@\"", "bash",
                   program("mogfetch"), f"--trackers={self.cluster.hostport}", "--domain=d", "--prefix=p/",
                   f"--file={self.folder}/target"]
        done = subprocess.run(command, stderr=subprocess.PIPE, env={**os.environ, **tool_env(self.folder)}, timeout=60)
        self.assertTrue(done.stderr.endswith(b"0 files fetched (0 B), 0 skipped, 1100 failed\n"), done.stderr[-200:])

    def test_bad_arguments(self):
        self.tool("mogupload", "--recursive", "--file=/nonexistent/x", check=1)
        self.upload("--jobs=0", check=1)
        self.upload("--failed=/nonexistent/x", check=1)
        self.upload("--files-from=/nonexistent/x", check=1)
        self.assertEqual(self.cluster.files, {})


if __name__ == "__main__":
    unittest.main()
