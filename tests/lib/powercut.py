# SPDX-License-Identifier: MIT
"""Power cuts: a tree as its disk would have it when everything that was not synced may be lost.

    disk = Disk(library, folder)       # folder: the tree, as it is now, is on disk
    Daemon(..., env=disk.env)          # every process that writes there
    ... SIGKILL ...
    disk.cut(rnd, mixed=True)          # the tree is replaced by what is left of it

A name is on disk when its directory was synced after it got there; bytes are when their file was synced. What was not
synced is thrown away; or, with `mixed`, each page and each directory may be as it was last synced or as it is now.
"""
import ctypes
import os
import shutil
import subprocess
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "powercut.c")
PAGE = 4096
AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_ALL = -100, 0x100, 0xFFF
LIBC = ctypes.CDLL(None, use_errno=True)


def build(folder):
    """The library to preload."""
    library = os.path.join(folder, "powercut.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def key_of(path):
    """As the library names it."""
    raw = ctypes.create_string_buffer(256)
    if LIBC.statx(AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, STATX_ALL, raw) != 0:
        raise OSError(ctypes.get_errno(), "statx", path)
    mask = int.from_bytes(raw[0:4], "little")
    if not mask & 0x800:
        raise unittest.SkipTest("this file system does not know when its files were born")
    inode = int.from_bytes(raw[32:40], "little")
    seconds, nanoseconds = int.from_bytes(raw[80:88], "little", signed=True), int.from_bytes(raw[88:92], "little")
    return f"{'d' if os.path.isdir(path) else 'f'}-{inode}-{seconds}.{nanoseconds}"


class Disk:
    def __init__(self, library, tree, durable):
        self.tree, self.durable = tree, durable
        self.env = {"LD_PRELOAD": library, "MOG_DURABLE": durable}
        os.makedirs(durable)
        self.sync()

    def sync(self):
        """All that is there now is on disk."""
        for name in os.listdir(self.durable):
            os.remove(os.path.join(self.durable, name))
        for at, folders, names in os.walk(self.tree):
            for name in names:
                path = os.path.join(at, name)
                shutil.copyfile(path, os.path.join(self.durable, key_of(path)))
            with open(os.path.join(self.durable, key_of(at)), "w", encoding="utf-8") as f:
                f.writelines(f"{key_of(os.path.join(at, n))} {n}\n" for n in folders + names)

    def kept(self, key):
        path = os.path.join(self.durable, key)
        if not os.path.exists(path):
            return b""
        with open(path, "rb") as f:
            return f.read()

    def entries(self, key, live, rnd):
        """{name: key} of a directory after the cut. `live`: it as it is now, if it is there."""
        names = dict(reversed(line.split(" ", 1)) for line in self.kept(key).decode().splitlines())
        if live and rnd:
            now = {n: key_of(os.path.join(live, n)) for n in os.listdir(live)}
            for name in set(names) | set(now):
                if rnd.random() < 0.5:
                    if name in now:
                        names[name] = now[name]
                    else:
                        del names[name]
        return names

    def bytes_of(self, key, live, rnd):
        data = self.kept(key)
        if not (live and rnd):
            return data
        with open(live, "rb") as f:
            now = f.read()
        size = rnd.choice((len(data), len(now)))
        out = bytearray(size)
        for at in range(0, size, PAGE):
            # A page that never reached the disk reads as zeroes.
            source = rnd.choice((data, now))
            page = source[at:min(at + PAGE, size)]
            out[at:at + len(page)] = page
        return bytes(out)

    def cut(self, rnd=None):
        """Replace the tree by what a power cut leaves: what was synced, and by `rnd` some of the rest."""
        live = {}
        for at, folders, names in os.walk(self.tree):
            for path in [at] + [os.path.join(at, n) for n in names]:
                live[key_of(path)] = path
        made = self.tree + ".cut"

        def restore(key, where):
            if key[0] == "d":
                os.mkdir(where)
                for name, entry in self.entries(key, live.get(key), rnd).items():
                    restore(entry, os.path.join(where, name))
            else:
                with open(where, "wb") as f:
                    f.write(self.bytes_of(key, live.get(key), rnd))
        restore(key_of(self.tree), made)
        shutil.rmtree(self.tree)
        os.rename(made, self.tree)
        self.sync()
