# SPDX-License-Identifier: MIT
"""mogtool: big files in pieces, both ways, also as other programs wrote them."""
import gzip
import hashlib
import os
import tempfile
import unittest
import zlib

from daemon import run
from fake_tracker import ERR, FakeCluster, tool_env


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cluster = FakeCluster()
        self.addCleanup(self.cluster.close)

    def tool(self, *args, check=0, **more):
        return run("mogtool", f"--trackers={self.cluster.hostport}", "--domain=d", *args, check=check,
                   env={**tool_env(self.folder), "TMPDIR": self.folder}, cwd=self.folder, **more)

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()

    def info(self, key):
        return self.cluster.content(f"_big_info:{key}").decode()


class InPieces(Case):
    def test_there_and_back(self):
        data = os.urandom(2 * 1024 * 1024 + 12345)
        source = self.write("source", data)
        out = self.tool("inject", "--bigfile", "--chunksize=300K", "--concurrent=3", "--verify",
                        "--description=some text", source, "a/key").stdout.decode()
        self.assertIn("NOTE: Using chunksize of 307200 bytes.\n", out)
        self.assertEqual(out.count(" saved in "), 7)
        self.assertEqual(out.count("...ok\n"), 14)
        keys = sorted(self.cluster.files)
        self.assertEqual(keys, ["_big_info:a/key"] + [f"a/key,{n}" for n in range(1, 8)])
        self.assertEqual(b"".join(self.cluster.content(f"a/key,{n}") for n in range(1, 8)), data)
        lines = self.info("a/key").split("\n")
        self.assertEqual(lines[:7], ["des some text", "type file", "compressed 0", f"filename {source}", "chunks 7",
                                     f"size {len(data)}", ""])
        part = self.cluster.content("a/key,1")
        self.assertTrue(lines[7].startswith(f"part 1 bytes=307200 md5={hashlib.md5(part).hexdigest()} paths: http://"))
        self.assertEqual(lines[7].count(", http://"), 1)
        self.tool("extract", "-b", "a/key", os.path.join(self.folder, "back"))
        self.assertEqual(self.read("back"), data)
        self.assertEqual(self.tool("x", "-b", "a/key", "-").stdout, data)

    def test_listing_and_deleting(self):
        self.tool("i", "-b", self.write("source", b"x" * 5000), "--chunksize=1K", "k")
        self.tool("i", self.write("source", b"y"), "small")
        self.assertEqual(self.tool("list").stdout, b"k\n#1 files found\n")
        self.assertEqual(self.tool("listkey", "k,").stdout, b"k,1\nk,2\nk,3\nk,4\nk,5\n#5 files found\n")
        self.assertEqual(self.tool("lsk").stdout.splitlines()[-1], b"#7 files found")
        self.assertEqual(self.tool("lsk", "nothing", check=1).stdout, b"#0 files found\n")
        self.assertEqual(self.tool("locate", "-b", "k").stdout.splitlines()[-1], b"#2 paths found")
        self.assertEqual(self.tool("lo", "nothing", check=1).stdout, b"#0 paths found\n")
        self.assertEqual(self.tool("delete", "-b", "k").stdout, b"Deleted.\n")
        self.assertEqual(list(self.cluster.files), ["small"])
        self.assertEqual(self.tool("rm", "small").stdout, b"Deleted.\n")
        self.tool("rm", "small")
        self.assertEqual(self.tool("rm", "-b", "small", check=1).stderr,
                         b"small doesn't seem to be a valid big file.\n")

    def test_empty_file(self):
        self.tool("inject", "-b", self.write("source", b""), "k")
        self.tool("extract", "-b", "k", "back")
        self.assertEqual(self.read("back"), b"")

    def test_unfinished_upload(self):
        self.tool("inject", self.write("source", b"x"), "_big_pre:k")
        done = self.tool("inject", "-b", "source", "k", check=2)
        self.assertIn(b"--overwrite", done.stderr)
        self.tool("inject", "-b", "--overwrite", "source", "k")
        self.assertNotIn("_big_pre:k", self.cluster.files)

    def test_lost_copy_and_lost_part(self):
        self.tool("inject", "-b", self.write("source", b"0123456789"), "--chunksize=4B", "k")
        fid = self.cluster.files["k,2"][0]
        del self.cluster.node.files[self.cluster.path(fid, 1)]
        self.assertEqual(self.tool("extract", "-b", "k", "-").stdout, b"0123456789")
        del self.cluster.node.files[self.cluster.path(fid, 2)]
        self.tool("extract", "-b", "k", "back", check=2)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "back")))

    def test_damaged_copy(self):
        self.tool("inject", "-b", self.write("source", b"0123456789"), "k")
        self.cluster.node.files[self.cluster.path(self.cluster.files["k,1"][0], 1)] = b"01234x6789"
        self.assertEqual(self.tool("extract", "-b", "k", "-").stdout, b"0123456789")

    def test_copies_moved_since(self):
        self.tool("inject", "-b", self.write("source", b"0123456789"), "k")
        fid = self.cluster.files["k,1"][0]
        self.cluster.files["k,1"] = (99, "default", 10)
        for devid in (1, 2):
            self.cluster.node.files[self.cluster.path(99, devid)] = \
                self.cluster.node.files.pop(self.cluster.path(fid, devid))
        self.assertEqual(self.tool("extract", "-b", "k", "-").stdout, b"0123456789")

    def test_folder(self):
        self.write("tree/a", b"1")
        self.write("tree/sub/b", b"2")
        for more in ([], ["--gzip"]):
            self.tool("inject", "-b", *more, "tree", "k")
            self.assertIn("type tarball\n", self.info("k"))
            target = os.path.join(self.folder, f"target{len(more)}")
            os.mkdir(target)
            self.tool("extract", "-b", "k", target)
            with open(os.path.join(target, "sub", "b"), "rb") as f:
                self.assertEqual(f.read(), b"2")
        self.tool("extract", "-b", "--asfile", "k", "tar.gz")
        self.assertTrue(self.read("tar.gz").startswith(b"\x1f\x8b"))
        self.tool("inject", "tree", "k2", check=2)

    def test_compression(self):
        data = b"a long line of text\n" * 100000
        self.write("source", data)
        self.tool("inject", "-b", "--gzip", "--chunksize=2K", "source", "k")
        self.assertIn("compressed 1\n", self.info("k"))
        stored = b"".join(self.cluster.content(f"k,{n}") for n in range(1, self.info("k").count("part ") + 1))
        self.assertEqual(gzip.decompress(stored), data)
        self.tool("extract", "-b", "k", "back")
        self.assertEqual(self.read("back"), data)
        # what was compressed before stays so
        packed = self.write("packed", gzip.compress(data))
        self.tool("inject", "-b", "--gzip", packed, "k2")
        self.assertEqual(self.tool("extract", "-b", "k2", "-").stdout, self.read("packed"))
        self.assertEqual(self.tool("extract", "-b", "-z", "k2", "-").stdout, data)

    def test_as_the_original_wrote_it(self):
        """A zlib stream, a wrong MD5, unknown lines, and paths that are of no use any more."""
        data = b"some data " * 1000
        stored = zlib.compress(data)
        half = len(stored) // 2
        for n, part in ((1, stored[:half]), (2, stored[half:])):
            self.tool("inject", self.write("part", part), f"old{n}")
            self.cluster.files[f"k,{n}"] = self.cluster.files.pop(f"old{n}")
        info = (f"des no description\ntype file\ncompressed 1\nfilename /x/y\nchunks 2\nsize {len(stored)}\n"
                f"future line\n\npart 2 bytes={len(stored) - half} md5={hashlib.md5(stored[half:]).hexdigest()} "
                f"paths: http://127.0.0.1:1/x, http://127.0.0.1:1/y\n"
                f"part 1 bytes={half} md5={hashlib.md5(stored).hexdigest()} paths: http://127.0.0.1:1/x\n")
        self.tool("inject", self.write("info", info.encode()), "_big_info:k")
        done = self.tool("extract", "-b", "k", "-")
        self.assertEqual(done.stdout, data)
        self.assertIn(b"piece 1 has another MD5 than recorded", done.stderr)
        self.tool("extract", "-b", "k", ".")
        self.assertEqual(self.read("y"), data)


class Whole(Case):
    def test_there_and_back(self):
        data = os.urandom(100000)
        out = self.tool("inject", self.write("source", data), "k").stdout.decode()
        self.assertIn(f"file k: {hashlib.md5(data).hexdigest()}, len = 100000\n", out)
        self.tool("extract", "k", "back")
        self.assertEqual(self.read("back"), data)
        done = self.tool("extract", "k", "back", check=2)
        self.assertIn(b"--overwrite", done.stderr)
        self.tool("extract", "--overwrite", "k", "back")
        self.tool("extract", "nothing", "other", check=1)

    def test_errors(self):
        for args in ([], ["bogus"], ["inject", "x"], ["extract", "x"], ["list", "x"]):
            self.assertIn(b"--trackers and --domain configuration required", self.tool(*args, check=1).stdout)
        self.tool("inject", "/nonexistent/x", "k", check=2)
        self.tool("inject", self.write("source", b"x"), "a key", check=2)
        self.tool("inject", "-b", "--chunksize=5x", "source", "k", check=2)
        self.cluster.tracker.answers["create_open"] = ERR("unreg_class")
        done = self.tool("inject", "--class=x", "source", "k", check=2)
        self.assertIn(b"MogileFS backend error message: unreg_class unreg_class\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
