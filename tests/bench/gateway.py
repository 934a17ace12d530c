#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tracker's gateway: redirections against get_paths, a large file through the tracker against the storage node.

    MOG_BIN=build/bin tests/bench/gateway.py [--seconds=3] [--rounds=5] [--size-mb=1024] [--connections=32]
        [--database=sqlite] [--folder=/tmp] [--work=redirect] [--work=large] [--json]

Needs wrk and curl. Both sides of a comparison take turns in every round; each figure is the median of the rounds, and the
ratio is that of the medians. The large file must fit into memory besides all else, since the disk is not what is measured.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Cluster, program, wait_until  # noqa: E402
from measuring import command_line, parse, show, turns  # noqa: E402
from waiting import free_port, new_address  # noqa: E402
from web_case import fetch  # noqa: E402
from wrk import wrk  # noqa: E402

KEYS = 1000


class Gateway:
    """A cluster whose tracker has the gateway on, in one mode, for the domain "d"."""

    def __init__(self, args, mode, nodes):
        self.args = args
        self.address = new_address()
        self.port = free_port(self.address)
        self.cluster = Cluster(args.database, nodes=nodes, node_options={"fsync": "off"}, options={
            "query_jobs": 20, "debug": 0, "http_listen": f"{self.address}:{self.port}", "http_gateway": mode,
            "http_gateway_domains": "d"})
        wait_until(lambda: fetch(self.address, self.port, "/readyz").status == 200, what="the tracker is ready")
        with self.cluster.client() as client:
            client.request("create_domain", domain="d")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.cluster.__exit__(*what)

    @property
    def base(self):
        return f"http://{self.address}:{self.port}"


def row(work, unit, gateway, without):
    return {"work": work, "unit": unit, "gateway": round(gateway), "without": round(without),
            "ratio": round(gateway / without, 2)}


def get_paths_rate(gateway, args):
    done = subprocess.run([program("mogbench"), f"--trackers={gateway.cluster.tracker.hostport}", "--domain=d", "--json",
                           "--ops=get_paths", "--existing", "--prefix=k", f"--connections={args.connections}",
                           f"--seconds={args.seconds}"], capture_output=True, check=True)
    got = next(r for r in json.loads(done.stdout) if r["operation"] == "get_paths")
    assert not got["errors"], got
    return got["per_second"]


def redirections(args):
    with Gateway(args, "redirect", 2) as gateway:
        with gateway.cluster.client() as client:
            for i in range(KEYS):
                client.upload("d", f"k{i}", b"x" * 100)
        lua = (f'local n = math.random({KEYS})\nfunction request() n = n + 1 return wrk.format("GET", "/d/k" .. n % {KEYS}) '
               'end')
        with tempfile.TemporaryDirectory() as folder:
            paths, redirect = turns(args.rounds, lambda: get_paths_rate(gateway, args),
                                    lambda: wrk(folder, gateway.base, lua, args.seconds, args.connections))
    return row("redirect against get_paths", "/s", redirect, paths)


def processor_s(daemons):
    """Processor time until now: of these, and of the children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for daemon in daemons:
        with open(f"/proc/{daemon.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


class Download:
    """A side: MB a second that curl gets, and in `spent` the processor time of a GB, for curl and all daemons."""

    def __init__(self, cluster, url, size):
        self.daemons, self.url, self.gb, self.spent = (cluster.tracker, *cluster.nodes), url, size / 1e9, []

    def __call__(self):
        before = processor_s(self.daemons)
        done = subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-w", "%{speed_download}", self.url],
                              capture_output=True, check=True, text=True)
        self.spent.append((processor_s(self.daemons) - before) / self.gb)
        return float(done.stdout) / 1e6

    def forget(self):
        self.spent.clear()

    @property
    def processor_s_a_gb(self):
        return round(statistics.median(self.spent), 2)


def large_file(args):
    with Gateway(args, "proxy", 1) as gateway:
        with gateway.cluster.client() as client:
            opened = client.request("create_open", domain="d", key="large")
            path = opened.get("path") or opened["path_1"]
            devid = opened.get("devid") or opened["devid_1"]
            size = args.size_mb << 20
            place = gateway.cluster.nodes[0].file_of(path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as f:
                for _ in range(args.size_mb):
                    f.write(os.urandom(1 << 20))
            client.request("create_close", domain="d", key="large", fid=opened["fid"], devid=devid, path=path, size=size)
        sides = [Download(gateway.cluster, url, size) for url in (path, gateway.base + "/d/large")]
        for side in sides:  # into memory, and to open what stays open
            side()
            side.forget()
        before = gateway.cluster.tracker.memory_kib()
        without, through = turns(args.rounds, *sides)
        grown = gateway.cluster.tracker.memory_kib() - before
    return {**row(f"GET of {args.size_mb} MB", " MB/s", through, without), "tracker_grew_kib": grown,
            "processor_s_a_gb": {"gateway": sides[1].processor_s_a_gb, "without": sides[0].processor_s_a_gb}}


def line(got):
    text = "{work:28} gateway {gateway:>7}{unit}   without {without:>7}{unit}   ratio {ratio:.2f}".format(**got)
    if "tracker_grew_kib" in got:
        text += ("   processor time of a GB {gateway:.2f} s, {without:.2f} s".format(**got["processor_s_a_gb"]) +
                 f"   memory of the tracker grew by {got['tracker_grew_kib']} KiB")
    return text


WORKS = {"redirect": redirections, "large": large_file}


def main():
    parser = command_line(__doc__, seconds=3, rounds=5, database="sqlite", folder=None)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--work", dest="works", action="append", choices=WORKS, help="measure this alone")
    args = parse(parser)
    show(args, (WORKS[name](args) for name in args.works or WORKS), line)


if __name__ == "__main__":
    main()
