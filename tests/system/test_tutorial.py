# SPDX-License-Identifier: MIT
"""A first cluster, as an operator sets it up: configuration files, daemons, mogadm, an upload, two copies, a fetch."""
import hashlib
import os
import re
import shutil
import signal
import tempfile
import unittest

from cluster import free_port, http, new_address, port_open, run, wait_until
from database import Server

TABLES = """checksum class device domain file file_on file_on_corrupt file_to_delete file_to_delete2 file_to_delete_later
file_to_queue file_to_replicate fsck_log host server_settings tempfile unreachable_fids""".split()
FID_URL = r"http://([0-9.]+):(\d+)/dev([123])/0/000/000/00000000\d\d\.fid"


class Tutorial(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        base = new_address().rsplit(".", 1)[0]
        self.hosts = [f"{base}.{i}" for i in (1, 2, 3)]
        self.http_port = free_port(*self.hosts)
        self.side_port = free_port(*self.hosts)
        self.tracker = f"{self.hosts[0]}:{free_port(self.hosts[0])}"
        self.picture = self.file("test.png", b"\x89PNG\r\n\x1a\n" + os.urandom(70_000))

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def admin(self, *args):
        return run("mogadm", f"--trackers={self.tracker}", *args).stdout.decode()

    def tool(self, name, *args, **more):
        return run(name, f"--trackers={self.tracker}", "--domain=images", *args, **more)

    def database(self):
        """Set the database up and return its keys of mogilefsd.conf."""
        path = os.path.join(self.folder, "mog.db")
        run("mogdbsetup", "--type=SQLite", f"--dbname={path}", "--yes")
        return {"db_dsn": f"DBI:SQLite:{path}"}

    def stop_daemon(self, pidfile, address, port):
        """End a detached daemon by its pid file."""
        try:
            with open(pidfile) as f:
                pid = int(f.read())
        except FileNotFoundError:
            return
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/exe") or not self.is_alive(pid), what=f"{pidfile} has ended")
        self.assertFalse(port_open(address, port))

    def is_alive(self, pid):
        try:
            return bool(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            return False

    def start_nodes(self):
        for i, host in enumerate(self.hosts, 1):
            docroot = os.path.join(self.folder, f"node{i}")
            os.makedirs(os.path.join(docroot, f"dev{i}"))
            pidfile = os.path.join(self.folder, f"mogstored{i}.pid")
            config = self.file(f"mogstored{i}.conf", f"""# storage node {i}
httplisten = {host}:{self.http_port}
mgmtlisten={host}:{self.side_port}
docroot = {docroot}
maxconns = 500
daemonize = 1
pidfile = {pidfile}
""")
            run("mogstored", f"--config={config}")
            self.addCleanup(self.stop_daemon, pidfile, host, self.http_port)
            wait_until(lambda h=host: port_open(h, self.http_port), what=f"mogstored listens at {host}")

    def start_tracker(self):
        pidfile = os.path.join(self.folder, "mogilefsd.pid")
        options = {"daemonize": 1, "pidfile": pidfile, **self.database(), "listen": self.tracker,
                   "conf_port": self.tracker.split(":")[1], "query_jobs": 30, "delete_jobs": 2, "replicate_jobs": 5,
                   "mogstored_stream_port": self.side_port}
        if os.getuid() == 0:
            options["user"] = "root"
        config = self.file("mogilefsd.conf", "".join(f"{k} = {v}\n" for k, v in options.items()))
        run("mogilefsd", "-c", config)
        self.addCleanup(self.stop_daemon, pidfile, *self.tracker_address())

    def tracker_address(self):
        host, port = self.tracker.split(":")
        return host, int(port)

    def test_the_first_cluster(self):
        self.start_nodes()
        self.start_tracker()

        for i, host in enumerate(self.hosts, 1):
            self.admin("host", "add", host, f"--ip={host}", "--status=alive", f"--port={self.http_port}")
            self.admin("device", "add", host, f"{i:03d}")
        listed = self.admin("host", "list")
        for i, host in enumerate(self.hosts, 1):
            self.assertIn(f"{host} [{i}]: alive\n", listed)
            self.assertIn(f"IP:       {host}:{self.http_port}\n", listed)
        listed = self.admin("device", "list")
        for i in (1, 2, 3):
            self.assertRegex(listed, rf"(?m)^ +dev{i}: +alive ")

        self.admin("domain", "add", "images")
        self.admin("class", "add", "images", "img1", "--mindevcount=3")
        self.assertRegex(self.admin("class", "list"), r"(?m)^ images +img1 +3 ")

        def checked():
            text = self.admin("check")
            return text.count(" writeable ") == 3 and text
        text = wait_until(checked, what="mogadm check shows three writeable devices")
        self.assertIn(f"  {self.tracker} ... OK\n", text)
        for i, host in enumerate(self.hosts, 1):
            self.assertIn(f"  [ {i}] {host} ... OK\n", text)

        with open(self.picture, "rb") as f:
            data = f.read()
        done = self.tool("mogupload", "--key=/test.png", f"--file={self.picture}")
        self.assertEqual((done.stdout, done.stderr), (b"", b""))

        def info():
            text = self.tool("mogfileinfo", "--key=/test.png").stdout.decode()
            return re.search(r"(?m)^ *devcount: +2$", text) and text
        text = wait_until(info, what="devcount is 2")
        self.assertTrue(text.startswith("- file: /test.png\n"), text)
        self.assertRegex(text, rf"(?m)^ *length: +{len(data)}$")
        urls = re.findall(r"(?m)^ - (http:.*)$", text)
        self.assertEqual(len(urls), 2, text)
        for url in urls:
            self.assertRegex(url, f"^{FID_URL}$")
            status, _, body = http("GET", url)
            self.assertEqual((status, hashlib.md5(body).digest()), (200, hashlib.md5(data).digest()))
        self.assertEqual(len({url.split("/")[2] for url in urls}), 2, "on two hosts")

        fetched = os.path.join(self.folder, "fetched.png")
        self.tool("mogfetch", "--key=/test.png", f"--file={fetched}")
        with open(fetched, "rb") as f:
            self.assertEqual(f.read(), data)
        self.assertEqual(self.tool("mogfetch", "--key=/test.png", "--file=-").stdout, data)

        self.tool("mogupload", "--key=/three.png", "--class=img1", f"--file={self.picture}")
        wait_until(lambda: b"/dev1/" in (t := self.tool("mogfileinfo", "--key=/three.png").stdout) and b"/dev2/" in t
                   and b"/dev3/" in t, what="three copies of a file of the class img1")

        self.assertEqual(self.tool("moglistkeys").stdout, b"/test.png\n/three.png\n")
        self.tool("mogrename", "--old_key=/three.png", "--new_key=/renamed.png")
        self.assertEqual(self.tool("moglistkeys", "--key_prefix=/r").stdout, b"/renamed.png\n")
        self.tool("mogdelete", "--key=/test.png")
        self.assertNotEqual(self.tool("mogdelete", "--key=/test.png", check=None).returncode, 0)
        wait_until(lambda: all(http("GET", url)[0] == 404 for url in urls), what="the copies are gone")


class TutorialOnMariadb(Tutorial):
    def database(self):
        server = Server("mariadb", self.folder)
        self.addCleanup(server.close)
        self.assertEqual(sorted(row[0] for row in server.rows("SHOW TABLES")), TABLES)
        return server.options()


class TutorialOnPostgres(Tutorial):
    def database(self):
        server = Server("postgres", self.folder)
        self.addCleanup(server.close)
        return server.options()


if __name__ == "__main__":
    unittest.main()
