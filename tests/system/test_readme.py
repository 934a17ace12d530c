# SPDX-License-Identifier: MIT
"""The README's first cluster by hand, typed as it stands but for addresses and folders, which are the test's own."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from build import patient
from cluster import BIN, free_port, new_address

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def block():
    """The commands of the section, as one script."""
    with open(os.path.join(TOP, "README.md")) as f:
        section = f.read().split("\n## A first cluster by hand\n")[1].split("\n## ")[0]
    return "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))


class ByHand(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        first, second = new_address(), new_address()
        tracker, side = free_port(first), free_port(first, second)
        self.data = os.path.join(self.folder, "mog")
        changes = [("$PWD/build/bin", BIN), ("/tmp/mog", self.data), ("127.0.0.1:7001", f"{first}:{tracker}"),
                   ("127.0.0.1", first), ("127.0.0.2", second), ("7500", str(free_port(first, second))),
                   (":7501", f":{side}"), ("mogilefsd --skipconfig", f"mogilefsd --skipconfig --mogstored_stream_port={side}")]
        self.script = block()
        for old, new in changes:
            self.assertIn(old, self.script)
            self.script = self.script.replace(old, new)
        # What mogadm asks when nobody names a tracker.
        with open(os.path.join(self.folder, ".mogilefs.conf"), "w") as f:
            f.write(f"trackers = {first}:{tracker}\n")

    def test_each_line_succeeds(self):
        info = "mogfileinfo $T --domain=album --key=/readme"
        script = "set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + self.script.replace(
            "\nkill %1", f'\nuntil [ "$({info} | grep -c "^ - http:")" = 2 ]; do sleep 0.2; done\n{info}\nkill %1')
        script = script.replace("sleep 3 ", f"sleep {patient(3)} ")
        done = subprocess.run(["bash", "-c", script], cwd=TOP, capture_output=True, timeout=patient(60),
                              env={**os.environ, "HOME": self.folder})
        said = done.stdout.decode()
        self.assertEqual(done.returncode, 0, said + done.stderr.decode())
        with open(os.path.join(TOP, "README.md")) as f:
            self.assertIn(f.read(), said, "what mogfetch prints")
        self.assertEqual(len(re.findall(r"(?m)^ - http://\S+/dev[12]/0/000/000/0000000001\.fid$", said.rsplit("- file:", 1)[1])),
                         2, said)
        self.assertFalse(os.path.exists(self.data))


if __name__ == "__main__":
    unittest.main()
