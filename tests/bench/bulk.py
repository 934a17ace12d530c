# SPDX-License-Identifier: MIT
"""Millions of files in a database by its own means: rows of `file` and `file_on`, as uploads leave them, without their bytes."""

import contextlib
import sqlite3

CHUNK = 100_000
CACHE_KIB = 1 << 20
# In no order of their numbers, as names are; 35 bytes or so.
SCATTER = "(n * 2654435761) % 4294967296"


def numbers(kind, first, last):
    """first to last as a table of one column `n`."""
    if kind == "mariadb":
        return f"(SELECT CAST(seq AS SIGNED) AS n FROM seq_{first}_to_{last}) x"
    if kind == "postgres":
        return f"generate_series({first}::bigint, {last}) AS x(n)"
    return f"(WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c WHERE n < {last}) SELECT n FROM c) x"


def name(kind, prefix):
    """The name of file n."""
    if kind == "mariadb":
        return f"CONCAT('{prefix}', LPAD({SCATTER}, 10, '0'), '/', LPAD(n, 12, '0'))"
    if kind == "postgres":
        return f"('{prefix}' || LPAD(({SCATTER})::text, 10, '0') || '/' || LPAD(n::text, 12, '0'))::bytea"
    return f"printf('{prefix}%010d/%012d', {SCATTER}, n)"


@contextlib.contextmanager
def writer(database):
    """A function that runs statements; SQLite's default cache is too small for names in no order."""
    if database.kind != "sqlite":
        yield database.execute
        return
    with contextlib.closing(sqlite3.connect(database.path, timeout=30)) as db:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("PRAGMA synchronous = OFF")

        def execute(sql):
            with db:
                db.execute(sql)
        yield execute


def fill(database, count, prefix, dmid=1, classid=1, devids=(1, 2)):
    """Store `count` files in an empty database; the tracker has to be started again, which looks for the highest fid once."""
    with writer(database) as execute:
        for first in range(1, count + 1, CHUNK):
            rows = numbers(database.kind, first, min(count, first + CHUNK - 1))
            execute("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) "
                    f"SELECT n, {dmid}, {name(database.kind, prefix)}, 4096, {classid}, {len(devids)} FROM {rows}")
            for devid in devids:
                execute(f"INSERT INTO file_on (fid, devid) SELECT n, {devid} FROM {rows}")
        if database.kind == "postgres":
            execute("ANALYZE")
        elif database.kind == "mariadb":
            execute("ANALYZE TABLE file, file_on")
