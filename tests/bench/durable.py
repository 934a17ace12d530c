#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Uploads that are on disk when they are acknowledged, against as many threads that do the same by hand.

    MOG_BIN=build/bin tests/bench/durable.py [--seconds=3] [--rounds=5] [--threads=10] [--folder=/var/tmp] [--json]

By hand: write, fdatasync, rename, and fsync of the directory, in threads with a folder each; the node has as many
connections. Needs wrk. Both take turns on the same file system; each figure is the median of the rounds.
Nothing is removed before the end, since a file system that has just freed inodes is slow at finding new ones: there must
be room for some gigabytes.
"""
import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import BIN, Node  # noqa: E402
from wrk import put_lua_to, wrk  # noqa: E402

# Names are new, a thousand in a folder.
PATH_LUA = 'string.format("/dev1/{turn}/%d-%d-%03d/%d.fid", id, n % {folders}, math.floor(n / 1000 / {folders}), n)'


def by_hand(args, folder, size):
    helper = os.path.join(os.path.abspath(BIN), "..", "tests", "durable")
    os.makedirs(folder)
    done = subprocess.run([helper, folder, str(args.threads), str(args.seconds), str(size)], capture_output=True, text=True,
                          check=True)
    return float(done.stdout)


def compare(args, folder, node, turns, size, name):
    got = {"mogstored": [], "by hand": []}
    for _ in range(args.rounds):
        turn = next(turns)
        lua = put_lua_to(size, PATH_LUA.format(turn=turn, folders=max(1, args.threads // 2)))
        got["mogstored"].append(wrk(folder, node.url(""), lua, args.seconds, args.threads))
        got["by hand"].append(by_hand(args, os.path.join(node.docroot, f"hand{turn}"), size))
    ours, theirs = (statistics.median(values) for values in got.values())
    return {"work": f"PUT {name}, fsync on", "mogstored": round(ours, 1), "by hand": round(theirs, 1),
            "ratio": round(ours / theirs, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--folder", default=None, help="where the files lie (default: the system's scratch folder)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="mogbench-", dir=args.folder)
    node = Node(folder, "node", [1])
    try:
        node.start()
        rows = []
        for size, name in ((4096, "4k"), (1 << 20, "1m")):
            rows.append(compare(args, folder, node, itertools.count(len(rows) * args.rounds), size, name))
            if not args.json:
                print("{work:20} mogstored {mogstored:>8}/s   by hand {by hand:>8}/s   ratio {ratio:.2f}".format(**rows[-1]),
                      flush=True)
        if args.json:
            print(json.dumps(rows, indent=1))
    finally:
        node.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
