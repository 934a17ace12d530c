# SPDX-License-Identifier: MIT
"""A file system for a benchmark alone: ext4 with a journal, in memory.

An ext4 without a journal passes over inodes that were freed within minutes, one by one, and takes up to ten times as long for
a new file then; others have their own habits. On one of its own a row means the same on every machine.
"""
import os
import shutil
import subprocess
import sys
import tempfile

MEMORY = "/dev/shm"
SIZE = 8 << 30
INODES = 3_000_000
MKFS = ["mkfs.ext4", "-q", "-F", "-N", str(INODES), "-E", "lazy_itable_init=0,lazy_journal_init=0"]


def run(*command):
    """Whether it worked; else what it said is printed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return False
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0


class OwnExt4:
    """A new folder, with such a file system on it where root may mount one and memory has room (`is_own`)."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mogbench-")
        self.image = None
        self.is_own = False
        if os.geteuid() == 0 and os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > SIZE:
            self.is_own = self.mount()

    def mount(self):
        fd, self.image = tempfile.mkstemp(prefix="mogbench-", suffix=".img", dir=MEMORY)
        os.truncate(fd, SIZE)
        os.close(fd)
        return run(*MKFS, self.image) and run("mount", "-o", "loop", self.image, self.folder)

    def close(self):
        if self.is_own and not run("umount", self.folder):
            run("umount", "--lazy", self.folder)  # a program that still runs there is no reason to keep gigabytes
        if self.image:
            os.unlink(self.image)
        shutil.rmtree(self.folder)
