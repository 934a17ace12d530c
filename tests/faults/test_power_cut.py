# SPDX-License-Identifier: MIT
"""The power goes while files are stored and deleted: what was acknowledged is there when it comes back.

SOAK_SEED=n repeats a seed (of the moments and of what is lost, not of the threads).
"""
import os
import random
import shutil
import tempfile
import threading
import time
import unittest

from client import TrackerError, http
from cluster import Node, Tracker
from powercut import Disk, build
from waiting import free_port, new_address, wait_until

CUTS = 6


class PowerCut(unittest.TestCase):
    fsync = "on"

    def setUp(self):
        self.seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"seed {self.seed}")
        self.rnd = random.Random(self.seed)
        # Not on a tmpfs, which may not know births: beside the programs' own data.
        self.folder = tempfile.mkdtemp(prefix="mogtest-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        library = build(self.folder)
        addresses = [new_address() for _ in range(2)]
        side_port = free_port(*addresses)
        state = os.path.join(self.folder, "state")
        os.mkdir(state)
        self.disks, self.daemons = [], []
        for i, address in enumerate(addresses):
            node = Node(self.folder, f"node{i + 1}", [i + 1], address, None, side_port, {"fsync": self.fsync})
            self.add(node, library, node.docroot)
        self.nodes = list(self.daemons)
        self.tracker = Tracker(self.folder, {"mogstored_stream_port": side_port, "state_dir": state, "debug": 0})
        self.add(self.tracker, library, state)
        self.state, self.acknowledged, self.deleted, self.unclear = {}, {}, set(), set()

    def add(self, daemon, library, tree):
        disk = Disk(library, tree, os.path.join(self.folder, f"durable-{daemon.label}"))
        daemon.env.update(disk.env)
        self.disks.append(disk)
        self.daemons.append(daemon)
        self.addCleanup(daemon.kill)

    def writeable(self):
        with self.tracker.client() as client:
            client.request("clear_cache")
            got = client.request("get_devices")
        return [v for k, v in got.items() if k.endswith("_observed_state")] == ["writeable"] * 2

    def register(self):
        with self.tracker.client() as client:
            for node in self.nodes:
                client.request("create_host", host=node.host, ip=node.address, port=node.port, status="alive")
                client.request("create_device", devid=node.devices[0], hostname=node.host)
            client.request("create_domain", domain="d")
            client.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
            client.request("set_server_setting", key="case_sensitive_list_keys", value="1")

    def writer(self, number, stop):
        rnd = random.Random(f"{self.seed}/{number}/{len(self.acknowledged)}")
        mine = []
        try:
            with self.tracker.client(timeout=20) as client:
                while not stop.is_set():
                    if mine and rnd.random() < 0.2:
                        key = mine.pop(rnd.randrange(len(mine)))
                        self.unclear.add(key)
                        client.request("delete", domain="d", key=key)
                        self.deleted.add(key)
                        self.unclear.discard(key)
                        continue
                    key = f"{number}-{rnd.getrandbits(64):x}"
                    data = rnd.randbytes(rnd.choice((1, 100, 5000, 20_000, 300_000)))
                    client.upload("d", key, data, "two")
                    self.acknowledged[key] = data
                    mine.append(key)
        except (OSError, AssertionError, TrackerError):
            pass  # the power is gone

    def run_until_the_cut(self):
        stop = threading.Event()
        threads = [threading.Thread(target=self.writer, args=(n, stop)) for n in range(6)]
        before = len(self.acknowledged)
        for t in threads:
            t.start()
        wait_until(lambda: len(self.acknowledged) >= before + 15, what="files are stored", pause=0.005)
        time.sleep(self.rnd.random() * 0.8)
        for daemon in self.rnd.sample(self.daemons, len(self.daemons)):
            daemon.kill()
        stop.set()
        for t in threads:
            t.join()

    def verify(self):
        copies = 0
        with self.tracker.client() as client:
            for key, data in self.acknowledged.items():
                if key in self.unclear:
                    continue
                if key in self.deleted:
                    with self.assertRaises(TrackerError, msg=f"{key} was deleted, and is back"):
                        client.paths("d", key)
                    continue
                try:
                    urls = client.paths("d", key, noverify=1, pathcount=10)
                except TrackerError as e:
                    self.fail(f"{key} was acknowledged, and is lost: {e}")
                self.assertTrue(urls, f"{key} was acknowledged, and has no place")
                for url in urls:
                    status, _, body = http("GET", url)
                    self.assertEqual(status, 200, f"{key}: {url}")
                    self.assertEqual(body, data, f"{key}: {url} has other bytes")
                    copies += 1
        return copies

    def power_cuts(self, cuts):
        for turn in range(cuts):
            for daemon in self.daemons:
                daemon.start()
            if turn == 0:
                self.register()
            wait_until(self.writeable, what="both devices are writeable")
            copies = self.verify()
            if turn % 3 != 1:
                # A clean end removes the database's log, and the next start makes a new one.
                self.tracker.stop()
                self.tracker.start()
                wait_until(self.writeable, what="both devices are writeable")
            self.run_until_the_cut()
            mixed = turn % 2 == 1
            print(f"cut {turn + 1} ({'some' if mixed else 'all'} of what was not synced is lost): "
                  f"{len(self.acknowledged)} stored, {len(self.deleted)} deleted, {copies} copies verified before")
            for disk in self.disks:
                disk.cut(self.rnd if mixed else None)
        for daemon in self.daemons:
            daemon.start()
        wait_until(self.writeable, what="both devices are writeable")
        self.assertGreater(self.verify(), 0)

    def test_what_was_acknowledged_is_there(self):
        self.power_cuts(CUTS)
        for daemon in reversed(self.daemons):
            daemon.stop()


class WithoutSync(PowerCut):
    """The counter-proof: with fsync off the same test does find losses."""

    fsync = "off"

    def test_what_was_acknowledged_is_there(self):
        with self.assertRaises(AssertionError) as caught:
            self.power_cuts(CUTS)
        self.assertRegex(str(caught.exception), "404 != 200|other bytes|has no place|lost")


if __name__ == "__main__":
    unittest.main()
