# SPDX-License-Identifier: MIT
"""The shared cache when copies go, and when its server says nothing or is gone."""
import time
import unittest

from cluster import ClusterTest, free_port, wait_until
from fake_node import HungNode
from test_memcache import Memcached


class Copies(ClusterTest):
    """What jobs do to copies is forgotten in the cache too, removals as well."""

    nodes = 2

    def setUp(self):
        super().setUp()
        self.memcached = Memcached()
        self.addCleanup(self.memcached.close)
        self.client.request("set_server_setting", key="memcache_servers",
                            value=f"{self.memcached.address}:{self.memcached.port}")
        self.client.request("clear_cache")
        self.name = self.domain(one=1, two=2)

    def test_copies_that_come_and_go(self):
        fid = self.client.upload(self.name, "k", b"abc", class_="two")["fid"]
        on = lambda: self.cluster.database.rows(f"SELECT devid FROM file_on WHERE fid={fid}")  # noqa: E731
        wait_until(lambda: len(on()) == 2, what="two copies")
        for key in (f"mogdevs:{fid}", f"mogdevids:{fid}"):
            self.memcached.set(key, "1,2")
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "one"})

        def shed():
            self.client.request("replicate_now")
            return len(on()) == 1
        wait_until(shed, what="one copy is shed")
        wait_until(lambda: self.memcached.get(f"mogdevs:{fid}") is None)
        self.assertIsNone(self.memcached.get(f"mogdevids:{fid}"), "the Perl trackers' entry goes too")
        for key in (f"mogdevs:{fid}", f"mogdevids:{fid}"):
            self.memcached.set(key, "1,2")
        self.client.request("delete", domain=self.name, key="k")
        wait_until(lambda: on() == [])
        wait_until(lambda: self.memcached.get(f"mogdevs:{fid}") is None)


class Dead(ClusterTest):
    """A server that takes connections and says nothing costs one time-out, then nothing for half a minute."""

    nodes = 1
    options = {"query_jobs": 1}

    def test_a_silent_server(self):
        hung = HungNode(free_port())
        self.addCleanup(hung.close)
        name = self.domain(one=1)
        self.client.upload(name, "k", b"abc", class_="one")
        self.client.request("set_server_setting", key="memcache_servers", value=f"{hung.address}:{hung.port}")
        self.client.request("clear_cache")
        start = time.monotonic()
        self.assertEqual(len(self.client.paths(name, "k", noverify=1)), 1)
        first = time.monotonic() - start
        start = time.monotonic()
        for _ in range(100):
            self.assertEqual(len(self.client.paths(name, "k", noverify=1)), 1)
        self.assertLess(first, 2.5)
        self.assertLess(time.monotonic() - start, 2.5, "100 more cost no time-out")


if __name__ == "__main__":
    unittest.main()
