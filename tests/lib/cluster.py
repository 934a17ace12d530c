# SPDX-License-Identifier: MIT
"""Clusters on loopback for tests: trackers on any database, storage nodes, and the test cases that use them.

    class Names(ClusterTest):
        nodes = 2                                  # storage nodes; tracker, database and nodes live as long as the class
        options = {"query_jobs": 4}                # keys of mogilefsd.conf

        def test_noop(self):
            self.assertEqual(self.client.request("noop"), {})

    class NamesOnMariadb(Names):
        database = "mariadb"
"""
import os
import shutil
import sys
import tempfile
import unittest

from client import Client, TrackerError, http, http_connection  # noqa: F401 (for the tests that use this module)
from daemon import BIN, Daemon, program, run  # noqa: F401
from database import CHOSEN, open_database
from waiting import DEADLINE, free_port, new_address, port_open, wait_until  # noqa: F401


class Tracker(Daemon):
    """A mogilefsd in the foreground with a configuration file of its own."""

    def __init__(self, folder, options, address=None, port=None, label="tracker", args=(), env=None):
        self.folder = folder
        self.address = address or new_address()
        self.port = port or free_port(self.address)
        self.options = {"listen": f"{self.address}:{self.port}", "query_jobs": 4, "replicate_jobs": 2, "debug": 1,
                        **({"user": "root"} if os.getuid() == 0 else {}), **options}
        self.config = os.path.join(folder, label + ".conf")
        super().__init__("mogilefsd", [f"--config={self.config}", *args], folder, label, env)

    def write_config(self):
        with open(self.config, "w") as f:
            f.writelines(f"{key} = {value}\n" for key, value in self.options.items() if value not in (None, ""))

    def start(self, wait=True):
        """Start it, and wait until it answers commands."""
        self.write_config()
        super().start()
        if wait:
            self.wait_listening(self.address, self.port)
            with self.client() as client:
                client.request("noop")
        return self

    def client(self, **more):
        return Client(self.address, self.port, **more)

    @property
    def hostport(self):
        return f"{self.address}:{self.port}"


class Node(Daemon):
    """A mogstored with its docroot."""

    def __init__(self, folder, name, devices, address=None, port=None, side_port=None, options=None):
        self.host = name
        self.devices = list(devices)
        self.address = address or new_address()
        self.port = port or free_port(self.address)
        self.side_port = side_port or free_port(self.address)
        self.docroot = os.path.join(folder, name)
        for device in self.devices:
            os.makedirs(os.path.join(self.docroot, f"dev{device}"), exist_ok=True)
        args = ["--skipconfig", f"--httplisten={self.address}:{self.port}",
                f"--mgmtlisten={self.address}:{self.side_port}", f"--docroot={self.docroot}", "--maxconns=500"]
        args += [f"--{key}={value}" for key, value in (options or {}).items()]
        super().__init__("mogstored", args, folder, name)

    def start(self):
        super().start()
        self.wait_listening(self.address, self.port)
        return self

    def url(self, path):
        return f"http://{self.address}:{self.port}{path}"

    def file_of(self, url):
        """Where the file behind a URL of this node lies on its disk."""
        return os.path.join(self.docroot, url.split("/", 3)[3])


class Cluster:
    """Trackers, a database and storage nodes in a scratch folder. A context manager."""

    def __init__(self, database=None, nodes=3, devices=1, trackers=1, options=None, node_options=None,
                 register=True, env=None, tracker_options=None, node_folder=None):
        """`node_folder`: where the nodes' files lie, if not in the scratch folder."""
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.trackers, self.nodes, self.database = [], [], None
        try:
            addresses = [new_address() for _ in range(nodes)]
            side_port = free_port(*addresses)
            self.database = open_database(database, self.folder)
            for i, address in enumerate(addresses):
                own = range(i * devices + 1, (i + 1) * devices + 1)
                self.nodes.append(Node(node_folder or self.folder, f"node{i + 1}", own, address, None, side_port, node_options))
            for i in range(trackers):
                own = tracker_options[i] if tracker_options else {}
                self.trackers.append(Tracker(self.folder, {"mogstored_stream_port": side_port,
                                                           **self.database.options(), **(options or {}), **own},
                                             label=f"tracker{i + 1}", env=env))
            for daemon in self.nodes + self.trackers:
                daemon.start()
            if register and nodes:
                self.register()
        except BaseException:
            print(self.logs(), file=sys.stderr)
            self.destroy()
            raise

    @property
    def tracker(self):
        return self.trackers[0]

    def client(self, **more):
        return self.tracker.client(**more)

    def register(self):
        """Tell the first tracker of all hosts and devices, and wait until all can be stored to."""
        with self.client() as client:
            for node in self.nodes:
                client.request("create_host", host=node.host, ip=node.address, port=node.port, status="alive")
                for device in node.devices:
                    client.request("create_device", devid=device, hostname=node.host)
            self.wait_writeable([d for node in self.nodes for d in node.devices])

    def devices(self, client=None):
        """get_devices as {devid: {field: text}}."""
        with client or self.client() as c:
            got = c.request("get_devices")
        out = {}
        for i in range(1, int(got["devices"]) + 1):
            prefix = f"dev{i}_"
            row = {k[len(prefix):]: v for k, v in got.items() if k.startswith(prefix)}
            out[int(row["devid"])] = row
        return out

    def wait_writeable(self, devids):
        """Wait until these devices are seen as writeable and their space is known, at every tracker."""
        for tracker in self.trackers:
            def ready():
                with tracker.client() as client:
                    client.request("clear_cache")
                got = self.devices(tracker.client())
                return all(got[d]["observed_state"] == "writeable" and got[d]["mb_total"] for d in devids)
            wait_until(ready, what=f"devices {devids} are writeable at {tracker.label}")

    def wait_observed(self, devid, *states):
        wait_until(lambda: self.devices()[devid]["observed_state"] in states, what=f"dev{devid} is one of {states}")

    def node_of(self, url):
        """The node that a URL points to."""
        return next(n for n in self.nodes if url.startswith(n.url("/")))

    def logs(self):
        return "\n".join(f"---- {d.label}\n{d.log()[-8000:]}" for d in self.trackers + self.nodes)

    def stop(self):
        """End everything; AssertionError when a daemon does not end cleanly."""
        problems = []
        for daemon in self.trackers + self.nodes:
            try:
                daemon.stop()
            except AssertionError as e:
                problems.append(str(e))
        self.destroy()
        assert not problems, "\n".join(problems)

    def destroy(self):
        for daemon in self.trackers + self.nodes:
            daemon.kill()
        if self.database:
            self.database.close()
            self.database = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.logs(), file=sys.stderr)
            self.destroy()
        else:
            self.stop()


class ClusterTest(unittest.TestCase):
    """A test case with one cluster for the class (self.cluster) and a fresh connection for each test (self.client).

    Its database is SQLite, or what the environment variable MOG_TEST_DB says; a subclass may run the same tests on
    another one, and is left out when the variable has chosen for all.
    """

    database = None
    nodes, devices, trackers = 0, 1, 1
    options, node_options, env = {}, {}, {}
    register = True
    failed = False

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        bases = [base for base in cls.__mro__[1:] if any(name.startswith("test") for name in vars(base))]
        is_repeat = not any(name.startswith("test") for name in vars(cls)) and \
            any(getattr(base, "database", cls) is None for base in bases)
        if CHOSEN and cls.database and is_repeat:
            unittest.skip(f"all runs on {CHOSEN}")(cls)

    @classmethod
    def setUpClass(cls):
        cls.failed = False
        cls.cluster = Cluster(cls.database, cls.nodes, cls.devices, cls.trackers, cls.options, cls.node_options,
                              cls.register, cls.env)

    @classmethod
    def tearDownClass(cls):
        if cls.failed:
            print(cls.cluster.logs(), file=sys.stderr)
        cls.cluster.stop()

    def setUp(self):
        self.client = self.cluster.client()
        self.addCleanup(self.client.close)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            type(self).failed = True

    def assertOK(self, answer, **args):
        """An OK whose arguments are exactly these (values as text)."""
        self.assertTrue(answer.ok, answer)
        self.assertEqual(answer.args, {k.rstrip("_"): str(v) for k, v in args.items()}, answer)

    def assertERR(self, answer, code, text=None):
        """An ERR with this code, and this decoded text; without a text the code itself must stand there."""
        self.assertFalse(answer.ok, answer)
        self.assertEqual((answer.code, answer.text), (code, code if text is None else text), answer)

    def domain(self, **classes):
        """A new domain with these classes (name=mindevcount); its name belongs to this test alone."""
        name = f"{type(self).__name__}-{self._testMethodName}"
        self.client.request("create_domain", domain=name)
        for class_, mindevcount in classes.items():
            self.client.request("create_class", domain=name, **{"class": class_}, mindevcount=mindevcount)
        return name
