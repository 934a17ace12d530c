#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether anything grows under a load that stays the same: memory, threads and descriptors of the daemons, each minute.

    MOG_BIN=build/bin tests/bench/steady.py [--database=sqlite] [--minutes=60] [--rate=100] [--json]

Uploads of a class of two copies, get_paths, file_info, fetches and deletes take turns at that rate; a check of all files
begins every ten minutes. Files are deleted at the end of each turn, so that the cluster has as many after it as before.
Exit status 1 when a daemon has more than a tenth and 2 MB more memory at the end than after the first quarter.
"""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
sys.path.insert(0, os.path.dirname(__file__))
from client import TrackerError  # noqa: E402
from cluster import Cluster  # noqa: E402
from daemon import die_with_parent, program  # noqa: E402
from measuring import command_line, parse, show  # noqa: E402
from stand import CLASS, DOMAIN  # noqa: E402

OPS = "upload,get_paths,file_info,fetch,delete"
OPTIONS = {"query_jobs": 20, "replicate_jobs": 2, "delete_jobs": 1, "fsck_jobs": 1, "debug": 0}
TURN_S, SAMPLE_S, CHECK_EVERY_S = 6, 60, 600
GROWTH, SLACK_KIB = 1.1, 2048


def sample(daemon):
    """Memory in KiB, threads and descriptors of a daemon."""
    return {"rss_kib": daemon.memory_kib(), "threads": len(os.listdir(f"/proc/{daemon.pid}/task")),
            "fds": len(os.listdir(f"/proc/{daemon.pid}/fd"))}


def load(cluster, rate, turn):
    """One turn of all operations, which ends by itself."""
    return subprocess.Popen([program("mogbench"), f"--trackers={cluster.tracker.hostport}", f"--domain={DOMAIN}",
                             f"--ops={OPS}", "--connections=16", f"--seconds={TURN_S}", f"--rate={rate}",
                             f"--class={CLASS}", f"--prefix=turn{turn}/", "--keys=300", "--json"],
                            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)


def begin_check(cluster):
    with cluster.client() as client:
        try:
            client.request("fsck_reset")
            client.request("fsck_start")
        except TrackerError as e:
            print(f"no check: {e}", file=sys.stderr)  # the last one still runs


def run(cluster, args):
    """Load until the time is over; a row for each minute."""
    daemons = [cluster.tracker, *cluster.nodes]
    began = time.monotonic()
    turn, requests, errors, process = 0, 0, 0, None
    next_sample, next_check = began, began + CHECK_EVERY_S / 2
    while True:
        now = time.monotonic()
        if process is None or process.poll() is not None:
            if process is not None:
                for done in json.loads(process.communicate()[0]):
                    requests, errors = requests + done["requests"], errors + done["errors"]
            turn += 1
            process = load(cluster, args.rate, turn)
        if now >= next_check:
            begin_check(cluster)
            next_check += CHECK_EVERY_S
        if now >= next_sample:
            yield {"minute": round((now - began) / 60), "requests": requests, "errors": errors,
                   **{d.label: sample(d) for d in daemons}}
            next_sample += SAMPLE_S
            if now - began >= args.minutes * 60:
                process.communicate()
                return
        time.sleep(0.5)


def has_grown(rows, label):
    """The last quarter beside the second one: the first is for what is made once and kept."""
    values = [row[label]["rss_kib"] for row in rows]
    quarter = len(values) // 4
    if quarter == 0:
        return False
    before, after = statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])
    return after > before * GROWTH and after > before + SLACK_KIB


def line(row):
    cells = [f"{cell['rss_kib'] / 1024:.1f} MB, {cell['threads']}, {cell['fds']}" for cell in row.values()
             if isinstance(cell, dict)]
    return f"| {row['minute']} | {row['requests']:,} | {row['errors']} | " + " | ".join(cells) + " |"


def main():
    parser = command_line(__doc__, database="sqlite")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=int, default=100, help="requests a second")
    args = parse(parser)
    with Cluster(args.database, nodes=3, options=OPTIONS) as cluster:
        labels = [d.label for d in (cluster.tracker, *cluster.nodes)]
        with cluster.client() as client:
            client.request("create_domain", domain=DOMAIN)
            client.request("create_class", domain=DOMAIN, **{"class": CLASS}, mindevcount=2)
        heading = ("| minute | requests | errors | " + " | ".join(f"{name}: memory, threads, files" for name in labels) +
                   " |", "|---" * (3 + len(labels)) + "|")
        rows = show(args, run(cluster, args), line, heading)
    grown = [label for label in labels if has_grown(rows, label)]
    if grown:
        sys.exit(f"grown: {' '.join(grown)}")


if __name__ == "__main__":
    main()
