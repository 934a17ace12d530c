# SPDX-License-Identifier: MIT
"""The database server is killed again and again under load: what was acknowledged stays, clients keep their connections,
and service is back as soon as the server is."""
import signal
import threading
import time
import unittest

from build import patient
from cluster import ClusterTest, TrackerError, http, wait_until

CLIENTS = 32
BACK_WITHIN_S = 2.0


class Restarts(ClusterTest):
    database = "mariadb"
    nodes = 1
    options = {"query_jobs": 10, "debug": 0}
    kills = 10

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.acknowledged, self.refused, self.dropped, self.latest = {}, {}, [], 0.0

    def one_client(self, number):
        """Uploads over one connection, for as long as it lives."""
        try:
            with self.cluster.client(timeout=60) as c:
                n = 0
                while not self.stop.is_set():
                    n += 1
                    self.one_upload(c, f"{number}-{n}")
        except Exception as e:
            self.dropped.append(e)

    def one_upload(self, c, key):
        opened = None
        while opened is None and not self.stop.is_set():
            opened = self.said(c.call("create_open", domain=self.name, key=key, **{"class": "one"}))
        if opened is None:
            return
        http("PUT", opened["path"], key.encode())
        args = {"domain": self.name, "key": key, "fid": opened["fid"], "devid": opened["devid"], "path": opened["path"],
                "size": len(key)}
        while not self.stop.is_set():
            # One that failed may have been done; asking again tells.
            if self.said(c.call("create_close", **args)) is not None:
                with self.lock:
                    self.acknowledged[key] = opened["fid"]
                    self.latest = time.monotonic()
                return

    def said(self, answer):
        """The arguments of an OK; None for a failure, after a short rest."""
        if answer.ok:
            return answer.args
        with self.lock:
            self.refused[answer.code] = self.refused.get(answer.code, 0) + 1
        if answer.code not in ("failure", "db"):
            raise TrackerError(answer)
        time.sleep(0.05)
        return None

    def more(self, count):
        seen = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= seen + count or self.dropped, what=f"{count} more uploads")

    def kill(self, server):
        server.halt(signal.SIGKILL)

    def kill_and_wait(self):
        """Kill the server and start it; how long after its first answer an upload was acknowledged."""
        server = self.cluster.database.server
        self.kill(server)
        server.start()
        ready = time.monotonic()
        wait_until(lambda: self.latest > ready or self.dropped, what="uploads go on", pause=0.01)
        return self.latest - ready

    def test_kills(self):
        threads = [threading.Thread(target=self.one_client, args=(i,)) for i in range(CLIENTS)]
        for t in threads:
            t.start()
        try:
            self.more(CLIENTS)
            waits = []
            for _ in range(self.kills):
                waits.append(self.kill_and_wait())
                self.more(CLIENTS)
        finally:
            self.stop.set()
            for t in threads:
                t.join()
        self.assertEqual(self.dropped, [])
        print(f"{len(self.acknowledged)} uploads, refused: {self.refused}, "
              f"service back after {', '.join(f'{w:.2f}' for w in waits)} s")
        self.assertLess(max(waits), patient(BACK_WITHIN_S))
        there = dict(self.cluster.database.rows("SELECT dkey, fid FROM file"))
        for key, fid in self.acknowledged.items():
            self.assertEqual(there.get(key), fid, key)
        for key in list(self.acknowledged)[:20]:
            self.assertEqual(http("GET", self.client.paths(self.name, key)[0])[2], key.encode())


class RestartsOfPostgres(Restarts):
    database = "postgres"
    kills = 4

    def kill(self, server):
        server.crash()


class ReadOnly(ClusterTest):
    """A database that can only be read, a replica's for instance, for as long as nobody looks."""

    database = "mariadb"
    nodes = 1
    options = {"debug": 0}

    def test_it_does_not_fill_the_log(self):
        server, tracker = self.cluster.database.server, self.cluster.tracker
        name = self.domain(one=1)
        self.client.upload(name, "key", b"x", class_="one")
        server.client("", "SET GLOBAL read_only = 1")
        try:
            wait_until(lambda: all(text in tracker.log() for text in ("cannot fetch queued work", "was not stored")),
                       what="both are told of")
            end = time.monotonic() + patient(5)
            while time.monotonic() < end:
                self.assertEqual(len(self.client.request("get_paths", domain=name, key="key", noverify=1)), 2)
                time.sleep(0.1)
            self.assertEqual(tracker.log().count("read-only"), 2, "once each, not every second")
        finally:
            server.client("", "SET GLOBAL read_only = 0")
        self.client.upload(name, "key2", b"x", class_="one")


if __name__ == "__main__":
    unittest.main()
