# SPDX-License-Identifier: MIT
"""Every option and every verb is in the manual."""
import os
import re
import unittest

from daemon import run
from fake_tracker import FakeTracker, tool_env

MAN = os.path.join(os.path.dirname(__file__), "..", "..", "..", "man")
TOOLS = "mogupload mogfetch mogdelete mogrename mogfileinfo mogfiledebug moglistkeys moglistfids mogtool mogbench".split()
UNDOCUMENTED = {"debug", "lib", "reciept"}  # accepted for old scripts


def manual(name):
    """The text of a page without its markup."""
    with open(os.path.join(MAN, f"{name}.1")) as f:
        text = f.read()
    return re.sub(r"\s+", " ", re.sub(r"\b(Fl|Cm|Ns|Ar|Oo|Oc|Op|It|=)\b", " ", text))


def options_of(text):
    return set(re.findall(r"^ +--([a-z_0-9-]+)", text, re.M)) - UNDOCUMENTED


class Manuals(unittest.TestCase):
    def help(self, *args):
        return run(args[0], *args[1:], check=None, env=tool_env("/nonexistent")).stdout.decode()

    def test_tools(self):
        for tool in TOOLS:
            options = options_of(self.help(tool, "--help"))
            self.assertGreater(len(options), 4, tool)
            text = manual(tool)
            for option in options:
                self.assertRegex(text, rf"[ ,]-(no)?{option}\b", f"--{option} in the manual of {tool}")

    def test_mogstats(self):
        text = manual("mogstats")
        for name in re.search(r"valid stats: (.*)", self.help("mogstats", "--help")).group(1).split(", "):
            self.assertIn(f" {name}", text)

    def test_mogadm(self):
        text = manual("mogadm")
        with FakeTracker() as tracker:
            def adm(*args):
                return self.help("mogadm", f"--trackers={tracker.hostport}", *args)
            verbs = re.findall(r"^         (\w+) (\w+) (\.\.\.)?", adm(), re.M)
            self.assertGreater(len(verbs), 40)
            for topic, verb, more in verbs:
                self.assertRegex(text, rf"\b{topic}( {verb}\b| [\w ,]*, {verb}\b)", f"{topic} {verb}")
                self.assertIn(f"mogadm {topic} {verb}", adm(topic))
                if not more:
                    continue
                page = adm(topic, verb, "--bogus", "x", "x", "x", "x")
                for option in options_of(page) - {"json"}:
                    self.assertIn(f" -{option} ", text, f"{topic} {verb} --{option}")


if __name__ == "__main__":
    unittest.main()
