#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Uploads that are on disk when they are acknowledged, against as many threads that do the same by hand.

    MOG_BIN=build/bin tests/bench/durable.py [--seconds=3] [--rounds=5] [--threads=10] [--folder=/var/tmp] [--json]

By hand: write, fdatasync, rename, and fsync of the directory, in threads with a folder each; the node has as many
connections. Needs wrk. Both take turns on the same file system; each figure is the median of the rounds.
Nothing is removed before the end, since a file system that has just freed inodes is slow at finding new ones: there must
be room for some gigabytes.
"""
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import BIN, Node  # noqa: E402
from measuring import command_line, parse, show, turns  # noqa: E402
from wrk import put_lua_to, wrk  # noqa: E402

# Names are new, a thousand in a folder.
PATH_LUA = 'string.format("/dev1/{turn}/%d-%d-%03d/%d.fid", id, n % {folders}, math.floor(n / 1000 / {folders}), n)'


def by_hand(args, folder, size):
    helper = os.path.join(os.path.abspath(BIN), "..", "tests", "durable")
    os.makedirs(folder)
    done = subprocess.run([helper, folder, str(args.threads), str(args.seconds), str(size)], capture_output=True, text=True,
                          check=True)
    return float(done.stdout)


def compare(args, folder, node, numbers, size, name):
    def through_node():
        lua = put_lua_to(size, PATH_LUA.format(turn=next(numbers), folders=max(1, args.threads // 2)))
        return wrk(folder, node.url(""), lua, args.seconds, args.threads)
    ours, theirs = turns(args.rounds, through_node,
                         lambda: by_hand(args, os.path.join(node.docroot, f"hand{next(numbers)}"), size))
    return {"work": f"PUT {name}, fsync on", "mogstored": round(ours, 1), "by hand": round(theirs, 1),
            "ratio": round(ours / theirs, 2)}


def rows(args):
    folder = tempfile.mkdtemp(prefix="mogbench-")
    node = Node(folder, "node", [1])
    try:
        node.start()
        numbers = itertools.count()
        for size, name in ((4096, "4k"), (1 << 20, "1m")):
            yield compare(args, folder, node, numbers, size, name)
    finally:
        node.stop()
        shutil.rmtree(folder)


def main():
    parser = command_line(__doc__, seconds=3, rounds=5, folder=None)
    parser.add_argument("--threads", type=int, default=10)
    args = parse(parser)
    show(args, rows(args), "{0[work]:20} mogstored {0[mogstored]:>8}/s   by hand {0[by hand]:>8}/s   ratio {0[ratio]:.2f}".format)


if __name__ == "__main__":
    main()
