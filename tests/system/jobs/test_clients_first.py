# SPDX-License-Identifier: MIT
"""Jobs hold back while clients are there, but not from what clients make to be done."""
import threading
import time
import unittest

from cluster import ClusterTest, wait_until

FILES = 100


class Client(threading.Thread):
    """Reads a key several times a second: jobs see a client all the time."""

    def __init__(self, cluster, domain, key):
        super().__init__()
        self.cluster, self.domain, self.key = cluster, domain, key
        self.over = threading.Event()

    def run(self):
        with self.cluster.client() as client:
            while not self.over.is_set():
                client.request("get_paths", domain=self.domain, key=self.key)
                time.sleep(0.1)

    def end(self):
        self.over.set()
        self.join()


class ClientsFirst(ClusterTest):
    nodes = 3
    options = {"replicate_jobs": 0, "jobs_min_rate": 1}

    def number(self, sql):
        return int(self.cluster.database.rows(sql)[0][0])

    def moves(self):
        return self.number("SELECT COUNT(*) FROM file_to_queue WHERE type=2")

    def in_hand(self):
        """How many moves the tracker has fetched and not begun."""
        rows = dict(line.split(" ", 1) for line in self.client.admin("!stats"))
        return int(rows.get("work_queue_for_rebalance", 0))

    def test_a_copy_overtakes_moves_that_are_held_back(self):
        name = self.domain(one=1, two=2)
        for devid in (2, 3):
            self.client.request("set_state", host=f"node{devid}", device=devid, state="readonly")
        for i in range(FILES):
            self.client.upload(name, f"k{i}", b"x" * 100, class_="one")
        for devid in (2, 3):
            self.client.request("set_state", host=f"node{devid}", device=devid, state="alive")
        self.cluster.wait_writeable([1, 2, 3])
        self.client.admin("!want 1 replicate")
        wait_until(lambda: self.number("SELECT COUNT(*) FROM file_to_replicate") == 0)
        clients = [Client(self.cluster, name, f"k{i}") for i in range(3)]
        for client in clients:
            client.start()
        try:
            self.client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2,3")
            self.client.request("rebalance_start")
            wait_until(lambda: self.in_hand() >= FILES / 2, what="moves are in the tracker's hands")
            fid = self.client.upload(name, "new", b"x" * 100, class_="two")["fid"]
            wait_until(lambda: self.number(f"SELECT COUNT(*) FROM file_on WHERE fid={fid}") == 2, 2 * FILES,
                       "the new file has two copies")
            self.assertGreaterEqual(self.in_hand(), FILES / 4)
        finally:
            for client in clients:
                client.end()
        wait_until(lambda: self.number("SELECT COUNT(*) FROM file_on WHERE devid=1") <= 2 and self.moves() == 0,
                   what="without clients all moves are done")


if __name__ == "__main__":
    unittest.main()
