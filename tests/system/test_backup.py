# SPDX-License-Identifier: MIT
"""Backup and restore as the README has it: the embedded database is copied while the tracker serves, lost, and put back."""
import os
import shutil
import sqlite3
import unittest

from cluster import ClusterTest, http, wait_until


class Backup(ClusterTest):
    nodes = 1

    def fetch(self, key):
        return http("GET", self.client.paths("d", key)[0])[2]

    def test_sqlite(self):
        self.client.request("create_domain", domain="d")
        files = {f"k{i}": os.urandom(100 + i) for i in range(20)}
        for key, data in files.items():
            self.client.upload("d", key, data)
        path = os.path.join(self.cluster.database.state_dir, "mogilefs.db")
        backup = path + ".backup"
        # What "sqlite3 mogilefs.db '.backup FILE'" does.
        source, copy = sqlite3.connect(path, timeout=30), sqlite3.connect(backup)
        source.backup(copy)
        source.close()
        copy.close()
        self.client.upload("d", "after", b"stored after the backup")
        self.client.request("delete", domain="d", key="k0")
        self.client.close()
        self.cluster.tracker.stop()
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.remove(name)
        shutil.copy(backup, path)
        self.cluster.tracker.start()
        self.client = self.cluster.client()
        self.addCleanup(self.client.close)
        wait_until(lambda: len(self.client.keys("d")) == 20, what="the names are back")
        for key, data in files.items():
            if key != "k0":  # its copy may have been deleted meanwhile
                self.assertEqual(self.fetch(key), data, key)
        self.assertEqual(self.client.call("get_paths", domain="d", key="after").code, "unknown_key")
        # Numbers of files that were stored after the backup must not be given again to others while their copies lie about.
        self.client.upload("d", "new", b"stored after the restore")
        self.assertEqual(self.fetch("new"), b"stored after the restore")


if __name__ == "__main__":
    unittest.main()
