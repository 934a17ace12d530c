# SPDX-License-Identifier: MIT
"""Two trackers that share the queues of one database: nothing is done twice, and nothing is left."""
import re
import time
import unittest

from cluster import Cluster, ClusterTest, free_port, http, new_address, wait_until
from database import SERVER

SIZE = 500


class SharedQueues(ClusterTest):
    database = SERVER
    nodes, devices, trackers = 4, 2, 2
    options = {"query_jobs": 8, "replicate_jobs": 3, "delete_jobs": 2, "fsck_jobs": 2}

    @classmethod
    def setUpClass(cls):
        cls.failed = False
        cls.addresses = [f"{a}:{free_port(a)}" for a in (new_address(), new_address())]
        cls.cluster = Cluster(cls.database, cls.nodes, cls.devices, cls.trackers, cls.options,
                              tracker_options=[{"http_listen": a} for a in cls.addresses])

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2)
        self.clients = [t.client() for t in self.cluster.trackers]
        for c in self.clients:
            self.addCleanup(c.close)
            c.request("clear_cache")

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def want(self, kind, n):
        for c in self.clients:
            c.admin(f"!want {n} {kind}")
        for c in self.clients:
            wait_until(lambda: c.jobs().get(kind, {"count": 0})["count"] == n, 60, f"{n} {kind} workers")

    def metrics(self, name):
        """The value at each tracker."""
        return [float(re.search(rf"^{re.escape(name)} (\S+)$", http("GET", f"http://{a}/metrics")[2].decode(), re.M)[1])
                for a in self.addresses]

    def upload(self, n):
        self.want("replicate", 0)
        return [self.clients[i % 2].upload(self.name, f"k{i}", b"x" * SIZE, class_="two")["fid"] for i in range(n)]

    def assertTwoCopies(self, n):
        """n files, each in two copies on two hosts; node k has dev 2k-1 and 2k."""
        self.assertEqual(self.rows("SELECT COUNT(*) FROM file"), [[str(n)]])
        self.assertEqual(self.rows("SELECT COUNT(*) FROM file_on"), [[str(2 * n)]])
        self.assertEqual(self.rows("SELECT COUNT(*) FROM file WHERE devcount <> 2"), [["0"]])
        hosts = {}
        for fid, devid in self.rows("SELECT fid, devid FROM file_on"):
            hosts.setdefault(fid, set()).add((int(devid) - 1) // 2)
        self.assertEqual([fid for fid, on in hosts.items() if len(on) != 2], [])

    def tearDown(self):
        self.want("delete", 2)
        for key in self.client.keys(self.name):
            self.clients[-1].request("delete", domain=self.name, key=key)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_on") == [["0"]], 60, "all is deleted")

    def test_work_is_shared_and_done_once(self):
        n = 240
        self.upload(n)
        before = sum(self.metrics("mogilefsd_copied_bytes_total"))
        self.want("replicate", 3)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]], 90, "nothing is left")
        self.assertEqual(sum(self.metrics("mogilefsd_copied_bytes_total")) - before, n * SIZE, "each was copied once")
        self.assertTwoCopies(n)
        # A check, and a deletion.
        done = 'mogilefsd_job_items_total{queue="%s",result="done"}'
        before = sum(self.metrics(done % "fsck"))
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0", 60)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_queue") == [["0"]], 60, "all are checked")
        wait_until(lambda: sum(self.metrics(done % "fsck")) - before >= n)
        self.assertEqual(sum(self.metrics(done % "fsck")) - before, n, "each was checked once")
        self.assertEqual(self.rows("SELECT COUNT(*) FROM fsck_log"), [["0"]])
        before = sum(self.metrics(done % "delete"))
        self.want("delete", 0)
        for i in range(n):
            self.clients[i % 2].request("delete", domain=self.name, key=f"k{i}")
        self.want("delete", 2)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_delete2") == [["0"]], 60, "all are deleted")
        wait_until(lambda: sum(self.metrics(done % "delete")) - before >= n)
        self.assertEqual(sum(self.metrics(done % "delete")) - before, n, "each was deleted once")
        self.assertEqual(self.rows("SELECT COUNT(*) FROM file_on"), [["0"]])

    def test_the_other_takes_over(self):
        """One is killed in the middle; what it held is the other's when its claims end."""
        n = 150
        self.upload(n)
        first, second = self.cluster.trackers
        self.clients[0].admin("!want 1 replicate")
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_replicate") < [[str(n)]] and
                   int(self.rows("SELECT COUNT(*) FROM file_to_replicate")[0][0]) < n - 3, 60, "it has begun")
        first.kill()
        left = int(self.rows("SELECT COUNT(*) FROM file_to_replicate")[0][0])
        self.clients = self.clients[1:]
        self.client.close()
        self.client = second.client()
        self.addCleanup(self.client.close)
        self.want("replicate", 3)
        if left:
            # All is claimed by the dead one: nobody touches it as long as the lease lasts.
            time.sleep(2.5)
            claims = self.rows(f"SELECT COUNT(*) FROM file_to_replicate WHERE nexttry > {self.cluster.database.now} + 900")
            self.assertEqual(claims, self.rows("SELECT COUNT(*) FROM file_to_replicate"))
            self.cluster.database.execute("UPDATE file_to_replicate SET nexttry = nexttry - 1000")
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]], 90, "the other did the rest")
        self.assertTwoCopies(n)
        first.start()


class SharedQueuesOnPostgres(SharedQueues):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
