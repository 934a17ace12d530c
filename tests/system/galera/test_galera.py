# SPDX-License-Identifier: MIT
"""A Galera cluster of three nodes: the store at two of them, and two trackers that share the work."""
import collections
import hashlib
import os
import re
import shutil
import signal
import tempfile
import threading
import unittest

import galera
from cluster import Cluster, TrackerError, http, wait_until
from store_programs import run_unit

UPLOADS = 40


@unittest.skipIf(galera.missing(), galera.missing())
class Galera(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nodes = galera.Nodes(3)
        cls.addClassCleanup(cls.nodes.close)

    def dsn(self, database, node):
        node = self.nodes.nodes[node]
        return f"DBI:mysql:{database};host={node.host};port={node.port}"

    def unit(self, program, **more):
        first = self.nodes.nodes[0]
        first.rows("", "DROP DATABASE IF EXISTS units; CREATE DATABASE units")
        run_unit(program, {"MOG_TEST_DSN": self.dsn("units", 0), "MOG_TEST_DB_USER": "root", "MOG_TEST_ROW_LOCKS": "1",
                           "MOG_TEST_DB_PASSWORD": first.root_password, **more})

    def test_1_the_store_at_two_nodes(self):
        self.unit("unit_store_test_store_nodes", MOG_TEST_NODE2_DSN=self.dsn("units", 1))

    def test_2_the_store_at_one_node(self):
        for program in "unit_store_test_store_file", "unit_store_test_store_queue":
            with self.subTest(program):
                self.unit(program)

    def test_3_two_trackers(self):
        self.first = self.nodes.nodes[0]
        folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, folder)
        self.access_log = os.path.join(folder, "access.log")
        with Cluster(database=self.nodes, nodes=3, trackers=2, tracker_options=[self.nodes.options(0, 2),
                                                                                 self.nodes.options(1, 2)],
                     options={"replicate_jobs": 4}, node_options={"access_log": self.access_log}) as self.cluster:
            with self.cluster.client() as c:
                c.request("create_domain", domain="d")
                c.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
            self.cluster.wait_writeable([1, 2, 3])
            self.share_the_work()
            self.lose_a_node()

    def rows(self, sql):
        return self.nodes.nodes[2].rows("mogdb", "SET SESSION wsrep_sync_wait = 1; " + sql)

    def upload(self, tracker, key, acknowledged):
        """One upload; what goes wrong in it is the caller's to see, what was acknowledged is written down."""
        data = os.urandom(400)
        with tracker.client() as c:
            c.upload("d", key, data, "two")
        acknowledged[key] = hashlib.md5(data).hexdigest()

    def replicated(self, keys):
        """Whether all have their two copies, and nothing waits."""
        with self.cluster.trackers[1].client() as c:
            c.request("replicate_now")
        two = self.rows("SELECT COUNT(*) FROM (SELECT fid FROM file_on GROUP BY fid HAVING COUNT(*) = 2) x")
        return two == [[str(len(keys))]] and self.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]]

    def check_contents(self, acknowledged):
        for tracker in self.cluster.trackers:
            with tracker.client() as c:
                for key, digest in acknowledged.items():
                    for url in c.paths("d", key):
                        self.assertEqual(hashlib.md5(http("GET", url)[2]).hexdigest(), digest, key)

    def times_written(self):
        """How often each fid was put onto a storage node, by the nodes' own log."""
        with open(self.access_log) as f:
            return collections.Counter(re.findall(r'"PUT [^ "]*/(\d+)\.fid" 201 ', f.read()))

    def share_the_work(self):
        acknowledged = {}
        threads = [threading.Thread(target=lambda t=t, n=n: [self.upload(t, f"{n}-{i}", acknowledged)
                                                             for i in range(UPLOADS // 2)])
                   for n, t in enumerate(self.cluster.trackers)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(acknowledged), UPLOADS)
        wait_until(lambda: self.replicated(acknowledged), what="all have two copies")
        wait_until(lambda: sum(self.times_written().values()) >= 2 * UPLOADS, what="the log is written")
        self.assertEqual(collections.Counter(self.times_written().values()), {2: UPLOADS}, "uploaded once, copied once")
        self.check_contents(acknowledged)
        self.acknowledged = acknowledged

    def lose_a_node(self):
        """The node of the first tracker is killed while both take uploads, and comes back."""
        stop, problems = threading.Event(), []

        def go_on(n, tracker):
            for i in range(10 ** 6):
                if stop.is_set():
                    return
                try:
                    self.upload(tracker, f"late{n}-{i}", self.acknowledged)
                except TrackerError as e:
                    problems.append(e)
                    stop.wait(0.1)
                except OSError as e:  # the tracker itself must stay
                    problems.append(e)
                    return
        threads = [threading.Thread(target=go_on, args=pair) for pair in enumerate(self.cluster.trackers)]
        for t in threads:
            t.start()
        try:
            self.wait_for_more(10)
            self.first.halt(signal.SIGKILL)
            self.wait_for_more(10, "late0-")
            self.wait_for_more(10, "late1-")
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertFalse([p for p in problems if not isinstance(p, TrackerError)])
        self.assertLessEqual({p.code for p in problems}, {"failure", "db"})
        names = self.rows("SELECT COUNT(*) FROM file")
        self.assertGreaterEqual(int(names[0][0]), len(self.acknowledged))
        self.check_contents(self.acknowledged)
        # A claim of a connection that was lost runs out by itself; nobody wants to wait for that here.
        wait_until(lambda: self.at_least_two_copies(), what="all have two copies again")

    def at_least_two_copies(self):
        with self.cluster.trackers[1].client() as c:
            c.request("replicate_now")
        return self.rows("SELECT COUNT(*) FROM file f WHERE (SELECT COUNT(*) FROM file_on o WHERE o.fid = f.fid) < 2"
                         ) == [["0"]]

    def wait_for_more(self, count, prefix="late"):
        def have():
            return sum(key.startswith(prefix) for key in list(self.acknowledged))
        want = have() + count
        wait_until(lambda: have() >= want, what=f"{count} more uploads of {prefix}")


if __name__ == "__main__":
    unittest.main()
