# SPDX-License-Identifier: MIT
"""A Galera cluster of real MariaDB nodes on loopback, for tests of db_row_locks."""
import os
import shutil
import subprocess

import mariadb
from database import Server as DatabaseServer
from waiting import free_port, new_address, wait_until

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
# Members that are gone are missed soon, as far as a busy machine allows.
EVS = ("evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_check_period=PT0.5S;"
       "evs.inactive_timeout=PT6S;evs.install_timeout=PT6S;gcache.size=16M;pc.recovery=false")


def missing():
    """Why no such cluster can be had here, or None."""
    if not os.path.exists(PROVIDER):
        return "galera-4 is not installed"
    return None if shutil.which("rsync") else "rsync is not installed"


class Node(mariadb.Server):
    """A node. join() those that are there, or begin a cluster with none; then wait_synced()."""

    def __init__(self, name, host, port):
        super().__init__()
        self.name, self.host, self.port = name, host, port
        # State transfers go through rsync's daemon, which root would turn into "nobody".
        self.account = "mysql"
        if os.geteuid() == 0:
            for path in self.folder, self.tmpdir:
                shutil.chown(path, self.account, self.account)
        self.group_port, self.ist_port, self.sst_port = (free_port(host) for _ in range(3))

    @property
    def group_address(self):
        return f"{self.host}:{self.group_port}"

    def join(self, others=()):
        self.options = [
            "--wsrep-on=1", f"--wsrep-provider={PROVIDER}", "--wsrep-cluster-name=mogtest",
            f"--wsrep-node-name={self.name}", f"--wsrep-node-address={self.host}",
            f"--wsrep-cluster-address=gcomm://{','.join(node.group_address for node in others)}",
            "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address={self.host}:{self.sst_port}",
            f"--wsrep-provider-options=base_host={self.host};base_port={self.group_port};"
            f"gmcast.listen_addr=tcp://{self.host}:{self.group_port};ist.recv_addr={self.host}:{self.ist_port};{EVS}",
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-slave-threads=2",
            *(["--wsrep-new-cluster"] if not others else [])]
        if not others:
            self.start()
            return
        if not os.path.isdir(self.data):  # what belongs there comes from another node
            os.mkdir(self.data)
            if os.geteuid() == 0:
                shutil.chown(self.data, self.account, self.account)
        self.launch()

    def wait_synced(self):
        wait_until(self.ready, 60, f"{self.name} answers")
        wait_until(self.synced, 60, f"{self.name} is in step with its cluster")

    def status(self, name):
        rows = self.rows("", f"SHOW STATUS LIKE '{name}'")
        return rows[0][1] if rows else None

    def synced(self):
        return self.status("wsrep_local_state_comment") == "Synced" and self.status("wsrep_ready") == "ON"


class Nodes(DatabaseServer):
    """What ClusterTest takes for its database: several nodes, whose tables mogdbsetup made at the first."""

    kind, type = "galera", "MySQL"

    def __init__(self, count=3):
        addresses = [new_address() for _ in range(count)]
        port = free_port(*addresses)
        self.nodes = [Node(f"node{i + 1}", address, port) for i, address in enumerate(addresses)]
        try:
            for node in self.nodes:
                node.join(self.nodes[:1] if node is not self.nodes[0] else [])
            for node in self.nodes:
                node.wait_synced()
            self.server = self.nodes[0]
            self.setup()
        except BaseException:
            self.close()
            raise

    def setup(self):
        super().setup("--row-locks")

    def options(self, *order):
        """The keys of mogilefsd.conf for a tracker that prefers the nodes in this order (numbers from 0)."""
        order = [*order, *(i for i in range(len(self.nodes)) if i not in order)]
        hosts = ",".join(self.nodes[i].host for i in order)
        return {"db_dsn": f"DBI:mysql:mogdb;host={hosts};port={self.server.port}", "db_user": "moguser", "db_pass": "mogpass",
                "db_row_locks": 1}

    def close(self):
        for node in self.nodes:
            node.stop()
