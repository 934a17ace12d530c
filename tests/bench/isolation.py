#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What requests to one device feel of another one that hangs: their latency beside it, against that of an undisturbed run.

    MOG_BIN=build/bin tests/bench/isolation.py [--seconds=5] [--rounds=5] [--connections=64] [--delay=5] [--json]

Every file operation below dev2 takes --delay seconds (the preloaded library of the tests), and as many connections as dev1
has ask for its files; who is refused with 503 tries again after a second. Both runs take turns. Needs wrk.
"""
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from faults import Faults  # noqa: E402
from measuring import command_line, parse, show  # noqa: E402
from storednode import StoredNode  # noqa: E402
from wrk import wrk_latency  # noqa: E402

GET = 'local n = 0\nfunction request() n = n + 1 return wrk.format("GET", "/dev1/4k/" .. n % 64) end'
PUT = """local n = 0
local body = string.rep("x", 4096)
function request()
  n = n + 1
  return wrk.format("PUT", "/dev1/put/" .. n % 64, {["Content-Length"] = #body}, body)
end"""
RETRY_S = 1


class Disturbers:
    """Connections to the device that hangs: GET and PUT in turns, for as long as they are not stopped."""

    def __init__(self, node, count):
        self.node, self.over, self.answers = node, threading.Event(), {}
        self.threads = [threading.Thread(target=self.work, args=(i,), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, i):
        while not self.over.is_set():
            try:
                with self.node.connect() as connection:
                    connection.sock.settimeout(60)
                    while not self.over.is_set():
                        if i % 2:
                            answer = connection.request("GET", f"/dev2/4k/{i}")
                        else:
                            answer = connection.request("PUT", f"/dev2/put/{i}", body=b"x" * 4096)
                        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                        if answer.status == 503:
                            self.over.wait(RETRY_S)
            except (OSError, AssertionError, IndexError, ValueError):
                self.over.wait(RETRY_S)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def measure(args, folder, node, faults, lua):
    def undisturbed():
        return wrk_latency(folder, f"http://{node.address}:{node.port}", lua, args.seconds, args.connections)

    def disturbed():
        faults.set(f"* /dev2/ delay {args.delay * 1000}")
        others = Disturbers(node, args.connections)
        time.sleep(1)
        try:
            return undisturbed()
        finally:
            faults.set()
            others.stop()
    alone, beside = [], []
    for _ in range(args.rounds):
        alone.append(undisturbed())
        beside.append(disturbed())
    return [[statistics.median(x[i] for x in side) for i in range(2)] for side in (alone, beside)]


def rows(args):
    folder = tempfile.mkdtemp(prefix="mogbench-")
    try:
        faults = Faults(folder)
        with StoredNode((1, 2), {"fsync": "off", "maxconns": 1000}, faults.env, folder) as node:
            for device in (1, 2):
                for i in range(64):
                    node.write(f"/dev{device}/4k/{i}", os.urandom(4096))
            for name, lua in (("GET 4k", GET), ("PUT 4k", PUT)):
                (p50, p99), (beside_p50, beside_p99) = measure(args, folder, node, faults, lua)
                yield {"work": name, "p50_ms": round(p50, 2), "p99_ms": round(p99, 2),
                       "beside_p50_ms": round(beside_p50, 2), "beside_p99_ms": round(beside_p99, 2),
                       "ratio": round(beside_p99 / p99, 2)}
    finally:
        shutil.rmtree(folder)


def main():
    parser = command_line(__doc__, seconds=5, rounds=5, folder=None)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--delay", type=int, default=5)
    args = parse(parser)
    show(args, rows(args),
         "{0[work]}: p50 {0[p50_ms]} ms, p99 {0[p99_ms]} ms; beside a device that hangs p50 {0[beside_p50_ms]} ms, "
         "p99 {0[beside_p99_ms]} ms; p99 {0[ratio]}x".format)


if __name__ == "__main__":
    main()
