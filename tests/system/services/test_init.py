# SPDX-License-Identifier: MIT
"""The SysV init scripts with real daemons, in a folder that stands for the root of the file system."""
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest

from client import Client, http
from daemon import program
from handover_case import end, is_gone, read_pid
from waiting import free_port, new_address, port_open, wait_until

INIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "init")


class InitScript(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.address = new_address()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        for folder in ("etc/mogilefs", "etc/default", "run", "state", "data/dev1"):
            os.makedirs(os.path.join(self.folder, folder))

    def prepare(self, name, settings):
        """The script with its paths below our folder."""
        self.name, self.variable = name, name.upper()
        self.config = self.path(f"etc/mogilefs/{name}.conf")
        with open(self.config, "w") as f:
            f.writelines(f"{key} = {value}\n" for key, value in settings.items())
        with open(os.path.join(INIT, f"{name}.init")) as f:
            text = f.read()
        text, n = re.subn(r"^(CONFIG|DEFAULTS|RUN)=/", rf"\1={self.folder}/", text, flags=re.M)
        self.assertEqual(n, 3)
        text, n = re.subn(r"^DAEMON=.*$", f"DAEMON={program(name)}", text, flags=re.M)
        self.assertEqual(n, 1)
        self.script = self.path("script")
        with open(self.script, "w") as f:
            f.write(text)
        self.defaults(f"{self.variable}_RUNASUSER={self.user}\n")
        self.pidfile = self.path(f"run/{name}/{name}.pid")
        self.addCleanup(self.end_daemon)

    def path(self, name):
        return os.path.join(self.folder, name)

    def defaults(self, text):
        with open(self.path(f"etc/default/{self.name}"), "w") as f:
            f.write(text)

    def end_daemon(self):
        if os.path.exists(self.pidfile):
            end(read_pid(self.pidfile))

    def run_script(self, verb, status=0):
        done = subprocess.run(["dash", self.script, verb], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, text=True)
        self.assertEqual(done.returncode, status, f"{verb}: {done.stdout}")
        return done.stdout

    def life(self, serves, break_config):
        self.assertIn("not running", self.run_script("status", 3))
        self.run_script("start")
        self.assertTrue(serves())
        pid = read_pid(self.pidfile)
        self.assertIn(f"process {pid}", self.run_script("status"))
        self.assertIn("already running", self.run_script("start"))
        self.run_script("reload")
        self.run_script("upgrade")
        upgraded = read_pid(self.pidfile)
        self.assertNotEqual(upgraded, pid)
        wait_until(lambda: is_gone(pid))
        self.assertTrue(serves())
        self.run_script("restart")
        restarted = read_pid(self.pidfile)
        self.assertTrue(is_gone(upgraded) and serves())
        # A file with a mistake is refused, and the daemon goes on.
        with open(self.config) as f:
            good = f.read()
        with open(self.config, "w") as f:
            f.write(good + break_config)
        for verb in ("reload", "upgrade", "force-reload"):
            self.assertIn(break_config.split()[0], self.run_script(verb, 1))
        self.assertEqual(read_pid(self.pidfile), restarted)
        self.assertTrue(serves())
        with open(self.config, "w") as f:
            f.write(good)
        self.run_script("stop")
        self.assertTrue(is_gone(restarted))
        self.assertFalse(os.path.exists(self.pidfile))
        self.run_script("stop")
        self.run_script("try-restart")
        self.run_script("status", 3)
        self.run_script("nonsense", 3)

    def refusals(self):
        # Somebody else's process is never taken for the daemon, nor ended.
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        os.makedirs(os.path.dirname(self.pidfile), exist_ok=True)
        with open(self.pidfile, "w") as f:
            f.write(f"{other.pid}\n")
        self.assertIn("not running", self.run_script("status", 1))
        self.run_script("stop")
        self.assertIsNone(other.poll())
        self.assertFalse(os.path.exists(self.pidfile))
        # Without a user or without a file it is not started, and that is no failure.
        self.defaults("")
        self.assertIn(f"{self.variable}_RUNASUSER", self.run_script("start"))
        self.defaults(f"{self.variable}_RUNASUSER={self.user}\n")
        os.remove(self.config)
        self.assertIn("there is no", self.run_script("start"))
        self.run_script("status", 3)

    def test_mogilefsd(self):
        port = free_port(self.address)
        self.prepare("mogilefsd", {"listen": f"{self.address}:{port}", "state_dir": self.path("state"), "query_jobs": 2,
                                   **({"user": "root"} if self.user == "root" else {})})

        def serves():
            with Client(self.address, port) as client:
                return client.call("noop").ok
        self.life(serves, "query_jobs = many\n")
        self.assertFalse(port_open(self.address, port))
        self.refusals()

    def test_mogstored(self):
        port, side = free_port(self.address), free_port(self.address)
        self.prepare("mogstored", {"httplisten": f"{self.address}:{port}", "mgmtlisten": f"{self.address}:{side}",
                                   "docroot": self.path("data"), "maxconns": 100})

        def serves():
            return http("GET", f"http://{self.address}:{port}/")[0] == 200
        self.life(serves, "put_status = many\n")
        self.assertFalse(port_open(self.address, port))
        self.refusals()


if __name__ == "__main__":
    unittest.main()
