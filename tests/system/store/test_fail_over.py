# SPDX-License-Identifier: MIT
"""Several hosts in the DSN: the first that serves, and takes writes, is used; what uses one that is gone moves on."""
import shutil
import tempfile
import unittest

from cluster import Tracker, wait_until
from database import Server
from waiting import new_address


class TwoServers(Server):
    """The same set-up on two servers, at two addresses and one port."""

    def __init__(self, kind, folder):
        self.second = None
        super().__init__(kind, folder)
        self.second = type(self.server)()
        self.second.host, self.second.port = new_address(), self.server.port
        self.second.start()
        self.servers = [self.server, self.second]
        self.server = self.second
        self.setup()
        self.server = self.servers[0]

    def options(self):
        got = super().options()
        return {**got, "db_dsn": got["db_dsn"].replace(f"host={self.server.host}",
                                                       f"host={','.join(s.host for s in self.servers)}")}

    def domains(self, i):
        return [row[0] for row in self.servers[i].rows("mogdb", "SELECT namespace FROM domain ORDER BY dmid")]

    def close(self):
        for server in self.servers:
            server.stop()


class FailOver(unittest.TestCase):
    """Two hosts in the DSN: the first that serves is used."""

    def start(self, kind):
        folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.two = TwoServers(kind, folder)
        self.addCleanup(self.two.close)
        self.tracker = Tracker(folder, {**self.two.options(), "query_jobs": 3, "debug": 0}).start()
        self.addCleanup(self.tracker.stop)
        self.client = self.tracker.client()
        self.addCleanup(self.client.close)

    def create(self, name):
        wait_until(lambda: self.client.call("create_domain", domain=name).code in (None, "domain_exists"),
                   what=f"{name} is created")

    def check_death(self):
        self.create("first")
        self.assertEqual((self.two.domains(0), self.two.domains(1)), (["first"], []))
        self.two.servers[0].halt()
        self.create("second")
        self.assertEqual(self.two.domains(1), ["second"])
        self.two.servers[0].start()
        self.two.servers[1].halt()
        self.create("third")
        self.assertEqual(self.two.domains(0), ["first", "third"])

    def test_mariadb(self):
        self.start("mariadb")
        self.check_death()
        self.two.servers[1].start()
        # Now the first turns into a replica: the one that takes writes is looked for.
        self.two.servers[0].rows("", "SET GLOBAL read_only = 1")
        self.create("fourth")
        self.assertEqual(self.two.domains(1), ["second", "fourth"])

    def test_postgres(self):
        self.start("postgres")
        self.check_death()


if __name__ == "__main__":
    unittest.main()
