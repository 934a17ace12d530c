# SPDX-License-Identifier: MIT
"""The disk under the database is full: clients are told, nothing that was acknowledged is lost, and service is back when there
is space again."""
import contextlib
import os
import shutil
import tempfile
import unittest

import mariadb
from cluster import Cluster, http, wait_until
from database import Server, Sqlite
from small_disk import SmallDisk, can_mount

MANY = 5000


class FullDisk:
    """What is the same on both: `kib`, and where the disk is."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        database = self.database()
        self.addCleanup(self.disk.close)
        self.cluster = Cluster(database, nodes=1, options={"query_jobs": 3, "debug": 0})
        self.addCleanup(self.cluster.stop)
        self.client = self.cluster.client()
        self.addCleanup(self.client.close)
        self.client.request("create_domain", domain="d")
        self.client.request("create_class", domain="d", mindevcount=1, **{"class": "one"})

    def use_up(self):
        """Use what the database had set aside before."""

    def refused(self):
        """Fill the disk, and write until something is refused: the answer."""
        self.disk.fill()
        self.use_up()
        for i in range(MANY):
            answer = self.client.call("create_open", domain="d", key=f"{i:0200d}", **{"class": "one"})
            if not answer.ok:
                return answer
        return self.fail("the database takes any number of rows on a full disk")

    def test_full_and_free_again(self):
        fids = {f"k{i}": self.client.upload("d", f"k{i}", b"before", "one")["fid"] for i in range(10)}
        answer = self.refused()
        self.assertEqual((answer.code, answer.text), ("db", "Database error"))
        self.disk.fill()
        self.assertTrue(self.client.call("noop").ok)
        for key, fid in fids.items():
            self.assertEqual(self.client.request("file_info", domain="d", key=key)["fid"], fid)
            self.assertEqual(http("GET", self.client.paths("d", key)[0])[2], b"before")
        answer = self.client.call("create_open", domain="d", key="x" * 200, **{"class": "one"})
        self.assertIn(answer.code, ("db", None))
        self.assertIn(self.says, self.cluster.tracker.log())
        self.disk.free()
        wait_until(lambda: self.client.call("create_open", domain="d", key="k", **{"class": "one"}).ok,
                   what="it works again")
        fids["after"] = self.client.upload("d", "after", b"after", "one")["fid"]
        for key, fid in fids.items():
            self.assertEqual(self.client.request("file_info", domain="d", key=key)["fid"], fid)
        self.assertEqual(set(self.client.keys("d")), set(fids))


@unittest.skipUnless(can_mount(), "no file system can be mounted here")
class FullDiskOfSqlite(FullDisk, unittest.TestCase):
    says = "full"

    def database(self):
        self.disk = SmallDisk(os.path.join(self.folder, "state"), 4096)
        return Sqlite(self.folder)


class ServerOnSmallDisk(mariadb.Server):
    kib = 200 * 1024

    def install(self):
        self.disk = SmallDisk(self.data, self.kib)
        if os.geteuid() == 0:
            shutil.chown(self.data, self.account, self.account)
        super().install()


class DatabaseOnSmallDisk(Server):
    server_class = ServerOnSmallDisk


@unittest.skipUnless(can_mount(), "no file system can be mounted here")
class FullDiskOfMariadb(FullDisk, unittest.TestCase):
    says = "full"

    def database(self):
        database = DatabaseOnSmallDisk("mariadb", self.folder)
        self.disk = database.server.disk
        return database

    def use_up(self):
        for at_once in 1000, 100:
            rows = ", ".join(f"(UNIX_TIMESTAMP(), 0, 0, '{i:0250d}')" for i in range(at_once))
            with contextlib.suppress(AssertionError):
                while True:
                    self.cluster.database.execute(f"INSERT INTO tempfile (createtime, classid, dmid, dkey) VALUES {rows}")


if __name__ == "__main__":
    unittest.main()
