# SPDX-License-Identifier: MIT
"""What scripts/bench compares: an operation of ours and what it is held against, in turns."""
import argparse

import against_nginx
import durable
import gateway
from measuring import turns
from stand import CONNECTIONS
from wrk import wrk


def row(work, ours, peer, theirs, goal):
    return {"work": work, "ours": round(ours), "peer": peer, "theirs": round(theirs), "ratio": round(ours / theirs, 2),
            "goal": goal}


def nginx_args(stand, rounds):
    return argparse.Namespace(seconds=stand.seconds, rounds=rounds, folder=None)


def pair(work, ours, peer, theirs, goal):
    """A row of two sides; each is made from the stand, and makes its figure."""
    def rows(stand, rounds):
        yield row(work, *interleave(turns(rounds, ours(stand), theirs(stand)), peer), goal)
    return rows


def interleave(figures, peer):
    return figures[0], peer, figures[1]


def on(kind, op, *more):
    return lambda stand: stand.ours(kind, op, *more)


def bare(mode):
    return lambda stand: stand.bare(mode)


def stocked(op):
    """An operation that uses up a file each: as many as a turn can need are stored before it."""
    return lambda stand: stand.ours("mariadb", op, f"--count={1500 * stand.seconds}", f"--keys={1500 * stand.seconds}")


def upload(stand, rounds):
    """The whole upload, against the sum of the times that its parts need when nothing stands before them.

    Our nodes and nginx have their files on the same file system.
    """
    servers = against_nginx.Bench(nginx_args(stand, rounds))
    base = f"http://{servers.address}:{servers.port}"

    def put():
        return wrk(servers.folder, base, servers.put_4k(), stand.seconds, CONNECTIONS)
    try:
        with stand.new_cluster("mariadb", node_folder=servers.folder) as cluster:
            ours, puts, opened, closed = turns(rounds, lambda: stand.mogbench(cluster, "upload")["per_second"], put,
                                               stand.bare("open"), stand.bare("close"))
    finally:
        servers.close()
    yield row("upload of 4 KB, fsync off", ours, "nginx dav PUT and the bare statements, times added",
              1 / (1 / puts + 1 / opened + 1 / closed), 0.6)


def http(stand, rounds):
    """The storage node against nginx."""
    servers = against_nginx.Bench(nginx_args(stand, rounds))
    try:
        for got in servers.run():
            yield row(got["work"] + " at a node", got["mogstored"], "nginx with dav", got["nginx"],
                      1.1 if got["work"] in ("GET 4k", "PUT 4k") else 1.0)
    finally:
        servers.close()


def synced(stand, rounds):
    """Uploads that are on disk when they are answered, by ten clients."""
    for got in durable.rows(argparse.Namespace(seconds=stand.seconds, rounds=rounds, threads=10)):
        yield row(got["work"], got["mogstored"], "ten threads that do the same by hand", got["by hand"], 0.8)


def through_gateway(stand, rounds):
    """A large file through a tracker, against the storage node."""
    got = gateway.large_file(argparse.Namespace(database="sqlite", size_mb=1024, rounds=rounds))
    yield row("GET of 1 GB through the gateway, in MB", got["gateway"], "the storage node alone", got["without"], 0.7)


BARE = "the database alone"
# Those that nothing may have been removed before come first: a file system that has no journal is slow at finding inodes for
# minutes then.
ROWS = {
    "http": http,
    "synced": synced,
    "upload": upload,
    "noop": pair("noop", on("mariadb", "noop"), "redis-server, PING", lambda stand: stand.redis_ping, 1.0),
    "get_paths": pair("get_paths, MariaDB", on("mariadb", "get_paths"), BARE, bare("lookup"), 1.5),
    "file_info": pair("file_info, MariaDB", on("mariadb", "file_info"), BARE, bare("lookup"), 1.5),
    "get_paths_sqlite": pair("get_paths, SQLite", on("sqlite", "get_paths"), "our noop", on("sqlite", "noop"), 0.6),
    "list_keys": pair("list_keys of 100, MariaDB", on("mariadb", "list_keys"), BARE, bare("list"), 0.6),
    "create_open": pair("create_open, MariaDB", on("mariadb", "create_open"), BARE, bare("open"), 1.5),
    "create_close": pair("create_close, MariaDB", stocked("create_close"), BARE, bare("close"), 0.5),
    "delete": pair("delete, MariaDB", stocked("delete"), BARE, bare("delete"), 0.8),
    "gateway": through_gateway,
}
