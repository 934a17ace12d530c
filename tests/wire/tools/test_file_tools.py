# SPDX-License-Identifier: MIT
"""The small tools: options, configuration files, fail-over between trackers, output and exit status."""
import json
import os
import tempfile
import unittest

from daemon import run
from fake_tracker import CLOSE, ERR, FakeTracker, HANG, OK, tool_env
from waiting import free_port


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tracker = FakeTracker()
        self.addCleanup(self.tracker.close)

    def tool(self, name, *args, check=0, trackers=None, **more):
        return self.bare(name, f"--trackers={trackers or self.tracker.hostport}", "--domain=d", *args, check=check,
                         **more)

    def bare(self, name, *args, check=0, env=None, **more):
        return run(name, *args, check=check, env={**tool_env(self.folder), **(env or {})}, **more)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Options(Case):
    def setUp(self):
        super().setUp()
        self.tracker.answers["delete"] = OK()

    def test_spellings(self):
        for args in (["--key=k"], ["--key", "k"], ["-key", "k"], ["-key=k"], ["--KEY=k"]):
            self.tool("mogdelete", *args)
        self.bare("mogdelete", "--track", self.tracker.hostport, "--dom=d", "--key=k")
        self.assertEqual(self.tracker.args_of("delete"), [{"domain": "d", "key": "k"}] * 6)

    def test_usage(self):
        for args in ([], ["--bogus=1"], ["--trackers"], [f"--trackers={self.tracker.hostport}", "--key=k"]):
            done = self.bare("mogdelete", *args, check=1)
            self.assertIn(b"Usage: mogdelete --trackers=host --domain=foo", done.stdout)
        self.assertEqual(self.bare("mogdelete", "--bogus", check=1).stderr, b"Unknown option: bogus\n")
        self.assertIn(b"Usage: mogdelete", self.bare("mogdelete", "--help").stdout)
        self.assertEqual(self.tool("moglistfids", "--count=abc", check=1).stderr,
                         b'Value "abc" invalid for option count (number expected)\n')
        self.assertEqual(self.tracker.requests, [])

    def test_configuration_files(self):
        self.write(".mogilefs.conf", f"# cluster\ntrackers = {self.tracker.hostport} , {self.tracker.hostport}\n"
                                     "domain = home # not more\njunk\ndomain = second\n")
        self.bare("mogdelete", "--key=k")
        named = self.write("named", "domain=named\n")
        environment = self.write("environment", "domain=environment\n")
        self.bare("mogdelete", "--key=k", env={"MOGUTILSCONF": environment})
        self.bare("mogdelete", "--key=k", f"--conf={named}", env={"MOGUTILSCONF": environment})
        self.bare("mogdelete", "--key=k", f"--conf={named}", "--domain=line")
        self.assertEqual([a["domain"] for a in self.tracker.args_of("delete")],
                         ["home", "environment", "named", "line"])

    def test_configuration_that_cannot_be_read(self):
        done = self.tool("mogdelete", "--key=k", f"--conf={self.folder}", check=1)
        self.assertIn(b"unable to", done.stderr)
        done = self.tool("mogdelete", "--key=k", "--conf=/nonexistent/conf")
        self.assertIn(b"/nonexistent/conf", done.stderr)


class FailOver(Case):
    def test_dead_trackers_are_passed_over(self):
        self.tracker.answers["delete"] = OK()
        dead = ",".join(f"127.0.0.1:{free_port()}" for _ in range(4))
        for _ in range(3):
            self.tool("mogdelete", "--key=k", trackers=f"{dead}, {self.tracker.hostport}")
        done = self.tool("mogdelete", "--key=k", trackers=dead, check=1)
        self.assertIn(b"couldn't connect to any of 4 trackers", done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_reading_command_is_asked_of_another_tracker(self):
        info = OK(fid=1, domain="d", key="k", length=3, devcount=1, **{"class": "default"})
        for bad in (CLOSE, HANG, ERR("failure", "Operation failed"), b"garbage"):
            with FakeTracker({"file_info": bad, "get_paths": OK(paths=1, path1="http://x/")}) as other:
                self.tracker.answers = {"file_info": info, "get_paths": OK(paths=1, path1="http://x/")}
                seen = False
                for _ in range(40):  # which tracker comes first is up to chance
                    self.tool("mogfileinfo", "--key=k", "--timeout=3",
                              trackers=f"{self.tracker.hostport},{other.hostport}")
                    if other.requests:
                        seen = True
                        break
                self.assertTrue(seen)

    def test_writing_command_is_not_repeated(self):
        self.tracker.answers["delete"] = CLOSE
        done = self.tool("mogdelete", "--key=k", check=1)
        self.assertEqual(len(self.tracker.requests), 1)
        self.assertTrue(done.stderr.startswith(b"Error deleting file: "), done.stderr)

    def test_time_out(self):
        self.tracker.answers["delete"] = HANG
        done = self.tool("mogdelete", "--key=k", "--timeout=1", check=1)
        self.assertIn(b"timed out", done.stderr)


class Delete(Case):
    def test_errors(self):
        self.tracker.answers["delete"] = ERR("unknown_key")
        done = self.tool("mogdelete", "--key=k", check=1)
        self.assertEqual((done.stdout, done.stderr), (b"", b"Error deleting file: unknown_key unknown_key\n"))
        self.tool("mogdelete", "--key=k", "--ignore-missing")

    def test_many(self):
        self.tracker.answers["delete"] = lambda args: OK() if args["key"] != "b" else ERR("unknown_key")
        self.tool("mogdelete", "--keys-from=-", stdin=b"a\nb\n\nc", check=1)
        self.assertEqual([a["key"] for a in self.tracker.args_of("delete")], ["a", "b", "c"])

    def test_prefix(self):
        self.tracker.answers.update(delete=OK(), list_keys=OK(key_count=2, key_1="p1", key_2="p 2", next_after="p 2"))
        self.tool("mogdelete", "--prefix=p", check=1)
        self.assertEqual(self.tool("mogdelete", "--prefix=p", "--dry-run").stdout, b"p1\np 2\n")
        self.assertEqual(self.tracker.args_of("delete"), [])
        self.tool("mogdelete", "--prefix=p", "--yes")
        self.assertEqual([a["key"] for a in self.tracker.args_of("delete")], ["p1", "p 2"])


class Rename(Case):
    def test_rename(self):
        self.tracker.answers["rename"] = [OK(), ERR("key_exists", "Target key name already exists; can't overwrite.")]
        done = self.tool("mogrename", "--old_key=a", "--new_key=b")
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(self.tracker.requests, [("rename", {"domain": "d", "from_key": "a", "to_key": "b"})])
        done = self.tool("mogrename", "--old_key=a", "--new_key=b", "--class=c", check=1)
        self.assertIn(b"key_exists Target key name already exists; can't overwrite.\n", done.stderr)


class FileInfo(Case):
    info = OK(fid=42, domain="zdom", key="/hello.jpg", length=12345678901, devcount=2, **{"class": "default"})

    def test_output(self):
        self.tracker.answers = {"file_info": self.info, "get_paths": OK(paths=1, path1="http://10.0.0.1:7500/x.fid")}
        done = self.tool("mogfileinfo", "--key=/hello.jpg")
        self.assertEqual(done.stdout.decode(), """\
- file: /hello.jpg
     class:              default
  devcount:                    2
    domain:                 zdom
       fid:                   42
       key:           /hello.jpg
    length:          12345678901
 - http://10.0.0.1:7500/x.fid
""")
        self.assertEqual(self.tracker.requests[1], ("get_paths", {"domain": "d", "key": "/hello.jpg", "noverify": "1",
                                                                  "pathcount": "99"}))
        got = json.loads(self.tool("mogfileinfo", "--key=/hello.jpg", "--json").stdout)
        self.assertEqual((got["length"], got["paths"]), (12345678901, ["http://10.0.0.1:7500/x.fid"]))

    def test_no_paths(self):
        self.tracker.answers = {"file_info": self.info, "get_paths": OK(paths=0)}
        done = self.tool("mogfileinfo", "--key=k", check=1)
        self.assertTrue(done.stdout.startswith(b"- file: k\n"))
        self.assertEqual(done.stderr, b"No paths found or key does not exist\n")

    def test_unknown(self):
        self.tracker.answers = {"file_info": ERR("unknown_key")}
        done = self.tool("mogfileinfo", "--key=k", check=1)
        self.assertEqual((done.stdout, done.stderr), (b"", b"Error fetching file info: unknown_key unknown_key\n"))


class ListKeys(Case):
    def serve(self, keys):
        def answer(args):
            left = [k for k in keys if k > args["after"] and k.startswith(args.get("prefix", ""))]
            page = left[:int(args["limit"])]
            if not page:
                return ERR("none_match", "No keys match that pattern and after-value (if any).")
            return OK(key_count=len(page), next_after=page[-1], **{f"key_{i + 1}": k for i, k in enumerate(page)})
        self.tracker.answers["list_keys"] = answer

    def test_pages(self):
        for count in (1, 999, 1000, 1001, 2000):
            keys = [f"k{i:05}" for i in range(count)]
            self.serve(keys)
            self.assertEqual(self.tool("moglistkeys").stdout.decode().splitlines(), keys)

    def test_options(self):
        self.serve(["a b", "a%\n", "b"])
        self.assertEqual(self.tool("moglistkeys", "--key_prefix=a", "--null").stdout, b"a b\0a%\n\0")
        self.assertEqual(self.tool("moglistkeys", "--escape").stdout, b"a b\na%25%0A\nb\n")
        self.assertEqual(self.tool("moglistkeys", "--limit=1").stdout, b"a b\n")
        self.assertEqual(self.tool("moglistkeys", "--after=a%\n").stdout, b"b\n")
        self.assertEqual(json.loads(self.tool("moglistkeys", "--json").stdout),
                         [{"key": "a b"}, {"key": "a%\n"}, {"key": "b"}])

    def test_none(self):
        self.serve([])
        done = self.tool("moglistkeys", check=1)
        self.assertEqual(done.stderr, b"Error listing files: none_match No keys match that pattern and after-value "
                                      b"(if any).\n")
        self.tool("moglistkeys", "--allow-empty")

    def test_error(self):
        self.tracker.answers["list_keys"] = ERR("unreg_domain", "Domain name invalid/not found")
        self.assertEqual(self.tool("moglistkeys", check=1).stderr,
                         b"Error listing files: unreg_domain Domain name invalid/not found\n")

    def test_a_part_of_a_json_list_is_not_printed(self):
        self.serve([f"k{i:05}" for i in range(2000)])
        first = self.tracker.answers["list_keys"]
        self.tracker.answers["list_keys"] = lambda args: ERR("failure") if args["after"] else first(args)
        self.assertEqual(self.tool("moglistkeys", "--json", check=1).stdout, b"")

    def test_full_output(self):
        self.serve(["k"])
        done = self.bare("moglistkeys", f"--trackers={self.tracker.hostport}", "--domain=d")
        self.assertEqual(done.stdout, b"k\n")


if __name__ == "__main__":
    unittest.main()
