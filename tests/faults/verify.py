# SPDX-License-Identifier: MIT
"""The end of a run: everything is mended, and then every byte, every row and every file is accounted for."""
import collections
import os

from client import TrackerError, http
from waiting import wait_until
from world import safe

QUIET_S = 180
SEEN_S = 60


def queues(world):
    """How many rows wait where."""
    return {table: int(world.database.rows(f"SELECT COUNT(*) FROM {table}")[0][0])
            for table in ("file_to_replicate", "file_to_delete2", "file_to_queue")}


def drain(world):
    """Let the trackers finish what waits."""
    def quiet():
        world.hurry()
        left = queues(world)
        if any(left.values()):
            raise AssertionError(f"still waiting: {left}")
        return True
    wait_until(quiet, QUIET_S, "all queues are empty", pause=0.5)


def check_all(world):
    """A whole fsck; its events by kind."""
    with world.any_client() as client:
        for command in ("fsck_stop", "fsck_clearlog", "fsck_reset"):
            client.request(command)
        client.request("fsck_start")
        top = int(world.database.rows("SELECT COALESCE(MAX(fid), 0) FROM file")[0][0])

    def done():
        world.hurry()
        with world.any_client() as client:
            status = client.request("fsck_status")
        if int(status.get("highest_fid_checked") or 0) < top and status.get("running") != "0":
            raise AssertionError(f"fsck is at {status}")
        return not any(queues(world).values())
    wait_until(lambda: done(), QUIET_S, "fsck is through", pause=0.5)
    events = collections.Counter(r[0] for r in world.database.rows("SELECT evcode FROM fsck_log"))
    with world.any_client() as client:
        client.request("fsck_stop")
    return events


def settle(world, say):
    """Mend what the faults have left, as an operator would: fsck until it finds nothing."""
    world.wait_whole(QUIET_S)
    drain(world)
    for turn in range(1, 6):
        events = check_all(world)
        say(f"  fsck {turn}: " + (", ".join(f"{k} {n}" for k, n in sorted(events.items())) or "nothing to mend"))
        drain(world)
        if not set(events) - {"NSUM"}:
            return
    world.journal.violation(f"fsck still finds {dict(events)} after five turns")


def paths_of(world, client, key, count):
    """The URLs of a key: `count`, unless some are missing for good.

    On a machine that has no time for them, nodes answer late, and a tracker leaves their devices out for a while.
    """
    urls = []

    def all_there():
        urls[:] = client.paths(world.domain, key, noverify=1, pathcount=100)
        return len(urls) >= count
    try:
        wait_until(all_there, SEEN_S, f"all copies of {key} are offered", pause=0.2)
    except AssertionError:
        pass  # the caller tells what is missing
    return urls


def check_keys(world):
    """Every key from every replica."""
    journal, found = world.journal, {"keys": 0, "copies": 0, "unclear": 0}
    with world.any_client() as client:
        for key in journal.keys():
            allowed = journal.allowed(key)
            found["unclear"] += len(allowed) > 1
            try:
                info = client.request("file_info", domain=world.domain, key=key, devices=1)
                urls = paths_of(world, client, key, len(info["devids"].split(",")))
            except TrackerError as e:
                if e.code != "unknown_key":
                    journal.violation(f"{key}: {e}")
                elif None not in allowed:
                    journal.violation(f"LOST: {key} is unknown; it must be {allowed}")
                continue
            values = [v for v in allowed if v is not None]
            if not values:
                journal.violation(f"{key} was deleted, and is there")
                continue
            found["keys"] += 1
            if not urls:
                journal.violation(f"LOST: {key} has no copy; it must be {allowed}")
                continue
            for url in urls:
                status, _, body = http("GET", url, timeout=20)
                match = [v for v in values if status == 200 and v.bytes() == body]
                if not match:
                    journal.violation(f"{key}: {url} gives {status}, {len(body)} bytes {body[:60]!r}; allowed: {allowed}")
                    continue
                found["copies"] += 1
                if match[0].size != int(info["length"]):
                    journal.violation(f"{key}: its length is said to be {info['length']}, it is {match[0].size}")
                values = match  # all copies are the same
            if len(urls) < 2:
                journal.violation(f"{key} has one copy only after everything was mended: {urls}")
            if len(urls) != int(info["devcount"]) or len(urls) != len(info["devids"].split(",")):
                journal.violation(f"{key}: {len(urls)} copies, devcount {info['devcount']}, devices {info['devids']}")
    return found


def check_disks(world):
    """Database and disks, both ways. Returns figures."""
    rows, journal = world.database.rows, world.journal
    files = {int(f): (int(length), int(count)) for f, length, count in rows("SELECT fid, length, devcount FROM file")}
    on = {(int(f), int(d)) for f, d in rows("SELECT fid, devid FROM file_on")}
    pending = {int(r[0]) for r in rows("SELECT fid FROM tempfile")} | {
        int(r[0]) for r in rows("SELECT fid FROM file_to_delete2")}
    disks = {(fid, devid): path for devid, device in world.devices.items() for fid, path in device.files().items()}
    for fid, devid in sorted(on):
        if fid not in files and fid not in pending:
            journal.violation(f"fid {fid} is said to be on dev{devid}, and there is no such file")
        if (fid, devid) not in disks:
            journal.violation(f"fid {fid} is said to be on dev{devid}, and it is not on the disk")
        elif fid in files and os.path.getsize(disks[fid, devid]) != files[fid][0]:
            journal.violation(f"fid {fid} on dev{devid} has a length that the database does not know")
    for fid, (_, devcount) in files.items():
        count = sum(f == fid for f, _ in on) if len(files) < 50 else None
        if count is not None and count != devcount:
            journal.violation(f"fid {fid}: devcount {devcount}, and {count} rows")
    counts = collections.Counter(f for f, _ in on)
    for fid, (_, devcount) in files.items():
        if counts[fid] != devcount:
            journal.violation(f"fid {fid}: devcount {devcount}, and {counts[fid]} rows")
    extra = [place for place in disks if place not in on and place[0] not in pending]
    ours = [place for place in extra if place in journal.uncertain_puts]
    temporary = [name for device in world.devices.values() for _, _, names in os.walk(device.path) for name in names
                 if name.startswith(".mogtmp-")]
    return {"files on disks": len(disks), "left by uploads that broke": len(ours),
            "left by copies that broke": len(extra) - len(ours), "temporary files": len(temporary),
            "unexplained": [p for p in extra if p not in journal.uncertain_puts]}


def whole(world, say):
    """All checks; the violations end up in the journal."""
    settle(world, say)
    keys = check_keys(world)
    disks = check_disks(world)
    unexplained = disks.pop("unexplained")
    # A copy that was made or given up while its tracker, node, database or disk broke may lie there without a row.
    if unexplained and not world.unclean:
        world.journal.violation(f"files without a row, a queue entry or a reason: {unexplained[:20]}")
    say("  " + ", ".join(f"{k} {n}" for k, n in {**keys, **disks}.items()))
    assert safe(lambda: world.any_client().close() is None), "no tracker answers at the end"
