# SPDX-License-Identifier: MIT
"""mogfiledebug and moglistfids against a scripted tracker and storage node."""
import hashlib
import json
import tempfile
import unittest

from daemon import run
from fake_tracker import ERR, FakeNode, FakeTracker, OK, tool_env


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tracker = FakeTracker()
        self.addCleanup(self.tracker.close)

    def tool(self, name, *args, check=0):
        return run(name, f"--trackers={self.tracker.hostport}", *args, check=check, env=tool_env(self.folder))


class FileDebug(Case):
    def setUp(self):
        super().setUp()
        self.node = FakeNode({"/dev2/x": b"12345", "/dev10/x": b"12345"})
        self.addCleanup(self.node.close)
        self.tracker.answers["file_debug"] = OK(
            fid_fid=42, fid_dmid=1, fid_dkey="k", fid_length=5, fid_classid=0, fid_devcount=2, fid_domain="d",
            fid_class="default", replqueue_fid=42, replqueue_nexttry=0, replqueue_fromdevid="", replqueue_flags=0,
            replqueue_failcount=0, devids="2,10", devpath_10=self.node.url("/dev10/x"),
            devpath_2=self.node.url("/dev2/x"), checksum="NONE")

    def test_fetch(self):
        md5 = hashlib.md5(b"12345").hexdigest()
        out = self.tool("mogfiledebug", "--domain=d", "--key=k").stdout.decode()
        copy = f"""
Results for path: {{}}
 - MD5 Hash: {md5}
 - Length: 5
 - Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT
 - HTTP result: 200 OK
"""
        self.assertEqual(out, "Fetching and summing paths...\n" + copy.format(self.node.url("/dev2/x")) +
                         copy.format(self.node.url("/dev10/x")) + """
Tempfile and/or queue rows...
-    replqueue
             failcount:                    0
                   fid:                   42
                 flags:                    0
             fromdevid:                     
               nexttry:                    0

- File Row:
     class:              default
   classid:                    0
  devcount:                    2
      dkey:                    k
      dmid:                    1
    domain:                    d
       fid:                   42
    length:                    5

- Raw devids: 2,10

- Stored checksum: NONE
""")
        self.assertEqual(self.tracker.requests, [("file_debug", {"domain": "d", "key": "k"})])

    def test_wrong_copies(self):
        self.node.files["/dev10/x"] = b"123"
        out = self.tool("mogfiledebug", "--domain=d", "--key=k").stdout.decode()
        self.assertIn(" - ERROR: Hash does not match first path!\n - ERROR: Length does not match file row!\n", out)
        del self.node.files["/dev2/x"]
        out = self.tool("mogfiledebug", "--domain=d", "--key=k", "--paths=stat").stdout.decode()
        self.assertIn("Checking status of paths...\n", out)
        self.assertIn(" - ERROR: File copy is missing: 404 Not Found\n", out)
        self.assertIn(" - ERROR: Length does not match file row!\n - Length: 3\n", out)
        got = json.loads(self.tool("mogfiledebug", "--domain=d", "--key=k", "--json").stdout)
        self.assertEqual([(c["devid"], c["ok"]) for c in got["copies"]], [(2, False), (10, False)])
        self.assertEqual(got["file"]["dkey"], "k")

    def test_print_makes_no_request(self):
        out = self.tool("mogfiledebug", "--domain=d", "--key=k", "--paths=print").stdout.decode()
        self.assertTrue(out.startswith(f"Paths...\n - {self.node.url('/dev2/x')}\n - {self.node.url('/dev10/x')}\n"))
        self.assertEqual(self.node.requests, [])

    def test_unknown_fid(self):
        self.tracker.answers["file_debug"] = OK(checksum="NONE")
        out = self.tool("mogfiledebug", "--fid=7").stdout.decode()
        self.assertTrue(out.startswith("No valid-ish paths found\n\nTempfile and/or queue rows...\nnone.\n\n"
                                       "- ERROR: No file row was found!\n"), out)
        self.assertEqual(self.tracker.args_of("file_debug"), [{"fid": "7", "domain": "mogfiledebug-unset"}])

    def test_errors(self):
        self.tracker.answers["file_debug"] = ERR("unknown_key")
        self.assertEqual(self.tool("mogfiledebug", "--domain=d", "--key=k", check=1).stderr,
                         b"Error fetching fid info: unknown_key unknown_key\n")
        self.assertIn(b"Usage:", self.tool("mogfiledebug", "--domain=d", "--key=k", "--paths=x", check=1).stderr)
        self.tool("mogfiledebug", "--key=k", check=1)


class ListFids(Case):
    def serve(self, total):
        def answer(args):
            first = int(args["from"]) + 1
            fids = range(first, min(total, int(args["from"]) + min(int(args["to"]), 500)) + 1)
            out = OK(fid_count=len(fids))
            for n, fid in enumerate(fids, 1):
                out.update({f"fid_{n}_fid": fid, f"fid_{n}_domain": "d", f"fid_{n}_class": "c", f"fid_{n}_key": f"k {fid}",
                            f"fid_{n}_length": fid * 10, f"fid_{n}_devcount": 2})
            return out
        self.tracker.answers["list_fids"] = answer

    def test_output(self):
        self.serve(2)
        self.assertEqual(self.tool("moglistfids").stdout.decode(), """\
fid 1
class c
devcount 2
domain d
key k 1
length 10

fid 2
class c
devcount 2
domain d
key k 2
length 20

""")
        self.assertEqual(self.tracker.args_of("list_fids"), [{"from": "0", "to": "100"}, {"from": "2", "to": "98"}])

    def test_many(self):
        self.serve(2000)
        out = self.tool("moglistfids", "--fromfid=10", "--count=1200").stdout.decode()
        self.assertEqual(out.count("\nkey "), 1200)
        self.assertTrue(out.startswith("fid 11\n"))
        got = json.loads(self.tool("moglistfids", "--count=1", "--json").stdout)
        self.assertEqual(got, [{"fid": 1, "class": "c", "devcount": 2, "domain": "d", "key": "k 1", "length": 10}])

    def test_error(self):
        self.tracker.answers["list_fids"] = ERR("failure", "Operation failed")
        self.assertEqual(self.tool("moglistfids", check=1).stderr,
                         b"Error listing fids: failure Operation failed\n")


if __name__ == "__main__":
    unittest.main()
