# SPDX-License-Identifier: MIT
"""No password appears in a log, an error text, a list of processes, or what the console shows."""
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from cluster import Tracker, program, run, wait_until
from database import open_database
from waiting import free_port

USER = ["--user=root"] if os.getuid() == 0 else []


def arguments(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read().replace(b"\0", b" ").decode(errors="replace")


class Silence:
    """A port whose server never says a word."""

    def __enter__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(16)
        self.port = self.sock.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.sock.close()


class Secrets(unittest.TestCase):
    kind = "mariadb"
    dsn = "DBI:mysql:mogdb;host=127.0.0.1;port={}"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mogtest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.password, cls.slave_password = secrets.token_hex(8), secrets.token_hex(8)
        cls.database = open_database(cls.kind, cls.folder)
        cls.addClassCleanup(cls.database.close)
        cls.set_password()

    @classmethod
    def set_password(cls):
        cls.database.execute(f"SET PASSWORD FOR moguser@'%' = PASSWORD('{cls.password}')")

    def clean(self, text, *more):
        for secret in (self.password, self.slave_password, *more):
            self.assertNotIn(secret, text)

    def start(self):
        dsn = self.database.options()["db_dsn"]
        tracker = Tracker(self.folder, {"db_dsn": None, "debug": 2}, label=self.id().rsplit(".", 1)[-1],
                          args=[f"--dsn={dsn}", "--dbuser=moguser", f"--dbpass={self.password}"])
        self.addCleanup(tracker.kill)
        return tracker.start()

    def test_a_running_tracker(self):
        tracker = self.start()
        self.clean(arguments(tracker.pid))
        self.assertIn("--dbpass=****", arguments(tracker.pid))
        with tracker.client() as client:
            # A read slave, with a password of its own, that does not answer.
            port = free_port()
            dsn = self.dsn.format(port)
            client.request("set_server_setting", key="slave_keys", value="a")
            client.request("set_server_setting", key="slave_a", value=f"{dsn}|reader|{self.slave_password}")
            client.request("clear_cache")
            client.call("file_info", domain="nowhere", key="k")
            client.request("create_domain", domain="d")
            client.call("file_info", domain="d", key="k")
            shown = [client.admin(c) for c in ("!recent", "!slow", "!queue", "!stats", "!jobs")]
            self.clean(repr(shown))
            self.assertTrue(any("set_server_setting key=slave_a&value=***" in line for line in shown[0]), shown[0])
            self.assertEqual(client.request("server_setting", key="slave_keys")["value"], "a")
        os.kill(tracker.pid, signal.SIGHUP)
        wait_until(lambda: "config: read again" in tracker.log(), what="it has read its configuration again")
        tracker.stop()
        self.clean(tracker.log())

    def test_who_takes_its_place(self):
        tracker = self.start()
        old = tracker.pid
        os.kill(old, signal.SIGUSR2)

        def successor():
            """Of the old one's process group, since that may have gone by now."""
            found = []
            for name in os.listdir("/proc"):
                try:
                    with open(f"/proc/{name}/stat") as f:
                        group = int(f.read().rsplit(")", 1)[1].split()[2])
                except OSError:
                    continue
                if group == old and int(name) != old:
                    found.append(int(name))
            return found
        try:
            new = wait_until(successor, what="another process")[0]
            wait_until(lambda: self.password not in arguments(new), what="the new one has hidden its arguments")
            wait_until(lambda: "the new process serves" in tracker.log(), what="the new one has taken over")
            with tracker.client() as client:
                client.request("get_domains")
        finally:
            os.killpg(old, signal.SIGKILL)
        self.clean(tracker.log())

    def test_a_wrong_password(self):
        wrong = secrets.token_hex(8)
        dsn = self.database.options()["db_dsn"]
        done = run("mogilefsd", "--skipconfig", "--debug", f"--dsn={dsn}", "--dbuser=moguser", f"--dbpass={wrong}", *USER,
                   check=None)
        self.assertEqual(done.returncode, 1)
        self.clean((done.stdout + done.stderr).decode(), wrong)

    def test_programs_that_wait_for_the_database(self):
        with Silence() as silent:
            host = ["--dbhost=127.0.0.1", f"--dbport={silent.port}", "--yes", "--verbose"]
            kind = "MySQL" if self.kind == "mariadb" else "Postgres"
            for name, args in {
                    "mogilefsd": ["--skipconfig", f"--dsn={self.dsn.format(silent.port)}", "--dbuser=moguser",
                                  f"--dbpass={self.password}", *USER],
                    "mogdbsetup": [f"--type={kind}", *host, f"--dbpass={self.password}", "--dbrootpass",
                                   self.slave_password],
                    "mogstats": [f"--db_dsn={self.dsn.format(silent.port)}", "--db_user=moguser",
                                 f"--db_pass={self.password}"]}.items():
                with self.subTest(name):
                    process = subprocess.Popen([program(name), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    try:
                        wait_until(lambda p=process: "****" in arguments(p.pid) or p.poll() is not None,
                                   what="it has read its arguments")
                        self.clean(arguments(process.pid))
                        self.assertIn("****", arguments(process.pid))
                        process.terminate()
                        self.clean(process.communicate(timeout=30)[0].decode())
                    finally:
                        process.kill()
                        process.wait()


class SecretsOnPostgres(Secrets):
    kind = "postgres"
    dsn = "DBI:Pg:dbname=mogdb;host=127.0.0.1;port={}"

    @classmethod
    def set_password(cls):
        cls.database.execute(f"ALTER ROLE moguser PASSWORD '{cls.password}'")


if __name__ == "__main__":
    unittest.main()
