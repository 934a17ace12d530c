# SPDX-License-Identifier: MIT
"""Everything that a cluster can be asked, at once: files, the page, administration, settings, signals, other processes.

What was acknowledged is there at the end. Above all this is food for ThreadSanitizer: each pair of threads meets.
"""
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import unittest
from http.client import HTTPException

from build import RACES, patient
from client import TrackerError, http
from cluster import Node, Tracker
from database import CHOSEN, open_database
from handover_case import end, is_gone, read_pid
from storednode import Connection
from waiting import free_port, new_address, wait_until
from web_case import fetch

ROUNDS = 2 if RACES else 1
JOBS = ("queryworker", "delete", "replicate", "fsck", "reaper", "monitor", "job_master")
PAGES = ("/metrics", "/api/status", "/", "/healthz", "/readyz", "/api/why?domain=d&key=kept0-1", "/d/kept0-1", "/d/none")


class AtOnce(unittest.TestCase):
    database = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        self.seed, self.stopping = seed, threading.Event()
        self.kept, self.problems, self.done = {}, [], {}
        self.store = open_database(self.database, self.folder)
        self.addCleanup(self.store.close)
        self.nodes = []
        addresses = [new_address() for _ in range(3)]
        self.side_port = free_port(*addresses)
        for i, address in enumerate(addresses):
            self.nodes.append(self.make_node(i, address))
        self.web = new_address()
        self.web_port = free_port(self.web)
        state = os.path.join(self.folder, "state")
        os.makedirs(state, exist_ok=True)
        self.tracker = Tracker(self.folder, {
            "mogstored_stream_port": self.side_port, "http_listen": f"{self.web}:{self.web_port}",
            "http_gateway": "proxy", "http_gateway_domains": "d", "pidfile": os.path.join(self.folder, "tracker.pid"),
            **self.store.options()})
        self.tracker.pidfile = self.tracker.options["pidfile"]
        for daemon in [*self.nodes, self.tracker]:
            self.addCleanup(self.end, daemon)
            daemon.start()
        self.register()

    def make_node(self, i, address):
        node = Node(self.folder, f"node{i + 1}", [2 * i + 1, 2 * i + 2], address, None, self.side_port)
        node.config, node.pidfile = os.path.join(self.folder, f"node{i + 1}.conf"), node.docroot + ".pid"
        node.options = {"httplisten": f"{address}:{node.port}", "mgmtlisten": f"{address}:{self.side_port}",
                        "docroot": node.docroot, "maxconns": 500, "pidfile": node.pidfile}
        node.args = [f"--config={node.config}"]
        node.env["MOG_DISK_USAGE_INTERVAL"] = "1"
        self.configure(node)
        return node

    def configure(self, daemon, **more):
        """Write its configuration file, all at once."""
        with open(daemon.config + ".new", "w") as f:
            f.writelines(f"{k} = {v}\n" for k, v in {**daemon.options, **more}.items() if v is not None)
        os.rename(daemon.config + ".new", daemon.config)

    def end(self, daemon):
        if self.stopping.is_set() and daemon.running():
            daemon.kill()
        try:
            end(read_pid(daemon.pidfile), signal.SIGKILL)
        except FileNotFoundError:
            pass
        daemon.kill()

    def register(self):
        with self.tracker.client() as c:
            for node in self.nodes:
                c.request("create_host", host=node.host, ip=node.address, port=node.port, status="alive")
                for devid in node.devices:
                    c.request("create_device", devid=devid, hostname=node.host)
            c.request("create_domain", domain="d")
            c.request("create_class", domain="d", mindevcount=2, **{"class": "two"})
            c.request("create_class", domain="d", mindevcount=3, hashtype="MD5", **{"class": "sum"})
            wait_until(lambda: c.call("create_open", domain="d", key="first").ok, what="there is room")

    # ---- what goes on; each is called again and again

    def write(self, c, rnd, turn, me):
        key = f"kept{me}-{turn}"
        data = rnd.randbytes(rnd.choice((0, 10, 3000, 100_000)))
        try:
            c.upload("d", key, data, rnd.choice(("two", "sum")))
        except (TrackerError, AssertionError):
            return  # nowhere to, or too late: settings and jobs change meanwhile
        self.kept[key] = data

    def churn(self, c, rnd, turn, me):
        """Keys that nobody counts on."""
        key, other = f"gone{rnd.randrange(20)}", f"gone{rnd.randrange(20)}"
        try:
            c.upload("d", key, b"x" * rnd.randrange(2000), "two")
        except (TrackerError, AssertionError):
            pass
        c.call("rename", domain="d", from_key=key, to_key=other)
        c.call("updateclass", domain="d", key=other, **{"class": "sum"})
        c.call("file_info", domain="d", key=other, devices=1)
        c.call("file_debug", domain="d", key=other)
        c.call("list_keys", domain="d", prefix="kept", limit=rnd.randrange(1, 200))
        c.call("list_fids", **{"from": 0, "to": 50})
        c.call("delete", domain="d", key=rnd.choice((key, other)))

    def read(self, c, rnd, turn, me):
        key = rnd.choice(list(self.kept) or ["none"])
        got = c.call("get_paths", domain="d", key=key, noverify=rnd.choice((0, 1)), pathcount=rnd.choice((1, 2, 9)))
        if got.ok and int(got.args["paths"]):
            status, _, body = http("GET", got.args["path1"])
            if status == 200 and body != self.kept[key]:
                self.problems.append(f"{key}: other bytes from {got.args['path1']}")

    def pages(self, c, rnd, turn, me):
        fetch(self.web, self.web_port, rnd.choice(PAGES), rnd.choice(("GET", "HEAD")))

    def administer(self, c, rnd, turn, me):
        c.jobs()
        for line in ("!stats", "!queue", "!recent", "!pending", "!slow", "!status", "!version"):
            c.admin(line)
        job = rnd.choice(JOBS)
        if job in ("queryworker", "replicate", "delete"):
            c.admin(f"!want {rnd.randrange(2, 7)} {job}")
        else:
            c.admin(f"!want 0 {job}")
            c.admin(f"!want 1 {job}")
        c.admin(f"!to {rnd.choice(JOBS)} :shutdown")
        self.stopping.wait(0.05)  # more often, and all workers do is come and go

    def watch(self, c, rnd, turn, me):
        with self.tracker.client() as watcher:
            watcher.send(b"!watch\r\n")
            watcher.sock.settimeout(0.3)
            try:
                while watcher.sock.recv(65536):
                    pass
            except socket.timeout:
                pass

    def settings(self, c, rnd, turn, me):
        for key, value in (("memcache_servers", rnd.choice(("", "127.0.0.1:1"))), ("case_sensitive_list_keys", turn % 2),
                           ("skip_devcount", rnd.choice((0, 0, 1))), ("fsck_checksum", rnd.choice(("class", "MD5"))),
                           ("internal_queue_limit", rnd.choice((200, 500))), ("queue_rate_for_reaper", 100),
                           ("zone_near", "127.0.0.0/8"), ("network_zones", rnd.choice(("", "near")))):
            c.call("set_server_setting", key=key, value=value)
        c.call("server_settings")
        c.call("clear_cache")

    def shape(self, c, rnd, turn, me):
        """Hosts, devices, domains and classes come, change and go."""
        name = f"other{me}"
        c.call("create_domain", domain=name)
        c.call("create_class", domain=name, mindevcount=2, **{"class": "a"})
        c.call("update_class", domain=name, mindevcount=3, **{"class": "a"})
        c.call("delete_class", domain=name, **{"class": "a"})
        c.call("delete_domain", domain=name)
        c.call("create_host", host=name, ip="127.0.0.1", port=9, status="down")
        c.call("create_device", devid=100 + me, hostname=name, state="down")
        c.call("update_host", host=name, altip="127.0.0.2", altmask="127.0.0.0/8")
        node = self.nodes[turn % 3]
        for state in (rnd.choice(("down", "drain", "readonly")), "alive"):
            c.call("set_state", host=node.host, device=node.devices[0], state=state)
        c.call("set_weight", host=node.host, device=node.devices[1], weight=rnd.randrange(1, 100))
        for command in ("get_hosts", "get_devices", "get_domains", "do_monitor_round", "replicate_now"):
            c.call(command)

    def checks(self, c, rnd, turn, me):
        for command in ("fsck_stop", "fsck_clearlog", "fsck_reset", "fsck_start", "fsck_status", "fsck_getlog"):
            c.call(command)
        c.call("rebalance_stop")
        c.call("rebalance_reset")
        c.call("rebalance_set_policy", policy=f"from_devices={rnd.randrange(1, 7)} limit_by=none leave_in_drain_mode=0")
        for command in ("rebalance_test", "rebalance_start", "rebalance_status", "fsck_status"):
            c.call(command)

    def signals(self, c, rnd, turn, me):
        """Other configurations; log files anew."""
        self.configure(self.tracker, query_jobs=rnd.randrange(2, 8), replicate_jobs=rnd.randrange(1, 4),
                       debug=rnd.randrange(3), node_timeout=rnd.randrange(2, 5), min_free_space=rnd.randrange(1, 50))
        for node in self.nodes:
            self.configure(node, device_threads=rnd.randrange(2, 12), put_status=rnd.choice((200, 201)))
        for daemon in [self.tracker, *self.nodes]:
            try:
                os.kill(read_pid(daemon.pidfile), rnd.choice((signal.SIGHUP, signal.SIGUSR1)))
            except (ProcessLookupError, ValueError):
                pass  # another process takes its place just now
        self.stopping.wait(0.1)

    def aside(self, c, rnd, turn, me):
        """The storage nodes' own ports: files of nobody's, the side channel, who watches."""
        node = rnd.choice(self.nodes)
        devid = rnd.choice(node.devices)
        path = f"/dev{devid}/9/999/{me:03}/{turn % 9:010}.fid"
        with Connection(node.address, node.port) as http_side, Connection(node.address, self.side_port) as side, \
                Connection(node.address, self.side_port) as watcher:
            watcher.send("watch\n")
            watcher.line()
            for method, body in (("PUT", rnd.randbytes(rnd.randrange(70000))), ("GET", None), ("HEAD", None),
                                 ("DELETE", None)):
                http_side.request(method, path, body=body)
            http_side.request("GET", f"/dev{devid}/usage")
            for line in (f"size {path}", f"MD5 /dev{devid}/usage", f"MD5 /dev{devid}/usage fsck", "version"):
                side.say(line)

    def other_process(self, daemon):
        """Another process takes its place."""
        old = read_pid(daemon.pidfile)
        os.kill(old, signal.SIGUSR2)

        def taken():
            try:
                return read_pid(daemon.pidfile) != old
            except ValueError:
                return False
        wait_until(taken, what=f"another process serves for {daemon.label}")
        wait_until(lambda: is_gone(old), 60, f"the old {daemon.label} ends")

    # ---- the run

    def go_on(self, what, me):
        rnd, turn, c = random.Random(f"{self.seed}/{me}"), 0, None
        while not self.stopping.is_set():
            try:
                c = c or self.tracker.client()
                what(c, rnd, turn, me)
                self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
            except (OSError, EOFError, HTTPException) as e:
                # An old process of a storage node cuts what is idle; a tracker never does.
                if what.__name__ not in ("aside", "pages", "read", "write", "churn"):
                    self.problems.append(f"{what.__name__}: {e!r}")
                    return
                if c:
                    c.close()
                c = None
            except Exception as e:
                self.problems.append(f"{what.__name__}: {e!r}")
                raise
            turn += 1
        if c:
            c.close()

    def test_at_once(self):
        work = [self.write, self.write, self.churn, self.churn, self.read, self.read, self.pages, self.pages,
                self.administer, self.watch, self.settings, self.shape, self.checks, self.signals, self.aside, self.aside]
        threads = [threading.Thread(target=self.go_on, args=(what, i), daemon=True) for i, what in enumerate(work)]
        for thread in threads:
            thread.start()
        try:
            for daemon in (self.tracker, self.nodes[0]) * ROUNDS:
                before = dict(self.done)
                wait_until(lambda b=before: self.problems or all(self.done.get(w.__name__, 0) > b.get(w.__name__, 0)
                                                                 for w in work), 60, "each has its turn")
                self.other_process(daemon)
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join(patient(60))
        print(f"{self.done}, {len(self.kept)} files", flush=True)
        self.assertEqual(self.problems, [])
        self.assertFalse([t.name for t in threads if t.is_alive()])
        self.calm_down()
        for key, data in self.kept.items():
            self.whole(key, data)
        for daemon in [self.tracker, *self.nodes]:
            end(read_pid(daemon.pidfile))

    def calm_down(self):
        self.configure(self.tracker)
        with self.tracker.client() as c:
            for command in ("fsck_stop", "rebalance_stop"):
                c.call(command)
            for key in ("memcache_servers", "network_zones", "skip_devcount"):
                c.call("set_server_setting", key=key, value="")
            for job in JOBS:
                c.admin(f"!want {3 if job in JOBS[:3] else 1} {job}")
            for node in self.nodes:
                for devid in node.devices:
                    c.request("set_state", host=node.host, device=devid, state="alive")
            c.request("clear_cache")

    def whole(self, key, data):
        def there():
            with self.tracker.client() as c:
                paths = c.paths("d", key)
            return paths and http("GET", paths[0])[2] == data
        wait_until(there, what=f"{key} is whole")


@unittest.skipIf(CHOSEN, f"all runs on {CHOSEN}")
class AtOnceOnMariadb(AtOnce):
    database = "mariadb"


@unittest.skipIf(CHOSEN or not RACES, "left to ThreadSanitizer: slow")
class AtOnceOnPostgres(AtOnce):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
