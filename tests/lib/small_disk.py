# SPDX-License-Identifier: MIT
"""A small file system of its own for a test, which can be filled up."""
import contextlib
import os
import subprocess
import tempfile


def can_mount():
    """Whether small file systems can be mounted here."""
    folder = tempfile.mkdtemp(prefix="mogtest-")
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
        if made.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return made.returncode == 0
    except FileNotFoundError:
        return False
    finally:
        os.rmdir(folder)


class SmallDisk:
    """A tmpfs of so many KiB at `path`, which is made. close() when nobody uses it any more."""

    def __init__(self, path, kib):
        os.makedirs(path, exist_ok=True)
        self.path, self.ballast = path, os.path.join(path, "ballast")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", path], check=True, capture_output=True)

    def fill(self):
        """Leave no byte."""
        with open(self.ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(4096))

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.ballast)

    def close(self):
        subprocess.run(["umount", "-l", self.path], capture_output=True)
