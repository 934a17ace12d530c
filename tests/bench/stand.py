# SPDX-License-Identifier: MIT
"""What scripts/bench measures on: clusters with files in them, each made when it is first needed, and the peers."""
import json
import os
import subprocess

from cluster import Cluster
from daemon import BIN, die_with_parent, run
from database import Server
from waiting import free_port, port_open, wait_until

CONNECTIONS, BARE_THREADS = 32, 10
DOMAIN, CLASS, PREFIX = "bench", "one", "bench/"
WORKERS = {"query_jobs": 20, "replicate_jobs": 0, "delete_jobs": 0, "fsck_jobs": 0, "debug": 0}
# Durable, and all data in memory: what a cluster's database should be.
MARIADB = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=128M",
           "--max-connections=500")
HISTORY = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"


def tool(cluster, name, *args, timeout=600):
    """Run one of the tools against the first tracker of a cluster; what it printed."""
    return run(name, f"--trackers={cluster.tracker.hostport}", f"--domain={DOMAIN}", *args, timeout=timeout).stdout


class Stand:
    """The clusters and servers of a run. `seconds`: of a turn; `files`: how many files there are."""

    def __init__(self, seconds, files):
        self.seconds, self.files = seconds, files
        self.clusters, self.redis_server = {}, None

    def close(self):
        for cluster in self.clusters.values():
            cluster.stop()
        if self.redis_server:
            self.redis_server.terminate()
            self.redis_server.wait()

    # ---- ours

    def new_cluster(self, database, nodes=2, classes=((CLASS, 1),), files=None, options=None, node_folder=None):
        """A cluster on a database of its own, with files in it."""
        if database == "mariadb":
            database = Server("mariadb", "", MARIADB)
        cluster = Cluster(database, nodes=nodes, options={**WORKERS, **(options or {})}, node_options={"fsync": "off"},
                          node_folder=node_folder)
        with cluster.client() as client:
            client.request("create_domain", domain=DOMAIN)
            for name, copies in classes:
                client.request("create_class", domain=DOMAIN, **{"class": name}, mindevcount=copies)
        tool(cluster, "mogbench", "--ops=upload", f"--count={self.files if files is None else files}",
             f"--class={classes[0][0]}", f"--prefix={PREFIX}", "--keep", f"--connections={CONNECTIONS}",
             "--seconds=3600", timeout=1800)
        return cluster

    def cluster(self, kind):
        if kind not in self.clusters:
            self.clusters[kind] = self.new_cluster(kind)
        return self.clusters[kind]

    def settle(self, cluster):
        """Let the database finish what earlier turns left to it."""
        if cluster.database.kind == "mariadb":
            wait_until(lambda: int(cluster.database.rows(HISTORY)[0][0]) < 1000, 120, "the database is at rest", 0.2)

    def mogbench(self, cluster, op, *more, connections=CONNECTIONS):
        """One turn; mogbench's row. Operations that only read use the files that there are."""
        self.settle(cluster)
        reads = () if op in ("create_close", "upload", "delete") else ("--existing", f"--keys={self.files}")
        rows = json.loads(tool(cluster, "mogbench", f"--ops={op}", f"--connections={connections}",
                               f"--seconds={self.seconds}", f"--class={CLASS}", f"--prefix={PREFIX}", "--json", *reads,
                               *more))
        if rows[0]["errors"] and not any(arg.startswith("--rate") for arg in more):
            raise AssertionError(f"{op}: {rows[0]}")
        return rows[0]

    def ours(self, kind, op, *more):
        """A turn of an operation on a kind of database, as a function."""
        return lambda: self.mogbench(self.cluster(kind), op, *more)["per_second"]

    # ---- peers

    def db_limit(self, cluster, mode, *more):
        """A turn of db_limit on a cluster's own rows: the fields that it prints."""
        self.settle(cluster)
        dmid = cluster.database.rows(f"SELECT dmid FROM domain WHERE namespace='{DOMAIN}'")[0][0]
        done = subprocess.run([os.path.join(os.path.abspath(BIN), "..", "tests", "db_limit"), mode,
                               f"--port={cluster.database.server.port}", "--database=mogdb", "--user=moguser",
                               "--password=mogpass", f"--threads={BARE_THREADS}", f"--seconds={self.seconds}",
                               f"--keys={self.files}", f"--domain-id={dmid}", f"--prefix={PREFIX}", *more],
                              capture_output=True, text=True, check=True, timeout=600)
        return dict(f.split("=") for f in done.stdout.split())

    def bare(self, mode):
        """A turn of db_limit, as a function that returns its operations a second."""
        return lambda: float(self.db_limit(self.cluster("mariadb"), mode)["per_second"])

    def redis_ping(self, connections=CONNECTIONS):
        """PINGs a second, of a redis-server without persistence."""
        if not self.redis_server:
            self.redis_port = free_port()
            self.redis_server = subprocess.Popen(
                ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                 "no", "--daemonize", "no"], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
            wait_until(lambda: port_open("127.0.0.1", self.redis_port), what="redis listens")
            self.redis_rate = self.redis_turn(20000, CONNECTIONS)
        return self.redis_turn(int(self.redis_rate * self.seconds), connections)

    def redis_turn(self, requests, connections):
        out = subprocess.run(["redis-benchmark", "-p", str(self.redis_port), "-t", "ping_mbulk", "-c", str(connections),
                              "-n", str(requests), "--csv"], capture_output=True, text=True, check=True).stdout
        return float(next(line.split(",")[1].strip('"') for line in out.splitlines() if line.startswith('"PING')))
