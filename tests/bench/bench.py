#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Speed beside what it is held against, and what the daemons cost; run by scripts/bench.

Figures are medians of five turns, and whatever a row compares takes turns with it. All programs share two processors.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import compare  # noqa: E402
import measures  # noqa: E402
from client import TrackerError  # noqa: E402
from stand import Stand  # noqa: E402

PROCESSORS = 2


def machine():
    """What this runs on, in a line."""
    with open("/proc/cpuinfo") as f:
        lines = f.read().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    if any(line.startswith("flags") and "hypervisor" in line.split() for line in lines):
        model += " (a virtual machine)"
    with open("/etc/os-release") as f:
        system = next(line.split("=")[1].strip().strip('"') for line in f if line.startswith("PRETTY_NAME="))
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) / (1 << 20)
    return f"{datetime.date.today()}, {len(os.sched_getaffinity(0))} processors of {model}, {memory:.0f} GB, {system}"


def cell(row, key):
    """A cell of a table: counts with commas, ratios with an x."""
    value = row[key]
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}x" if isinstance(value, float) else value


class Table:
    """Rows of one kind below a heading, printed as they come."""

    def __init__(self, out, keys):
        self.out, self.keys, self.begun = out, keys, False

    def add(self, row):
        if not self.begun:
            self.out("")
            self.out("| " + " | ".join(self.keys.values()) + " |")
            self.out("|---" * len(self.keys) + "|")
            self.begun = True
        self.out("| " + " | ".join(cell(row, key) for key in self.keys) + " |")


COMPARED = {"work": "work", "ours": "a second", "peer": "held against", "theirs": "a second", "ratio": "ratio",
            "goal": "goal"}
MEASURED = {"work": "measure", "figure": "figure", "goal": "goal"}


def main():
    names = [*compare.ROWS, *measures.ROWS]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0],
                                     epilog="rows: " + " ".join(names))
    parser.add_argument("rows", nargs="*", metavar="ROW", help="which rows (default: all)")
    parser.add_argument("--quick", action="store_true", help="three turns of one second, 2,000 files")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = [name for name in args.rows if name not in names]
    if unknown:
        parser.error(f"unknown rows: {' '.join(unknown)}; there are {' '.join(names)}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    stand = Stand(1 if args.quick else 3, 2000 if args.quick else 10000)
    rounds, got, failed = 3 if args.quick else 5, [], []

    def out(line):
        if not args.json:
            print(line, flush=True)
    out(machine())
    try:
        for table, rows in ((Table(out, COMPARED), compare.ROWS), (Table(out, MEASURED), measures.ROWS)):
            for name in (n for n in rows if not args.rows or n in args.rows):
                try:
                    for row in rows[name](stand, rounds):
                        got.append({"row": name, **row})
                        table.add(row)
                except (AssertionError, OSError, RuntimeError, TrackerError, subprocess.SubprocessError):
                    traceback.print_exc()  # the other rows may well be had
                    failed.append(name)
    finally:
        stand.close()
    if args.json:
        print(json.dumps({"machine": machine(), "rows": got}, indent=1))
    if failed:
        sys.exit(f"without result: {' '.join(failed)}")


if __name__ == "__main__":
    main()
