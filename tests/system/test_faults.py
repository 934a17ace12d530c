# SPDX-License-Identifier: MIT
"""Nodes and trackers that die and come back: what was acknowledged stays, and service goes on."""
import hashlib
import os
import threading
import time
import unittest

from cluster import ClusterTest, TrackerError, http, run, wait_until


class Faults(ClusterTest):
    nodes = 3

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2)

    def stored(self, key, data):
        self.client.upload(self.name, key, data, "two")
        return wait_until(lambda: (p := self.client.paths(self.name, key)) and len(p) == 2 and p, what="two copies")

    def fetch(self, key):
        return run("mogfetch", f"--trackers={self.cluster.tracker.hostport}", f"--domain={self.name}", f"--key={key}",
                   "--file=-").stdout

    def test_a_node_dies_and_comes_back(self):
        data = os.urandom(100_000)
        paths = self.stored("k", data)
        lost = self.cluster.node_of(paths[0])
        lost.kill()
        try:
            wait_until(lambda: self.client.paths(self.name, "k") == [paths[1]], what="the lost copy is not named")
            self.assertEqual(self.fetch("k"), data)
            for i in range(10):
                up = self.client.upload(self.name, f"during{i}", b"%d" % i, "two")
                self.assertIsNot(self.cluster.node_of(up["path"]), lost)
            wait_until(lambda: all(len(self.client.paths(self.name, f"during{i}")) == 2 for i in range(10)),
                       what="uploads get their second copy on the nodes that are left")
        finally:
            lost.start()
        self.cluster.wait_writeable(lost.devices)
        wait_until(lambda: len(self.client.paths(self.name, "k")) == 2, what="both copies are named again")

        def used_again():
            up = self.client.upload(self.name, f"again{time.monotonic()}", b"x", "two")
            return self.cluster.node_of(up["path"]) is lost
        wait_until(used_again, what="the node gets uploads again")

    def test_a_dead_node_is_replaced(self):
        """Marked dead, its copies are made anew elsewhere."""
        data = os.urandom(10_000)
        paths = self.stored("k", data)
        lost = self.cluster.node_of(paths[0])
        lost.kill()
        try:
            self.client.request("set_state", host=lost.host, device=lost.devices[0], state="dead")

            def two_elsewhere():
                now = self.client.paths(self.name, "k")
                return len(now) == 2 and paths[0] not in now
            wait_until(two_elsewhere, what="a new copy")
            for url in self.client.paths(self.name, "k"):
                self.assertEqual(http("GET", url)[2], data)
        finally:
            lost.start()
            for state in ("down", "alive"):
                self.client.request("set_state", host=lost.host, device=lost.devices[0], state=state)
            self.cluster.wait_writeable(lost.devices)

    def test_deletes_reach_the_disks(self):
        paths = self.stored("k", b"x" * 1000)
        files = [self.cluster.node_of(url).file_of(url) for url in paths]
        self.assertTrue(all(map(os.path.exists, files)))
        self.client.request("delete", domain=self.name, key="k")
        with self.assertRaises(TrackerError):
            self.client.paths(self.name, "k")
        wait_until(lambda: not any(map(os.path.exists, files)), what="both files are gone from the disks")

    def test_a_delete_waits_for_a_lost_node(self):
        paths = self.stored("k", b"x" * 1000)
        lost = self.cluster.node_of(paths[0])
        lost.kill()
        try:
            self.client.request("delete", domain=self.name, key="k")
            wait_until(lambda: http("GET", paths[1])[0] == 404, what="the copy on the other node is gone")
            self.assertTrue(os.path.exists(lost.file_of(paths[0])))
        finally:
            lost.start()
            self.cluster.wait_writeable(lost.devices)
        self.cluster.database.execute("UPDATE file_to_delete2 SET nexttry = 0")
        wait_until(lambda: http("GET", paths[0])[0] == 404, what="and that one too, once it is back")


class FaultsOnMariadb(Faults):
    database = "mariadb"


class Crash(ClusterTest):
    """The tracker is killed in the middle of uploads, again and again."""

    nodes = 3
    kills = 3

    def test_what_was_acknowledged_is_there(self):
        name = self.domain(two=2)
        stop, acknowledged, lock = threading.Event(), {}, threading.Lock()

        def uploader(number):
            n = 0
            while not stop.is_set():
                key, data = f"k{number}-{n}", os.urandom(500)
                n += 1
                try:
                    with self.cluster.client(timeout=10) as c:
                        c.upload(name, key, data, "two")
                    with lock:
                        acknowledged[key] = hashlib.md5(data).hexdigest()
                except (OSError, AssertionError, TrackerError):
                    stop.wait(0.05)
        threads = [threading.Thread(target=uploader, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        try:
            for _ in range(self.kills):
                seen = len(acknowledged)
                wait_until(lambda n=seen: len(acknowledged) > n + 20, what="uploads go on")
                self.cluster.tracker.kill()
                self.cluster.tracker.start()
            seen = len(acknowledged)
            wait_until(lambda: len(acknowledged) > seen + 20, what="uploads go on")
        finally:
            stop.set()
            for t in threads:
                t.join()
        with self.cluster.client() as c:
            for key, digest in acknowledged.items():
                data = http("GET", c.paths(name, key)[0])[2]
                self.assertEqual(hashlib.md5(data).hexdigest(), digest, key)
            # What a killed tracker had in hand stays reserved for a while; an operator need not wait for that.
            c.request("replicate_now")
            wait_until(lambda: all(c.request("file_info", domain=name, key=key)["devcount"] == "2"
                                   for key in acknowledged), seconds=60, what="all are replicated")
            self.assertGreaterEqual(len(c.keys(name)), min(1000, len(acknowledged)))


class CrashOnMariadb(Crash):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
