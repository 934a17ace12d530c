# SPDX-License-Identifier: MIT
"""Colours: on a terminal, and nowhere else; output that cannot be written is a failure."""
import os
import pty
import subprocess

from adm_case import AdmCase, hosts
from daemon import program, run
from fake_tracker import tool_env


class Terminal(AdmCase):
    def on_terminal(self, **env):
        """What `mogadm host list` writes to a terminal."""
        ours, theirs = pty.openpty()
        full = {**os.environ, **tool_env(self.folder), "TERM": "xterm", **env}
        process = subprocess.Popen([program("mogadm"), f"--trackers={self.tracker.hostport}", "host", "list"],
                                   stdout=theirs, env={k: v for k, v in full.items() if v is not None})
        os.close(theirs)
        out = b""
        try:
            while part := os.read(ours, 4096):
                out += part
        except OSError:
            pass  # the terminal's other end is closed
        os.close(ours)
        self.assertEqual(process.wait(30), 0)
        return out

    def test_colours(self):
        self.tracker.answers["get_hosts"] = hosts({"hostname": "hosta", "status": "down"})
        self.assertIn(b"hosta [1]: \x1b[31mdown\x1b[0m", self.on_terminal(NO_COLOR=None))
        self.assertIn(b"hosta [1]: down", self.on_terminal(NO_COLOR="1"))
        self.assertIn(b"hosta [1]: down", self.on_terminal(NO_COLOR=None, TERM="dumb"))
        done = run("mogadm", f"--trackers={self.tracker.hostport}", "host", "list",
                   env={**tool_env(self.folder), "NO_COLOR": "", "TERM": "xterm"})
        self.assertNotIn(b"\x1b", done.stdout)

    def test_full_disk(self):
        self.tracker.answers["get_hosts"] = hosts({"hostname": "hosta"})
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program("mogadm"), f"--trackers={self.tracker.hostport}", "host", "list"],
                                  stdout=full, stderr=subprocess.PIPE, env={**os.environ, **tool_env(self.folder)})
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write to standard output", done.stderr)


if __name__ == "__main__":
    import unittest
    unittest.main()
