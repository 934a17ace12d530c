#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether a tracker stays as fast when its database grows: a small and a large one, on one machine, in turns.

    MOG_BIN=build/bin tests/bench/growth.py [--database=sqlite] [--database=mariadb] [--small=10000] [--large=1000000]
                                            [--huge] [--rounds=5] [--seconds=2] [--json]

For each operation the median rate of both, and how many times slower the large one is; exit status 1 when one is more than
1.3 times slower. --huge takes 10,000,000 files, and get_paths alone.
"""
import functools
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
sys.path.insert(0, os.path.dirname(__file__))
import bulk  # noqa: E402
from measuring import command_line, parse, show, turns  # noqa: E402
from stand import CLASS, DOMAIN, MARIADB, PREFIX, Stand, WORKERS  # noqa: E402
from cluster import Cluster  # noqa: E402
from database import Server  # noqa: E402

OPERATIONS = ("get_paths", "create_open", "create_close", "delete", "list_keys")
HUGE, KEYS_ASKED_FOR = 10_000_000, 100_000
GOAL = 1.3


class Side:
    """A cluster with so many files."""

    def __init__(self, kind, files, seconds):
        self.stand = Stand(seconds, min(files, KEYS_ASKED_FOR))
        database = Server("mariadb", "", MARIADB) if kind == "mariadb" else kind
        self.cluster = Cluster(database, nodes=2, options=WORKERS, node_options={"fsync": "off"})
        try:
            with self.cluster.client() as client:
                client.request("create_domain", domain=DOMAIN)
                client.request("create_class", domain=DOMAIN, **{"class": CLASS}, mindevcount=1)
            self.cluster.tracker.stop()
            bulk.fill(self.cluster.database, files, PREFIX)
            self.cluster.tracker.start()
            self.cluster.wait_writeable([1, 2])
        except BaseException:
            self.cluster.destroy()
            raise

    def rate(self, operation):
        return self.stand.mogbench(self.cluster, operation)["per_second"]


def compare(kind, args):
    """Rows of one kind of database."""
    sides = []
    try:
        for files in (args.small, args.large):
            began = time.monotonic()
            sides.append(Side(kind, files, args.seconds))
            print(f"{kind}: {files:,} files in {time.monotonic() - began:.0f} s", file=sys.stderr)
        for operation in args.operations:
            small, large = turns(args.rounds, *(functools.partial(side.rate, operation) for side in sides))
            yield {"database": kind, "operation": operation, "small": round(small), "large": round(large),
                   "times_slower": round(small / large, 2)}
    finally:
        for side in sides:
            side.cluster.stop()


def main():
    parser = command_line(__doc__, seconds=2, rounds=5)
    parser.add_argument("--database", action="append", choices=("sqlite", "mariadb", "postgres"))
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--operation", dest="operations", action="append", choices=OPERATIONS)
    args = parse(parser)
    args.operations = args.operations or (["get_paths"] if args.huge else OPERATIONS)
    if args.huge:
        args.large = HUGE
    rows = show(args, (row for kind in args.database or ("sqlite", "mariadb") for row in compare(kind, args)),
                "| {0[database]} | {0[operation]} | {0[small]:,} | {0[large]:,} | {0[times_slower]:.2f} |".format,
                (f"| database | operation | a second, {args.small:,} files | a second, {args.large:,} | times slower |",
                 "|---|---|---|---|---|"), {"files": [args.small, args.large]})
    sys.exit(any(row["times_slower"] > GOAL for row in rows))


if __name__ == "__main__":
    main()
