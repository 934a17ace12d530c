# SPDX-License-Identifier: MIT
"""Slow, failing and deadly file system calls in a daemon under test; see faults.c for the rules."""
import os
import platform
import subprocess
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.c")


class Faults:
    """Builds the library in `folder`; `env` is for the daemon."""

    def __init__(self, folder):
        if platform.machine() != "x86_64":
            raise unittest.SkipTest("the preloaded library speaks x86_64 only")
        library = os.path.join(folder, "faults.so")
        self.rules = os.path.join(folder, "faults")
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self.set()
        self.env = {"LD_PRELOAD": library, "MOG_FAULTS": self.rules,
                    "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    def set(self, *rules):
        """Replace all rules."""
        with open(self.rules + ".new", "w") as f:
            f.writelines(rule + "\n" for rule in rules)
        os.rename(self.rules + ".new", self.rules)

    def read(self, what):
        try:
            with open(f"{self.rules}.{what}") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def calls(self):
        """What the rules have met so far: "<call> <path>"."""
        return self.read("calls")

    def violations(self):
        """Calls of network threads that may have waited for a disk."""
        return self.read("violations")

    def forget(self):
        for what in ("calls", "violations"):
            if os.path.exists(f"{self.rules}.{what}"):
                os.remove(f"{self.rules}.{what}")
