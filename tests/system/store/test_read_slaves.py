# SPDX-License-Identifier: MIT
"""A read slave that is set over the protocol: it answers where files are, also while the master is down, and the master takes its
place when it is gone."""
import subprocess
import tempfile
import unittest

from cluster import ClusterTest, wait_until
from database import Server


class ReadSlaves(ClusterTest):
    database = "mariadb"
    nodes = 2
    options = {"query_jobs": 3, "debug": 0}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.slave = Server("mariadb", tempfile.gettempdir())
        cls.addClassCleanup(cls.slave.close)

    def copy(self):
        """Bring the slave up to what the master has."""
        dump = subprocess.run(["mariadb-dump", "--no-defaults", f"--socket={self.cluster.database.server.socket}", "-uroot",
                               "--single-transaction", "--hex-blob", "mogdb"], check=True, capture_output=True, timeout=60)
        self.slave.server.client("mogdb", dump.stdout.decode())

    def places(self):
        """The devices that get_paths names; None when it fails."""
        answer = self.client.call("get_paths", domain=self.name, key="k", noverify=1)
        return sorted(url.split("/")[3] for name, url in answer.args.items() if name != "paths") if answer.ok else None

    def test_life(self):
        self.name = self.domain(one=1)
        here = int(self.client.upload(self.name, "k", b"abc", "one")["devid"])
        there = 3 - here
        self.copy()
        # What tells the two apart: the slave knows of a copy elsewhere.
        self.slave.execute(f"UPDATE file_on SET devid = {there}")
        master, slave = self.cluster.database.server, self.slave.server
        self.assertEqual(self.places(), [f"dev{here}"])
        self.client.request("set_server_setting", key="slave_one",
                            value=f"DBI:mysql:mogdb;host={slave.host};port={slave.port}|moguser|mogpass")
        self.client.request("set_server_setting", key="slave_keys", value="one , nobody")
        wait_until(lambda: self.places() == [f"dev{there}"], what="the slave is asked")
        wait_until(lambda: "slave_nobody not found in configuration" in self.cluster.tracker.log())
        self.assertEqual(self.client.request("file_debug", domain=self.name, key="k")["devids"], str(here),
                         "all else is the master's")
        master.halt()
        try:
            wait_until(lambda: not self.client.call("create_open", domain=self.name, key="x", **{"class": "one"}).ok)
            for _ in range(20):
                self.assertEqual(self.places(), [f"dev{there}"])
        finally:
            master.start()
        slave.halt()
        wait_until(lambda: self.places() == [f"dev{here}"], what="the master takes its place")
        self.assertIn("Slave list exhausted, failing back to master.", self.cluster.tracker.log())
        slave.start()
        self.client.request("set_server_setting", key="slave_dead_retry_timeout", value="1")
        wait_until(lambda: self.places() == [f"dev{there}"], 60, "the slave is found again")
        self.client.request("set_server_setting", key="slave_keys", value="")
        wait_until(lambda: self.places() == [f"dev{here}"], what="there is no slave any more")


if __name__ == "__main__":
    unittest.main()
