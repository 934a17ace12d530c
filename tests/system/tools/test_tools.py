# SPDX-License-Identifier: MIT
"""The tools on a real cluster with three storage nodes."""
import json
import os
import tempfile

from cluster import ClusterTest, run, wait_until
from fake_tracker import tool_env


class Tools(ClusterTest):
    nodes, devices = 3, 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.trackers = ",".join(t.hostport for t in cls.cluster.trackers)
        cls.adm("domain", "add", "d")
        cls.adm("class", "add", "d", "sums", "--mindevcount=2", "--hashtype=MD5")
        cls.adm("class", "add", "d", "one", "--mindevcount=1")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()
        super().tearDownClass()

    @classmethod
    def tool(cls, name, *args, check=0, **more):
        return run(name, f"--trackers={cls.trackers}", *args, check=check, env=tool_env(cls.folder.name), **more)

    @classmethod
    def adm(cls, *args, check=0):
        return cls.tool("mogadm", *args, check=check).stdout.decode()

    @classmethod
    def adm_json(cls, *args):
        return json.loads(cls.adm(*args, "--json"))

    def in_domain(self, name, *args, **more):
        return self.tool(name, "--domain=d", *args, **more)

    def write(self, name, data):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def read(self, name):
        with open(os.path.join(self.folder.name, name), "rb") as f:
            return f.read()

    def test_file_there_and_back(self):
        data, key = os.urandom(3 * 1024 * 1024), "a b/&=+%~\u00e9"
        self.in_domain("mogupload", f"--key={key}", "--class=sums", "--verify", f"--file={self.write('source', data)}")
        info = json.loads(self.in_domain("mogfileinfo", f"--key={key}", "--json").stdout)
        self.assertEqual((info["length"], info["class"], info["key"]), (len(data), "sums", key))
        self.assertTrue(info["checksum"].startswith("MD5:"))
        self.in_domain("mogfetch", f"--key={key}", f"--file={self.folder.name}/target")
        self.assertEqual(self.read("target"), data)
        self.assertEqual(self.in_domain("mogfetch", f"--key={key}", "--file=-").stdout, data)
        self.assertIn(key.encode() + b"\n", self.in_domain("moglistkeys", "--key_prefix=a b/").stdout)
        debug = json.loads(self.in_domain("mogfiledebug", f"--key={key}", "--json").stdout)
        self.assertTrue(all(c["ok"] for c in debug["copies"]))
        by_fid = self.tool("mogfiledebug", f"--fid={info['fid']}", "--paths=print").stdout
        self.assertIn(b"- File Row:\n", by_fid)
        self.assertIn(f"fid {info['fid']}\nclass sums\n",
                      self.tool("moglistfids", f"--fromfid={info['fid'] - 1}", "--count=1").stdout.decode())
        self.in_domain("mogrename", f"--old_key={key}", "--new_key=renamed")
        self.in_domain("mogdelete", f"--key={key}", check=1)
        self.in_domain("mogdelete", "--key=renamed")
        self.in_domain("mogfetch", "--key=renamed", "--file=-", check=1)

    def test_streams_and_empty_files(self):
        data = os.urandom(2 * 1024 * 1024 + 1)
        self.in_domain("mogupload", "--key=stream", "--class=one", "--file=-", stdin=data)
        self.assertEqual(self.in_domain("mogfetch", "--key=stream", "--file=-").stdout, data)
        self.in_domain("mogupload", "--key=empty", "--class=one", "--file=-", stdin=b"")
        self.assertEqual(self.in_domain("mogfetch", "--key=empty", "--file=-").stdout, b"")

    def test_folders(self):
        contents = {f"sub{n % 3}/file {n}": os.urandom(n * 100) for n in range(40)}
        for name, data in contents.items():
            self.write(f"tree/{name}", data)
        self.in_domain("mogupload", "--recursive", "--class=one", "--key=tree/", f"--file={self.folder.name}/tree")
        self.in_domain("mogfetch", "--prefix=tree/", f"--file={self.folder.name}/copy")
        self.assertEqual({name: self.read(f"copy/{name}") for name in contents}, contents)
        listed = self.in_domain("moglistkeys", "--key_prefix=tree/").stdout.decode().splitlines()
        self.assertEqual(listed, sorted("tree/" + name for name in contents))
        self.in_domain("mogdelete", "--prefix=tree/", "--yes")
        self.in_domain("moglistkeys", "--key_prefix=tree/", check=1)

    def test_pieces(self):
        data = os.urandom(1500000)
        source = self.write("big", data)
        self.in_domain("mogtool", "inject", "--bigfile", "--chunksize=200K", "--concurrent=4", "--class=one", "--verify",
                       source, "big")
        self.in_domain("mogtool", "extract", "--bigfile", "big", f"{self.folder.name}/big2")
        self.assertEqual(self.read("big2"), data)
        self.assertEqual(self.in_domain("mogtool", "list").stdout, b"big\n#1 files found\n")
        self.in_domain("mogtool", "delete", "--bigfile", "big")
        self.in_domain("moglistkeys", "--key_prefix=big,", check=1)

    def test_views(self):
        self.assertTrue(self.adm_json("check", "--strict")["ok"])
        self.assertEqual([h["hostname"] for h in self.adm_json("host", "list")],
                         [n.host for n in self.cluster.nodes])
        self.assertEqual(len(self.adm_json("device", "list")), 6)
        self.assertEqual(self.adm("device", "next"), "7\n")
        status = self.adm_json("status")
        self.assertTrue(all(t["ok"] for t in status["trackers"]))
        self.assertIn("Fsck\n", self.adm("status"))
        self.assertIn("Running: No", self.adm("fsck", "status"))
        self.assertIn("  queryworker count 4\n", self.adm("tracker", "jobs"))
        self.adm("tracker", "refresh")

    def test_changes(self):
        host = self.cluster.nodes[0].host
        self.adm("device", "mark", host, "dev1", "readonly")
        self.assertEqual(self.adm_json("device", "list", f"--hostname={host}")[0]["status"], "readonly")
        self.adm("device", "modify", host, "dev1", "--status=alive", "--weight=50")
        self.assertEqual(self.adm_json("device", "list", f"--hostname={host}")[0]["weight"], 50)
        self.adm("class", "modify", "d", "sums", "--hashtype=NONE")
        self.adm("class", "modify", "d", "sums", "--mindevcount=3")
        self.adm("class", "modify", "d", "sums", "--mindevcount=2", "--hashtype=MD5")
        classes = self.adm_json("class", "list")[0]["classes"]
        self.assertEqual([(c["class"], c["mindevcount"], c["hashtype"]) for c in classes],
                         [("default", 2, "NONE"), ("one", 1, "NONE"), ("sums", 2, "MD5")])
        self.adm("settings", "set", "memcache_ttl", "77")
        self.assertIn("memcache_ttl = 77\n", self.adm("settings", "list"))
        self.adm("settings", "set", "schema_version", "1", check=1)
        self.adm("slave", "add", "s1", "--dsn=DBI:mysql:m:host=h", "--username=u", "--password=p")
        self.assertEqual(self.adm("slave", "list"), "s1 --dsn=DBI:mysql:m:host=h --username=u --password=p\n")
        self.adm("slave", "delete", "s1")
        self.assertEqual(self.adm("slave", "list"), "")
        self.adm("rebalance", "policy", "--options=from_devices=1 to_devices=3,4")
        test = self.adm_json("rebalance", "test")
        self.assertEqual(([d["devid"] for d in test["sources"]], [d["devid"] for d in test["destinations"]]),
                         ([1], [3, 4]))

    def test_shape(self):
        exported = self.adm("export")
        path = self.write("cluster.yaml", exported.encode())
        self.assertEqual(self.adm("apply", path, "--prune"), "nothing to do\n")
        more = self.write("more.yaml", b"domains:\n  new:\n    classes:\n      default: {mindevcount: 1}\n"
                                       b"      a: {replpolicy: MultipleHosts(2), hashtype: MD5}\n")
        self.assertEqual(self.adm("apply", more).count("\n"), 3)
        self.assertEqual(self.adm("apply", more), "nothing to do\n")
        self.adm("apply", path, "--prune")
        self.assertEqual(self.adm("export"), exported)

    def test_why(self):
        self.in_domain("mogupload", "--key=why", "--class=one", f"--file={self.write('x', b'12345')}")
        wait_until(lambda: self.adm_json("why", "d", "why")["good"] >= 1, what="the copy is good")
        self.assertIn("all is well", self.adm("why", "d", "why"))
        self.adm("why", "d", "nothing", check=1)

    def test_bench(self):
        got = json.loads(self.in_domain("mogbench", "--ops=noop,create_open,upload,get_paths,file_info,list_keys,fetch,"
                                        "delete", "--class=one", "--count=40", "--keys=20", "--connections=4",
                                        "--seconds=10", "--json").stdout)
        self.assertEqual([(r["operation"], r["errors"]) for r in got if r["errors"]], [])
        self.in_domain("moglistkeys", "--key_prefix=mogbench/", check=1)


if __name__ == "__main__":
    import unittest
    unittest.main()
