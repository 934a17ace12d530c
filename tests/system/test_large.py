# SPDX-License-Identifier: MIT
"""A gibibyte in and out, and a file of no bytes: the daemons' memory does not grow with the size of a file."""
import hashlib
import os
import shutil
import tempfile
import unittest

from cluster import ClusterTest, http_connection, wait_until

BLOCK = os.urandom(1 << 20)
COUNT = 1024
MAY_GROW_KIB = 48 * 1024


class Large(ClusterTest):
    nodes = 2

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2)

    def blocks(self):
        """COUNT different blocks, made as they are sent."""
        for i in range(COUNT):
            yield i.to_bytes(8, "big") + BLOCK[8:]

    def digest(self):
        md5 = hashlib.md5()
        for block in self.blocks():
            md5.update(block)
        return md5.hexdigest()

    def fetch_digest(self, url):
        parts = url.split("/", 3)
        connection = http_connection(*parts[2].split(":"))
        try:
            connection.request("GET", "/" + parts[3])
            response = connection.getresponse()
            self.assertEqual((response.status, int(response.headers["Content-Length"])), (200, COUNT << 20))
            md5 = hashlib.md5()
            while block := response.read(1 << 20):
                md5.update(block)
            return md5.hexdigest()
        finally:
            connection.close()

    def test_a_gibibyte(self):
        if shutil.disk_usage(tempfile.gettempdir()).free < 4 << 30:
            self.skipTest("less than 4 GiB are free")
        daemons = self.cluster.trackers + self.cluster.nodes
        before = {d: d.memory_kib() for d in daemons}
        opened = self.client.request("create_open", domain=self.name, key="large", size=COUNT << 20, **{"class": "two"})
        parts = opened["path"].split("/", 3)
        connection = http_connection(*parts[2].split(":"), timeout=120)
        connection.request("PUT", "/" + parts[3], body=self.blocks(), headers={"Content-Length": str(COUNT << 20)})
        response = connection.getresponse()
        self.assertIn(response.status, (200, 201, 204), response.read())
        connection.close()
        self.client.request("create_close", **{**opened, "domain": self.name, "key": "large", "size": COUNT << 20})
        paths = wait_until(lambda: (p := self.client.paths(self.name, "large")) and len(p) == 2 and p, seconds=120,
                           what="the second copy")
        want = self.digest()
        for url in paths:
            self.assertEqual(self.fetch_digest(url), want)
        for daemon in daemons:
            self.assertLess(daemon.memory_kib() - before[daemon], MAY_GROW_KIB, daemon.label)
        self.client.request("delete", domain=self.name, key="large")

    def test_no_bytes(self):
        self.client.upload(self.name, "empty", b"", "two")
        paths = wait_until(lambda: (p := self.client.paths(self.name, "empty")) and len(p) == 2 and p,
                           what="two copies of nothing")
        for url in paths:
            self.assertEqual(os.path.getsize(self.cluster.node_of(url).file_of(url)), 0)
        self.assertEqual(self.client.request("file_info", domain=self.name, key="empty")["length"], "0")


if __name__ == "__main__":
    unittest.main()
