# SPDX-License-Identifier: MIT
"""What scripts/bench measures without a peer: memory, latency, wakeups, many clients, the start."""
import argparse
import os
import re
import resource
import socket
import statistics
import time
from contextlib import closing

import connections
import isolation
from client import Client, TrackerError
from cluster import Cluster
from measuring import turns
from stand import CLASS, CONNECTIONS, DOMAIN, WORKERS
from waiting import wait_until

CROWD, IDLE_S = 10000, 20
DEFAULT_JOBS = {"replicate_jobs": "", "delete_jobs": "", "fsck_jobs": ""}
DEVICES_A_HOST, HOSTS, HUNG_HOSTS = 10, 10, 2


def measure(work, figure, goal=""):
    return {"work": work, "figure": figure, "goal": goal}


# ---- memory

def allow_crowd():
    """Descriptors for all of the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 500
    if hard < wanted and os.geteuid() == 0:
        hard = 2 * wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted), hard), hard))


def gather(crowd, tracker):
    """Clients that have asked once, and stay."""
    for _ in range(CROWD):
        sock = socket.create_connection((tracker.address, tracker.port), timeout=30)
        crowd.append(sock)
        sock.sendall(b"noop\r\n")
        assert sock.recv(100).startswith(b"OK")


def memory(stand, rounds):
    """Of trackers of their own, so that no earlier row has left anything in their memory."""
    allow_crowd()
    for kind in ("sqlite", "mariadb"):
        with Cluster(kind, nodes=0, options={**WORKERS, **DEFAULT_JOBS}) as cluster:
            before, crowd = cluster.tracker.memory_kib(), []
            yield measure(f"memory of a tracker on {kind} with 20 query workers", f"{before / 1024:.1f} MB", "20 MB")
            try:
                gather(crowd, cluster.tracker)
                each = (cluster.tracker.memory_kib() - before) / CROWD
            finally:
                for sock in crowd:
                    sock.close()
        yield measure(f"memory of each of {CROWD:,} idle clients there", f"{each:.1f} KB", "10 KB")


# ---- latency

def load(stand, cluster, rate, op="get_paths"):
    """One operation at this rate: the median and the 99th percentile in ms."""
    row = stand.mogbench(cluster, op, f"--rate={rate}")
    return row["latency_ms"]["p50"], row["latency_ms"]["p99"]


def bare_load(stand, cluster, rate):
    """The same of ten bare threads: what the database and the machine make of it without a tracker."""
    row = stand.db_limit(cluster, "lookup", f"--rate={rate}")
    return int(row["p50_us"]) / 1000, int(row["p99_us"]) / 1000


def medians(rounds, side):
    return [statistics.median(column) for column in zip(*(side() for _ in range(rounds)))]


def begin_background(client):
    """Replication of all files, a check of all files, and a rebalance, at once.

    One of the latter two cannot begin while the other one is queueing, so that all checks are queued before.
    """
    client.request("fsck_reset")
    client.request("fsck_start")
    wait_until(lambda: client.request("fsck_status")["running"] == "0", 300, "all checks are queued")
    client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2,3")
    client.request("rebalance_start")
    client.admin("!want 5 replicate")
    client.admin("!want 2 fsck")


def latency(stand, rounds):
    with stand.new_cluster("mariadb", nodes=3, classes=(("two", 2),), files=stand.files) as cluster:
        peak = statistics.median(stand.mogbench(cluster, "get_paths")["per_second"] for _ in range(rounds))
        rate = int(peak / 2)
        median, late = medians(rounds, lambda: load(stand, cluster, rate))
        yield measure(f"get_paths at half of the peak rate, {rate:,}/s: 99th percentile to median",
                      f"{late / median:.1f} ({late:.2f} ms, {median:.2f} ms)", "3.0")
        bare_rate = int(statistics.median(float(stand.db_limit(cluster, "lookup")["per_second"])
                                          for _ in range(rounds)) / 2)
        usual, floor = medians(rounds, lambda: bare_load(stand, cluster, bare_rate))
        yield measure(f"... of the bare client's lookups at half of their own peak rate, {bare_rate:,}/s",
                      f"{floor / usual:.1f} ({floor:.2f} ms, {usual:.2f} ms)")
        usual, floor = medians(rounds, lambda: load(stand, cluster, rate, "noop"))
        yield measure("... of noop at that rate, where nothing but the machine itself is waited for",
                      f"{floor / usual:.1f} ({floor:.2f} ms, {usual:.2f} ms)")
        with cluster.client() as client:
            begin_background(client)
            count = "SELECT COUNT(*) FROM file_to_replicate"
            wait_until(lambda: int(cluster.database.rows(count)[0][0]) < stand.files - 100, 120, "copies are made")
            busy_median, busy_late = medians(min(rounds, 3), lambda: load(stand, cluster, rate))
            left = int(cluster.database.rows(count)[0][0])
        assert left, "the background work ended too early: there is nothing to see"
        yield measure("median and 99th percentile beside replication, fsck and rebalance, to those without",
                      f"{busy_median / median:.1f}, {busy_late / late:.1f} ({busy_median:.2f} ms, {busy_late:.2f} ms)",
                      "2.0, 2.0")


# ---- wakeups

def switches(pid):
    """Context switches of all threads of a process until now."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/status") as f:
                total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))
        except FileNotFoundError:
            continue  # a thread that has just ended
    return total


def wakeups(stand, rounds):
    """Of daemons that have a cluster to look after, and nothing to do."""
    seconds = IDLE_S if rounds >= 5 else 5
    for kind in ("sqlite", "mariadb"):
        with Cluster(kind, nodes=2, options={**WORKERS, **DEFAULT_JOBS}) as cluster:
            daemons = {f"a tracker on {kind}": cluster.tracker.pid, "a storage node": cluster.nodes[0].pid}
            time.sleep(5)
            before = {name: switches(pid) for name, pid in daemons.items()}
            time.sleep(seconds)
            for name, pid in daemons.items():
                if name != "a storage node" or kind == "sqlite":
                    yield measure(f"wakeups of {name}, idle", f"{(switches(pid) - before[name]) / seconds:.1f}/s")


# ---- many clients

def clients(stand, rounds):
    """Many clients against few: where nothing is done but to answer, of redis-server too, and where something is."""
    cluster = stand.cluster("mariadb")
    sides = {op: lambda n, op=op: stand.mogbench(cluster, op, connections=n)["per_second"] for op in ("noop", "get_paths")}
    sides["PING of redis-server"] = stand.redis_ping
    for name, side in sides.items():
        one, few, many = turns(rounds, *(lambda n=n, side=side: side(n) for n in (1, CONNECTIONS, 1000)))
        yield measure(f"{name} with 1,000 clients to {CONNECTIONS}",
                      f"{many / few:.2f} ({many:,.0f} and {few:,.0f}/s; with one client {one:,.0f}/s)",
                      "1.00" if name != "PING of redis-server" else "")


# ---- the start

class Hung:
    """A host that takes connections and never answers."""

    def __init__(self, address, port):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(1000)

    def close(self):
        self.sock.close()


def first_read(tracker, key):
    """Seconds from the start of a tracker until it tells where a file is."""
    tracker.write_config()
    began = time.monotonic()
    tracker.start(wait=False)
    while True:
        try:
            with closing(Client(tracker.address, tracker.port)) as client:
                client.request("get_paths", domain=DOMAIN, key=key)
            return time.monotonic() - began
        except (OSError, AssertionError, TrackerError):
            assert time.monotonic() < began + 60, "the tracker does not serve"
            time.sleep(0.002)


def start(stand, rounds):
    """On a cluster of 100 devices on ten hosts, two of which hang."""
    with Cluster("mariadb", nodes=HOSTS, devices=DEVICES_A_HOST, options=WORKERS) as cluster:
        with cluster.client() as client:
            client.request("create_domain", domain=DOMAIN)
            client.request("create_class", domain=DOMAIN, **{"class": CLASS}, mindevcount=1)
            holder = cluster.node_of(client.upload(DOMAIN, "key", b"x" * 4096, class_=CLASS)["path"])
        hung = []
        for node in [n for n in cluster.nodes if n is not holder][:HUNG_HOSTS]:
            node.stop()
            hung.append(Hung(node.address, node.port))
        try:
            got = []
            for _ in range(rounds):
                cluster.tracker.stop()
                got.append(first_read(cluster.tracker, "key"))
        finally:
            for host in hung:
                host.close()
        yield measure(f"start to the first answer, {HOSTS * DEVICES_A_HOST} devices of which "
                      f"{HUNG_HOSTS * DEVICES_A_HOST} hang", f"{statistics.median(got):.2f} s", "0.3 s")


def node(stand, rounds):
    """A storage node: its memory, and what one of its devices does to the other."""
    connections.allow_descriptors(CROWD + 500)
    got = connections.measure(argparse.Namespace(idle=CROWD, slow=200, seconds=stand.seconds))
    yield measure("memory of a storage node", f"{got['memory_before_kib'] / 1024:.1f} MB", "8 MB")
    yield measure(f"memory of each of {CROWD:,} idle connections there", f"{got['kib_an_idle_connection']} KB", "16 KB")
    for got in isolation.rows(argparse.Namespace(seconds=stand.seconds, rounds=rounds, connections=64, delay=5)):
        yield measure(f"{got['work']} by 64 clients: 99th percentile beside a device that hangs, to that without",
                      f"{got['ratio']:.2f} ({got['beside_p99_ms']} ms)", "2.0")


ROWS = {"memory": memory, "node": node, "latency": latency, "wakeups": wakeups, "clients": clients, "start": start}
