#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a tracker does by itself, against what one storage node takes: replication, checks, deletion, one large copy.

    MOG_BIN=build/bin tests/bench/background.py [--files=6000] [--size=4096] [--large=1G] [--database=mariadb] [--json]

Needs wrk and curl. One tracker and three storage nodes on loopback with fsync off. Each rate is files a second from the
moment when the first ones are done until all are, with 5 replicate, 4 fsck and 2 delete workers; beside it its share of
the rate at which one of the nodes, alone, takes PUTs of the same size (the median of one measurement before each). The
large file is copied by a replicate worker, and by curl from node to node, in turns.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Cluster, free_port, http, new_address  # noqa: E402
from daemon import run  # noqa: E402
from measuring import command_line, parse, show  # noqa: E402
from waiting import wait_until  # noqa: E402
from wrk import put_lua, wrk  # noqa: E402

DOMAIN = "bench"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
WORKERS = {"replicate": 5, "fsck": 4, "delete": 2}


def size_of(text):
    """Bytes of "4096", "4K", "1G"."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if not match:
        raise argparse.ArgumentTypeError(f"not a size: {text}")
    return int(match[1]) * UNITS[match[2]]


class Bench:
    def __init__(self, args):
        self.args = args
        address = new_address()
        self.metrics_url = f"http://{address}:{free_port(address)}/metrics"
        self.cluster = Cluster(args.database, nodes=3, node_options={"fsync": "off"},
                               options={"http_listen": self.metrics_url[7:-8], "debug": 0,
                                        **{f"{kind}_jobs": 0 for kind in WORKERS}})
        self.client = self.cluster.client()
        self.client.request("create_domain", domain=DOMAIN)
        self.client.request("create_class", domain=DOMAIN, **{"class": "two"}, mindevcount=2)
        self.puts = []

    def close(self):
        self.client.close()
        self.cluster.stop()

    def metric(self, name, queue, more=""):
        """The value of a metric of one queue."""
        text = http("GET", self.metrics_url)[2].decode()
        return float(re.search(rf'^{name}{{queue="{queue}"{more}}} (\S+)$', text, re.M)[1])

    def done(self, queue):
        return int(self.metric("mogilefsd_job_items_total", queue, ',result="done"'))

    def want(self, kind, n):
        self.client.admin(f"!want {n} {kind}")
        wait_until(lambda: self.client.jobs().get(kind, {"count": 0})["count"] == n, what=f"{n} {kind} workers")

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def put_rate(self):
        node = self.cluster.nodes[0]
        name = f"put{len(self.puts)}"
        os.makedirs(os.path.join(node.docroot, "dev1", name))
        with tempfile.TemporaryDirectory() as folder:
            self.puts.append(wrk(folder, node.url(""), put_lua(self.args.size, f"/dev1/{name}"), self.args.seconds))

    def rate(self, kind, total):
        """Let the workers of a kind do `total` items; items a second."""
        before = self.done(kind)
        self.client.admin(f"!want {WORKERS[kind]} {kind}")
        first = wait_until(lambda: self.done(kind) - before, 60, f"the first of {kind} are done", pause=0.05)
        start = time.monotonic()
        wait_until(lambda: self.done(kind) - before >= total, 600, f"all of {kind} are done", pause=0.05)
        seconds = time.monotonic() - start
        self.want(kind, 0)
        return (total - first) / seconds

    def small_files(self):
        n = self.args.files
        self.put_rate()
        run("mogbench", f"--trackers={self.cluster.tracker.hostport}", f"--domain={DOMAIN}", "--class=two", "--keep",
            "--ops=upload", f"--count={n}", f"--size={self.args.size}B", "--seconds=600", timeout=700)
        fids = [r[0] for r in self.rows("SELECT fid FROM file_to_replicate")]
        yield "replicate", self.rate("replicate", len(fids))
        assert self.rows("SELECT COUNT(*) FROM file_on") == [[str(2 * len(fids))]]
        self.put_rate()
        self.client.request("fsck_reset")
        self.client.request("fsck_start")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0", 300, "all are queued")
        yield "fsck", self.rate("fsck", len(fids))
        self.put_rate()
        self.cluster.database.execute("INSERT INTO file_to_delete2 (fid, nexttry) SELECT fid, 0 FROM file")
        self.cluster.database.execute("DELETE FROM file")
        yield "delete", self.rate("delete", len(fids))
        assert self.rows("SELECT COUNT(*) FROM file_on") == [["0"]]

    def large_file(self):
        """Seconds that a worker and curl need for one copy."""
        chunk, size = os.urandom(1 << 20), self.args.large
        opened = self.client.request("create_open", domain=DOMAIN, key="large", **{"class": "two"})
        with tempfile.TemporaryFile() as f:
            for _ in range(size >> 20):
                f.write(chunk)
            f.write(chunk[:size & 0xfffff])
            f.seek(0)
            assert http("PUT", opened["path"], f, {"Content-Length": str(size)}, timeout=120)[0] // 100 == 2
        self.client.request("create_close", domain=DOMAIN, key="large", fid=opened["fid"], devid=opened["devid"],
                            path=opened["path"], size=size)
        node = next(n for n in self.cluster.nodes if n is not self.cluster.node_of(opened["path"]))
        to = node.url(f"/dev{node.devices[0]}/curl.fid")
        ours, theirs = [], []
        for _ in range(self.args.rounds):
            start = time.monotonic()
            subprocess.run(f"curl -sf '{opened['path']}' | curl -sf -H 'Content-Length: {size}' "
                           f"-H 'Transfer-Encoding:' -H 'Expect:' -T - '{to}'", shell=True, check=True)
            theirs.append(time.monotonic() - start)
            assert http("DELETE", to)[0] // 100 == 2
            before = self.metric("mogilefsd_job_seconds_sum", "replicate")
            self.want("replicate", 1)
            wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]], 300, "it is copied")
            self.want("replicate", 0)
            ours.append(self.metric("mogilefsd_job_seconds_sum", "replicate") - before)
            for devid, url in self.copies("large"):
                if devid != opened["devid"]:
                    assert http("DELETE", url)[0] // 100 == 2
            fid = opened["fid"]
            self.cluster.database.execute(f"DELETE FROM file_on WHERE fid={fid} AND devid<>{opened['devid']}")
            self.cluster.database.execute(f"INSERT INTO file_to_replicate (fid, nexttry) VALUES ({fid}, 0)")
        return statistics.median(ours), statistics.median(theirs)

    def copies(self, key):
        info = self.client.request("file_debug", domain=DOMAIN, key=key)
        return [(name[8:], url) for name, url in info.items() if name.startswith("devpath_")]

    def run(self):
        rates = list(self.small_files())
        put = statistics.median(self.puts)
        yield {"work": f"PUT {self.args.size} B", "per_s": round(put)}
        for kind, rate in rates:
            yield {"work": f"{kind} ({WORKERS[kind]} workers)", "per_s": round(rate), "share": round(rate / put, 3)}
        if self.args.large:
            ours, theirs = self.large_file()
            yield {"work": f"copy of {self.args.large >> 20} MB", "mb_per_s": round(self.args.large / ours / 1e6),
                   "curl_mb_per_s": round(self.args.large / theirs / 1e6), "share": round(theirs / ours, 2)}


def main():
    parser = command_line(__doc__, seconds=2, rounds=3, database="mariadb")
    parser.add_argument("--files", type=int, default=6000, help="how many small files")
    parser.add_argument("--size", type=size_of, default=4096, help="their size")
    parser.add_argument("--large", type=size_of, default=1 << 30, help="size of the large file; 0: none")
    args = parse(parser)
    bench = Bench(args)
    try:
        show(args, bench.run(), lambda row: f"{row['work']:24} " + "  ".join(
            f"{name} {value}" for name, value in row.items() if name != "work"))
    finally:
        bench.close()


if __name__ == "__main__":
    main()
