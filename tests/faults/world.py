# SPDX-License-Identifier: MIT
"""A cluster that can be broken in many ways: a proxy before each node, devices on small file systems of their own."""
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

from build import RACES
from client import TrackerError
from cluster import Node, Tracker
from database import open_database
from faults import Faults as CallFaults
from journal import Journal
from proxy import Proxy
from small_disk import can_mount
from waiting import free_port, new_address, wait_until
from workload import Reader, Writer

DEVICE_MIB = 128
CLOCK_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                   "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1")


class Device:
    """A device folder: a bind mount of a tmpfs where that can be had, so that it can vanish, fill and turn read-only."""

    def __init__(self, world, node, devid):
        self.world, self.node, self.devid = world, node, devid
        self.path = os.path.join(node.docroot, f"dev{devid}")
        self.store = os.path.join(world.folder, f"disk{devid}")
        self.mounted = world.mounts
        if self.mounted:
            os.makedirs(self.store)
            self.mount("-t", "tmpfs", "-o", f"size={DEVICE_MIB}m", "tmpfs", self.store)
            self.mount("--bind", self.store, self.path)

    def mount(self, *args):
        # mount reads the list of mounts, which others on the machine may change just then: it is tried again.
        for left in reversed(range(5)):
            done = subprocess.run(["mount", *args], capture_output=True, text=True)
            if done.returncode == 0:
                return
            assert left, f"mount {args}: {done.stderr}"
            time.sleep(0.2)

    def umount(self, path):
        subprocess.run(["umount", "-l", path], capture_output=True)

    def vanish(self):
        if self.mounted:
            self.umount(self.path)
        else:
            os.rename(self.path, self.store)

    def come_back(self):
        if self.mounted:
            self.mount("--bind", self.store, self.path)
        else:
            os.rename(self.store, self.path)

    def read_only(self, on):
        # The bind mount alone: one of a busy file system would be refused.
        self.mount("-o", f"remount,bind,{'ro' if on else 'rw'}", self.path)

    def fill(self):
        """Take the room that is left, while others write."""
        with open(os.path.join(self.store, "filler"), "wb") as f:
            size, step = 0, 1 << 24
            while step >= 4096:
                try:
                    os.posix_fallocate(f.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2

    def empty_filler(self):
        os.remove(os.path.join(self.store, "filler"))

    def files(self):
        """{fid: path} of all files."""
        out = {}
        for at, _, names in os.walk(self.path):
            for name in names:
                if name.endswith(".fid"):
                    out[int(name[:-4])] = os.path.join(at, name)
        return out

    def wipe(self):
        """The disk is replaced by an empty one."""
        for name in os.listdir(self.path):
            path = os.path.join(self.path, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.remove(path)

    def close(self):
        if self.mounted:
            self.umount(self.path)
            self.umount(self.store)


class World:
    """Trackers, nodes behind proxies, a database, writers and readers. A context manager."""

    domain = "faults"
    keys_each = 150

    def __init__(self, database, seed, nodes=3, devices=2, writers=4, readers=2, pace=0.01):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.rnd, self.pace, self.mounts = random.Random(seed), pace, can_mount()
        self.stopping, self.pausing, self.idle = threading.Event(), threading.Event(), set()
        self.nodes, self.proxies, self.devices, self.trackers, self.workers = [], {}, {}, [], []
        self.lying, self.flipped, self.unclean = set(), set(), set()
        self.database = self.journal = None
        self.side_port = None
        try:
            self.journal = Journal(os.path.join(self.folder, "journal"))
            self.call_faults = self.make_call_faults()
            self.clock_file = os.path.join(self.folder, "clock")
            # Through the library, ThreadSanitizer does not see that a timed wait gives its lock back.
            self.clock_library = None if RACES else next((p for p in CLOCK_LIBRARIES if os.path.exists(p)), None)
            self.set_clock(0)
            self.database = open_database(database, self.folder)
            self.make_nodes(nodes, devices)
            self.make_trackers(1 if database == "sqlite" else 2)
            self.register()
            for i in range(writers + readers):
                kind = Writer if i < writers else Reader
                self.workers.append(kind(self, i, f"{seed}/{i}"))
        except BaseException:
            self.close()
            raise

    def make_call_faults(self):
        try:
            return CallFaults(self.folder)
        except Exception:  # another architecture, or no compiler
            return None

    def set_clock(self, seconds):
        with open(self.clock_file + ".new", "w") as f:
            f.write(f"{seconds:+d}s\n")
        os.rename(self.clock_file + ".new", self.clock_file)

    def make_nodes(self, count, devices):
        public = [new_address() for _ in range(count)]
        backend = [new_address() for _ in range(count)]
        port, self.side_port = free_port(*public, *backend), free_port(*public, *backend)
        for i in range(count):
            devids = range(i * devices + 1, (i + 1) * devices + 1)
            node = Node(self.folder, f"node{i + 1}", devids, backend[i], port, self.side_port)
            node.env["MOG_DISK_USAGE_INTERVAL"] = "1"
            if self.call_faults:
                node.env.update(self.call_faults.env)
            node.public = public[i]
            self.nodes.append(node)
            for devid in devids:
                self.devices[devid] = Device(self, node, devid)
            node.start()
            self.proxies[node] = [Proxy(public[i], port, (backend[i], port)),
                                  Proxy(public[i], self.side_port, (backend[i], self.side_port), http=False)]

    def make_trackers(self, count):
        env = {"T_TEMPFILE_TOO_OLD": "60"}
        if self.clock_library:
            env.update(LD_PRELOAD=self.clock_library, FAKETIME_TIMESTAMP_FILE=self.clock_file, FAKETIME_CACHE_DURATION="1",
                       FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_DONT_RESET="1",
                       FAKETIME_FORCE_MONOTONIC_FIX="0")  # else its timed waits return at once, and spin
        for i in range(count):
            options = {"mogstored_stream_port": self.side_port, "min_free_space": 4, "delete_jobs": 2, "fsck_jobs": 2,
                       "query_jobs": 8, "debug": 0, **self.database.options()}
            self.trackers.append(Tracker(self.folder, options, label=f"tracker{i + 1}", env=env).start())

    def make(self, command, **args):
        """Create something. On a machine without time the tracker may give up waiting until all see what it has made."""
        for left in reversed(range(5)):
            try:
                with self.trackers[0].client() as client:
                    return client.request(command, **args)
            except TrackerError as e:
                if e.code.endswith("_exists") or e.code == "existing_devid":
                    return None
                if not left or e.code != "failure":
                    raise

    def register(self):
        for node in self.nodes:
            self.make("create_host", host=node.host, ip=node.public, port=node.port, status="alive")
            for devid in node.devices:
                self.make("create_device", devid=devid, hostname=node.host)
        self.make("create_domain", domain=self.domain)
        self.make("create_class", domain=self.domain, mindevcount=2, **{"class": "two"})
        self.make("create_class", domain=self.domain, mindevcount=2, hashtype="MD5", **{"class": "sum"})
        self.wait_whole()

    # ---- what a fault needs

    def any_client(self, timeout=10):
        """A connection to a tracker that answers."""
        problem = None
        for tracker in self.rnd.sample(self.trackers, len(self.trackers)):
            try:
                client = tracker.client(timeout=timeout)
                client.request("noop")
                return client
            except (OSError, AssertionError) as e:
                problem = e
        raise AssertionError(f"no tracker answers: {problem!r}")

    def device_rows(self):
        with self.any_client() as client:
            got = client.request("get_devices")
        rows = {}
        for i in range(1, int(got["devices"]) + 1):
            prefix = f"dev{i}_"
            row = {k[len(prefix):]: v for k, v in got.items() if k.startswith(prefix)}
            rows[int(row["devid"])] = row
        return rows

    def wait_whole(self, seconds=60):
        """Wait until every tracker sees every device writeable."""
        for tracker in self.trackers:
            def whole():
                with tracker.client(timeout=20) as client:
                    client.request("clear_cache")
                    got = client.request("get_devices")
                states = [v for k, v in got.items() if k.endswith("_observed_state")]
                return len(states) == len(self.devices) and set(states) == {"writeable"}
            wait_until(lambda w=whole: safe(w), seconds, f"all devices are writeable at {tracker.label}", pause=0.2)

    def lies(self, url):
        """Whether what this URL gives may be wrong because of us."""
        parts = urllib.parse.urlsplit(url)
        devid, fid = int(parts.path.split("/")[1][3:]), int(parts.path.rsplit("/", 1)[1].split(".")[0])
        return parts.hostname in self.lying or (fid, devid) in self.flipped

    def hurry(self):
        """What waits in a queue is due now: the time that a cluster has and a test has not."""
        for table in ("file_to_replicate", "file_to_delete2", "file_to_queue"):
            self.database.execute(f"UPDATE {table} SET nexttry = 0")

    def pause(self):
        """Hold all writers and readers between two operations."""
        self.idle.clear()
        self.pausing.set()
        wait_until(lambda: len(self.idle) >= len([w for w in self.workers if w.is_alive()]), 60, "the workload pauses")

    def go_on(self):
        self.pausing.clear()

    def start(self):
        for worker in self.workers:
            worker.start()

    def stop_workload(self):
        self.stopping.set()
        for worker in self.workers:
            if worker.is_alive():
                worker.join(120)
                assert not worker.is_alive(), f"{worker.name} hangs"

    def logs(self, size=6000):
        return "\n".join(f"---- {d.label}\n{d.log()[-size:]}" for d in self.trackers + self.nodes)

    def stop(self):
        """End the daemons; all must end cleanly."""
        problems = []
        for daemon in self.trackers + self.nodes:
            try:
                daemon.stop()
            except AssertionError as e:
                problems.append(str(e))
        assert not problems, "\n".join(problems)

    def close(self):
        self.stopping.set()
        for proxies in self.proxies.values():
            for proxy in proxies:
                proxy.close()
        for daemon in self.trackers + self.nodes:
            daemon.kill()
        for device in self.devices.values():
            device.close()
        if self.database:
            self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def safe(condition):
    """Its answer; False when something that is broken just now breaks it."""
    try:
        return condition()
    except Exception:
        return False
