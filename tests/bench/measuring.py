# SPDX-License-Identifier: MIT
"""What the benchmarks share: their command line, sides that take turns, and how rows are printed."""
import argparse
import json
import statistics
import tempfile

OPTIONS = {
    "seconds": {"type": int, "help": "how long each measurement takes"},
    "rounds": {"type": int, "help": "turns of each side, of which the median counts"},
    "database": {"choices": ("mariadb", "postgres", "sqlite")},
    "folder": {"help": "where the files lie (default: the system's scratch folder)"},
}


def command_line(doc, **shared):
    """A parser with --json and those of OPTIONS that a benchmark has, each with its default."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, default in shared.items():
        parser.add_argument(f"--{name}", default=default, **OPTIONS[name])
    parser.add_argument("--json", action="store_true")
    return parser


def parse(parser):
    """The arguments; temporary files and folders lie in --folder from here on."""
    args = parser.parse_args()
    if getattr(args, "folder", None):
        tempfile.tempdir = args.folder
    return args


def turns(rounds, *sides):
    """The median of each side, which take turns, so that what else the machine does hits all alike."""
    got = [[] for _ in sides]
    for _ in range(rounds):
        for figures, side in zip(got, sides):
            figures.append(side())
    return [statistics.median(figures) for figures in got]


def show(args, rows, line, heading=(), about=None):
    """Print each row when it is there, as the text that `line` makes of it; with --json all at the end. The rows.

    `heading` are lines before the first row; `about` goes into the JSON beside the rows.
    """
    got = []
    for text in () if args.json else heading:
        print(text, flush=True)
    for row in rows:
        got.append(row)
        if not args.json:
            print(line(row), flush=True)
    if args.json:
        print(json.dumps({**about, "rows": got} if about else got, indent=1))
    return got
