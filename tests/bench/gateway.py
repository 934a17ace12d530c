#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tracker's gateway: redirections against get_paths, a large file through the tracker against the storage node.

    MOG_BIN=build/bin tests/bench/gateway.py [--seconds=3] [--rounds=5] [--size-mb=1024] [--connections=32]
        [--database=sqlite] [--folder=/tmp] [--json]

Needs wrk and curl. Both sides of a comparison take turns in every round; each figure is the median of the rounds, and the
ratio is that of the medians. The large file must fit into memory besides all else, since the disk is not what is measured.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Cluster, program, wait_until  # noqa: E402
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


def medians(rounds, **ways):
    """Call each way in turn, `rounds` times; the median of each."""
    got = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            got[name].append(way())
    return {name: statistics.median(values) for name, values in got.items()}


def get_paths_rate(gateway, args):
    done = subprocess.run([program("mogbench"), f"--trackers={gateway.cluster.tracker.hostport}", "--domain=d", "--json",
                           "--ops=get_paths", "--existing", "--prefix=k", f"--connections={args.connections}",
                           f"--seconds={args.seconds}"], capture_output=True, check=True)
    row = next(r for r in json.loads(done.stdout) if r["operation"] == "get_paths")
    assert not row["errors"], row
    return row["per_second"]


def redirections(args):
    with Gateway(args, "redirect", 2) as gateway:
        with gateway.cluster.client() as client:
            for i in range(KEYS):
                client.upload("d", f"k{i}", b"x" * 100)
        lua = (f'local n = math.random({KEYS})\nfunction request() n = n + 1 return wrk.format("GET", "/d/k" .. n % {KEYS}) '
               'end')
        with tempfile.TemporaryDirectory() as folder:
            got = medians(args.rounds, get_paths=lambda: get_paths_rate(gateway, args),
                          redirect=lambda: wrk(folder, gateway.base, lua, args.seconds, args.connections))
    return {"work": "redirect against get_paths", "unit": "/s", "gateway": round(got["redirect"]),
            "without": round(got["get_paths"]), "ratio": round(got["redirect"] / got["get_paths"], 2)}


def curl_mb_s(url):
    done = subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-w", "%{speed_download}", url], capture_output=True,
                          check=True, text=True)
    return float(done.stdout) / 1e6


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
        direct, proxied = path, gateway.base + "/d/large"
        curl_mb_s(direct), curl_mb_s(proxied)  # into memory, and to open what stays open
        before = gateway.cluster.tracker.memory_kib()
        got = medians(args.rounds, direct=lambda: curl_mb_s(direct), proxy=lambda: curl_mb_s(proxied))
        grown = gateway.cluster.tracker.memory_kib() - before
    return {"work": f"GET of {args.size_mb} MB", "unit": " MB/s", "gateway": round(got["proxy"]), "without": round(got["direct"]),
            "ratio": round(got["proxy"] / got["direct"], 2), "tracker_grew_kib": grown}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--folder", default=None, help="where the files lie (default: the system's scratch folder)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.folder:
        tempfile.tempdir = args.folder
    rows = []
    for measure in (redirections, large_file):
        row = measure(args)
        rows.append(row)
        if not args.json:
            more = f"   memory of the tracker grew by {row['tracker_grew_kib']} KiB" if "tracker_grew_kib" in row else ""
            print("{work:28} gateway {gateway:>7}{unit}   without {without:>7}{unit}   ratio {ratio:.2f}".format(**row) + more,
                  flush=True)
    if args.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
