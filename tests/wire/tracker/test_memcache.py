# SPDX-License-Identifier: MIT
"""get_paths with a shared cache of names: what is read from it, what is written to it, and when it is forgotten."""
import shutil
import socket
import subprocess
import unittest

from cluster import ClusterTest, free_port, new_address, port_open, wait_until


class Memcached:
    """A memcached of our own, and the three commands of its protocol that are needed here."""

    def __init__(self):
        self.address = new_address()
        self.port = free_port(self.address)
        self.process = subprocess.Popen([shutil.which("memcached") or "/usr/bin/memcached", "-u", "nobody", "-l",
                                         self.address, "-p", str(self.port), "-U", "0", "-m", "8"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: port_open(self.address, self.port), what="memcached listens")

    def ask(self, line):
        with socket.create_connection((self.address, self.port), timeout=10) as s, s.makefile("rb") as f:
            s.sendall(line.encode() + b"\r\n")
            lines = [f.readline()]
            while line.startswith("get") and lines[-1] != b"END\r\n":
                lines.append(f.readline())
            return lines

    def get(self, key):
        lines = self.ask("get " + key)
        return lines[1][:-2].decode() if len(lines) > 2 else None

    def set(self, key, value):
        self.ask(f"set {key} 0 0 {len(value)}\r\n{value}")

    def close(self):
        self.process.terminate()
        self.process.wait(30)


class Memcache(ClusterTest):
    nodes = 2

    @classmethod
    def setUpClass(cls):
        cls.memcached = Memcached()
        try:
            super().setUpClass()
        except BaseException:
            cls.memcached.close()
            raise
        with cls.cluster.client() as c:
            c.request("set_server_setting", key="memcache_servers", value=f"{cls.memcached.address}:{cls.memcached.port}")
            c.request("clear_cache")

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.memcached.close()

    def setUp(self):
        super().setUp()
        self.memcached.ask("flush_all")
        self.name = self.domain(two=2)
        self.dmid = self.cluster.database.rows(f"SELECT dmid FROM domain WHERE namespace = '{self.name}'")[0][0]

    def stored(self, key):
        up = self.client.upload(self.name, key, key.encode(), "two")
        wait_until(lambda: len(self.client.paths(self.name, key)) == 2, what="two copies")
        return up["fid"]

    def test_get_paths_fills_it(self):
        fid = self.stored("k")
        wait_until(lambda: self.client.paths(self.name, "k") and self.memcached.get(f"mogdevs:{fid}") in ("1,2", "2,1"))
        self.assertEqual(self.memcached.get(f"mogfid:{self.dmid}:k"), fid)

    def test_it_is_read_with_noverify_only(self):
        first, second = self.stored("first"), self.stored("second")
        self.memcached.set(f"mogfid:{self.dmid}:first", second)
        self.assertIn(f"{int(second):010d}.fid", self.client.paths(self.name, "first", noverify=1)[0])
        self.assertIn(f"{int(first):010d}.fid", self.client.paths(self.name, "first")[0])

    def test_it_is_forgotten_with_the_file(self):
        fid = self.stored("k")
        self.client.paths(self.name, "k")
        self.client.request("delete", domain=self.name, key="k")
        self.assertIsNone(self.memcached.get(f"mogfid:{self.dmid}:k"))
        self.assertERR(self.client.call("get_paths", domain=self.name, key="k", noverify=1), "unknown_key")
        fid = self.stored("k")
        self.client.paths(self.name, "k")
        new = self.client.upload(self.name, "k", b"newer", "two")["fid"]
        self.assertNotEqual(new, fid)
        self.assertIn(f"{int(new):010d}.fid", self.client.paths(self.name, "k", noverify=1)[0])

    def test_rename_forgets_both_names(self):
        self.stored("old")
        self.client.paths(self.name, "old")
        self.client.request("rename", domain=self.name, from_key="old", to_key="new")
        self.assertERR(self.client.call("get_paths", domain=self.name, key="old", noverify=1), "unknown_key")
        self.assertEqual(len(self.client.paths(self.name, "new", noverify=1)), 2)

    def test_it_is_forgotten_by_those_whose_answer_was_lost(self):
        """A client says it again: what the first time did not forget any more is forgotten then."""
        entry = f"mogfid:{self.dmid}:k"
        up = self.client.upload(self.name, "k", b"x", "two")
        self.memcached.set(entry, "1")
        self.assertOK(self.client.call("create_close", **{**up, "domain": self.name, "key": "k"}))
        self.assertIsNone(self.memcached.get(entry))
        self.client.request("rename", domain=self.name, from_key="k", to_key="new")
        self.memcached.set(entry, up["fid"])
        self.assertERR(self.client.call("rename", domain=self.name, from_key="k", to_key="new"), "unknown_key")
        self.assertIsNone(self.memcached.get(entry))
        self.memcached.set(entry, up["fid"])
        self.assertERR(self.client.call("delete", domain=self.name, key="k"), "unknown_key")
        self.assertIsNone(self.memcached.get(entry))

    def test_names_that_the_cache_cannot_hold(self):
        for key in ("sp ace", "line\r\nget x", "k" * 255, "\x00", "键"):
            self.client.upload(self.name, key, b"x", "two")
            for noverify in (0, 1, 1):
                self.assertGreater(len(self.client.paths(self.name, key, noverify=noverify)), 0)
        self.assertEqual(len(self.client.keys(self.name)), 5)

    def test_without_the_server_it_goes_on(self):
        self.stored("k")
        self.client.request("set_server_setting", key="memcache_servers", value=f"{new_address()}:1")
        self.client.request("clear_cache")
        try:
            for noverify in (0, 1):
                self.assertEqual(len(self.client.paths(self.name, "k", noverify=noverify)), 2)
        finally:
            self.client.request("set_server_setting", key="memcache_servers",
                                value=f"{self.memcached.address}:{self.memcached.port}")
            self.client.request("clear_cache")


if __name__ == "__main__":
    unittest.main()
