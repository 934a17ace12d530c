#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The storage node with many connections: what each costs, and how others are served meanwhile.

    MOG_BIN=build/bin tests/bench/connections.py [--idle=10000] [--slow=200] [--seconds=10] [--json]

Opens --idle connections that have been used once and stay, and --slow uploads that send a byte a second; then, for some
seconds, one client more stores and reads files of 4 KB. At the end one connection above `maxconns`.
"""
import os
import resource
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from measuring import command_line, parse, show  # noqa: E402
from storednode import StoredNode  # noqa: E402

REQUEST = b"GET /dev1/x HTTP/1.1\r\n\r\n"


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"{count} descriptors are needed, {hard} is the limit")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count) if soft != resource.RLIM_INFINITY else soft, hard))


def open_idle(node, count):
    connections = []
    for _ in range(count):
        connection = node.connect()
        connection.send(REQUEST)
        connections.append(connection)
    for connection in connections:
        assert connection.answer().status == 200
    return connections


def open_slow(node, count):
    slow = []
    for i in range(count):
        connection = node.connect()
        connection.send(f"PUT /dev1/slow/{i} HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        slow.append(connection)
    return slow


def serve(node, slow, seconds):
    """Store and read while the slow ones send their bytes. The latencies of both, in ms."""
    puts, gets, sent = [], [], 0
    end = time.monotonic() + seconds
    with node.connect() as connection:
        while time.monotonic() < end:
            if sent < seconds - (end - time.monotonic()):
                for other in slow:
                    other.send(b"x")
                sent += 1
            at = time.monotonic()
            assert connection.request("PUT", f"/dev1/n/{len(puts)}", body=b"y" * 4096).status == 201
            puts.append((time.monotonic() - at) * 1000)
            at = time.monotonic()
            assert connection.request("GET", f"/dev1/n/{len(gets)}").status == 200
            gets.append((time.monotonic() - at) * 1000)
    return puts, gets


def percentiles(values):
    values = sorted(values)
    return {f"p{p}_ms": round(values[min(len(values) - 1, len(values) * p // 100)], 2) for p in (50, 99)}


def closed(connections):
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.sock, selectors.EVENT_READ)
        return len(selector.select(0))


def above_the_limit(node, places, have):
    """What the client gets that comes when all places are taken, by slow uploads."""
    more = open_slow(node, places - have)
    time.sleep(1)
    answer = node.request("GET", "/dev1/usage")
    for connection in more:
        connection.close()
    return f"{answer.status} {answer.body.decode().strip()}"


def measure(args):
    places = args.idle + args.slow + 1
    with StoredNode((1,), {"maxconns": places, "fsync": "off"}) as node:
        node.write("/dev1/x", b"x" * 4096)
        for _ in range(10):
            node.request("GET", "/dev1/x")
        before = node.memory_kib()
        idle = open_idle(node, args.idle)
        with_idle = node.memory_kib()
        slow = open_slow(node, args.slow)
        puts, gets = serve(node, slow, args.seconds)
        with_slow = node.memory_kib()
        result = {"idle_connections": args.idle, "slow_uploads": args.slow, "memory_before_kib": before,
                  "kib_an_idle_connection": round((with_idle - before) / max(args.idle, 1), 1),
                  "kib_a_slow_upload": round((with_slow - with_idle) / max(args.slow, 1), 1),
                  "put": percentiles(puts), "get": percentiles(gets), "requests": len(puts) + len(gets),
                  "closed_meanwhile": closed(idle) + closed(slow)}
        for connection in idle:
            connection.close()
    with StoredNode((1,), {"maxconns": 50}) as node:
        result["above_maxconns"] = above_the_limit(node, 50, 0)
    return result


def main():
    parser = command_line(__doc__, seconds=10)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--slow", type=int, default=200)
    args = parse(parser)
    allow_descriptors(args.idle + args.slow + 200)
    show(args, [measure(args)], lambda row: "\n".join(f"{key:24} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
