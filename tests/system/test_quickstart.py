# SPDX-License-Identifier: MIT
"""scripts/quickstart: start, look, start again, stop, and one clear sentence when it cannot."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from cluster import BIN, free_port, http, new_address, port_open

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "quickstart")


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        base = new_address().rsplit(".", 1)[0]
        self.hosts = [f"{base}.{i}" for i in (1, 2, 3)]
        self.port, self.page_port = free_port(self.hosts[0]), free_port(self.hosts[0])
        self.http_port, self.side_port = free_port(*self.hosts), free_port(*self.hosts)
        self.env = {**os.environ, "MOG_QUICKSTART_DIR": os.path.join(self.folder, "quickstart"),
                    "MOG_QUICKSTART_HOSTS": " ".join(self.hosts), "MOG_QUICKSTART_PORT": str(self.port),
                    "MOG_QUICKSTART_PAGE_PORT": str(self.page_port),
                    "MOG_QUICKSTART_HTTP_PORT": str(self.http_port), "MOG_QUICKSTART_SIDE_PORT": str(self.side_port),
                    "MOG_QUICKSTART_BIN": os.path.abspath(BIN)}
        self.addCleanup(self.quickstart, "stop")

    def quickstart(self, *args, check=0):
        done = subprocess.run([SCRIPT, *args], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=200)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, check, text)
        return text

    def test_from_start_to_stop(self):
        text = self.quickstart()
        self.assertIn("[7/7]", text)
        self.assertIn("The cluster runs.", text)
        urls = re.findall(r"(http:\S+) is identical", text)
        self.assertEqual(len({u.split("/")[2] for u in urls}), 2, text)
        for url in urls:
            self.assertEqual(http("GET", url)[0], 200)
        status = self.quickstart("status")
        self.assertEqual(status.count(" runs, process "), 4, status)
        self.assertIn("/", status.split("Keys in the domain", 1)[1])
        page = re.search(r"The page about the cluster: (\S+)", status)[1]
        self.assertEqual(page, f"http://{self.hosts[0]}:{self.page_port}/")
        self.assertIn(b"<title>MogileFS</title>", http("GET", page)[2])
        again = self.quickstart("start")
        self.assertEqual(again.count("runs already"), 4, again)
        self.assertEqual(self.quickstart("stop").count("has ended"), 4)
        self.assertFalse(port_open(self.hosts[0], self.port) or port_open(self.hosts[1], self.http_port))
        self.assertIn("does not run", self.quickstart("status", check=1))
        text = self.quickstart()
        self.assertIn("The cluster runs.", text, "on the data of the first time")

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind((self.hosts[0], self.port))
            other.listen()
            text = self.quickstart(check=1)
        last = text.strip().splitlines()[-1]
        self.assertIn(f"Port {self.port} at {self.hosts[0]} is in use", last)
        self.assertNotIn("The cluster runs.", text)

    def test_a_folder_of_somebody_else(self):
        self.env["MOG_QUICKSTART_DIR"] = "/proc/1"
        last = self.quickstart(check=1).strip().splitlines()[-1]
        self.assertTrue(last.startswith("quickstart: "), last)
        self.env["MOG_QUICKSTART_DIR"] = os.path.join(self.folder, "quickstart")

    def test_usage(self):
        self.assertIn("usage:", self.quickstart("nonsense", check=2))


if __name__ == "__main__":
    unittest.main()
