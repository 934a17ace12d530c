# SPDX-License-Identifier: MIT
"""The faults. Each is a function of the world that breaks something and returns (what it did, how to mend it)."""
import os
import resource
import signal
import socket
import sqlite3
import threading

from build import RACES
from proxy import MODES
from waiting import wait_until

RESTART_S = 60


class NotHere(Exception):
    """This fault cannot be had on this machine, or not now."""


# ---- processes

def tracker_killed(world):
    tracker = world.rnd.choice(world.trackers)
    tracker.kill()
    return f"SIGKILL {tracker.label}", tracker.start


def node_killed(world):
    node = world.rnd.choice(world.nodes)
    node.kill()
    return f"SIGKILL {node.label}", node.start


def stopped(daemon):
    os.kill(daemon.pid, signal.SIGSTOP)
    return f"SIGSTOP {daemon.label}", lambda: os.kill(daemon.pid, signal.SIGCONT)


def tracker_stopped(world):
    return stopped(world.rnd.choice(world.trackers))


def node_stopped(world):
    return stopped(world.rnd.choice(world.nodes))


def database_killed(world):
    if world.database.kind == "sqlite":
        raise NotHere("there is no server")
    server = world.database.server
    server.halt(signal.SIGKILL)
    return "SIGKILL database", server.start


def database_stopped(world):
    """The server hangs; SQLite's counterpart is somebody who holds the lock of the file."""
    if world.database.kind == "sqlite":
        done = threading.Event()
        held = threading.Event()

        def hold():
            db = sqlite3.connect(world.database.path, timeout=30, isolation_level=None)
            db.execute("BEGIN EXCLUSIVE")
            held.set()
            done.wait(120)
            db.execute("ROLLBACK")
            db.close()
        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        held.wait(60)

        def release():
            done.set()
            thread.join(10)
        return "database file locked", release
    server = world.database.server
    server.send_signal(signal.SIGSTOP)
    return "SIGSTOP database", lambda: server.send_signal(signal.SIGCONT)


# ---- the network between trackers, clients and nodes

def network(world, mode, nodes=None):
    nodes = nodes or [world.rnd.choice(world.nodes)]
    for node in nodes:
        # A node that lies about lengths gives prefixes: what is read there is no evidence, until all of it is read.
        if mode in ("short", "long"):
            world.lying.add(node.public)
        for proxy in world.proxies[node]:
            proxy.set_mode(mode, world.rnd)

    def mend():
        for node in nodes:
            for proxy in world.proxies[node]:
                proxy.set_mode("pass")
            world.lying.discard(node.public)
    return f"network of {', '.join(n.label for n in nodes)}: {mode}", mend


def network_fault(mode):
    def fault(world):
        return network(world, mode)
    fault.__name__ = f"network_{mode}"
    return fault


def network_split(world):
    """All nodes are out of reach at once."""
    return network(world, world.rnd.choice(("hang", "refuse")), list(world.nodes))


# ---- disks

def any_device(world):
    return world.devices[world.rnd.choice(sorted(world.devices))]


def device_vanishes(world):
    device = any_device(world)
    device.vanish()
    return f"dev{device.devid} vanishes", device.come_back


def device_read_only(world):
    device = any_device(world)
    if not device.mounted:
        raise NotHere("needs mounts")
    device.read_only(True)
    return f"dev{device.devid} is read-only", lambda: device.read_only(False)


def device_full(world):
    device = any_device(world)
    if not device.mounted:
        raise NotHere("needs mounts")
    device.fill()
    return f"dev{device.devid} is full", device.empty_filler


def device_errors(world):
    if not world.call_faults:
        raise NotHere("needs the preloaded library")
    device, call = any_device(world), world.rnd.choice(("*", "write", "fdatasync", "fsync", "rename", "create", "read"))
    world.call_faults.set(f"{call} dev{device.devid}/ errno 5")

    def mend():
        world.call_faults.set()
        world.call_faults.forget()
    return f"dev{device.devid} answers EIO to {call}", mend


def device_slow(world):
    if not world.call_faults:
        raise NotHere("needs the preloaded library")
    device = any_device(world)
    world.call_faults.set(f"* dev{device.devid}/ delay {world.rnd.choice((50, 500, 3000))}")

    def mend():
        world.call_faults.set()
        world.call_faults.forget()
    return f"dev{device.devid} is slow", mend


def settled(world):
    """Nothing waits for replication, with everybody idle."""
    world.hurry()
    return not world.database.rows("SELECT fid FROM file_to_replicate LIMIT 1")


def bit_flipped(world):
    """One copy of a file with a checksum changes on the disk. A check finds and mends it."""
    world.pause()
    try:
        wait_until(lambda: settled(world), RESTART_S, "everything is replicated", pause=0.3)
        rows = world.database.rows(
            "SELECT o.fid, o.devid, f.length FROM file_on o JOIN file f ON f.fid = o.fid JOIN class c ON c.dmid = f.dmid"
            " AND c.classid = f.classid JOIN checksum s ON s.fid = f.fid"
            " WHERE c.classname = 'sum' AND f.devcount > 1 AND f.length > 0")
        rows = [r for r in rows if not any(int(r[0]) == fid for fid, _ in world.flipped)]
        if not rows:
            raise NotHere("no file has a checksum yet")
        fid, devid, length = map(int, world.rnd.choice(sorted(rows)))
        path = world.devices[devid].files().get(fid)
        others = [d for d in world.devices if d != devid and fid in world.devices[d].files()]
        if path is None or not others:
            raise NotHere("its other copies are not there just now")
        world.flipped.add((fid, devid))
        with open(path, "r+b") as f:
            at = world.rnd.randrange(length)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << world.rnd.randrange(8)]))
        return f"a bit of fid {fid} flips on dev{devid}", lambda: None
    finally:
        world.go_on()


def disk_dies(world):
    """A device is lost with all that is on it, when every file has another copy; it comes back empty."""
    world.pause()
    try:
        wait_until(lambda: settled(world), RESTART_S, "everything is replicated", pause=0.3)
        single = world.database.rows("SELECT fid FROM file WHERE devcount < 2")
        on_disk = {devid: set(device.files()) for devid, device in world.devices.items()}
        wrong = {fid for fid, _ in world.flipped}
        rows = [(int(f), int(d)) for f, d in world.database.rows("SELECT fid, devid FROM file_on")]
        safe = []
        for devid in sorted(world.devices):
            mine = {f for f, d in rows if d == devid}
            kept = {f for f, d in rows if d != devid and f in on_disk[d] and f not in wrong}
            if mine <= kept:
                safe.append(devid)
        if single or not safe:
            raise NotHere("not every file has a second copy just now")
        device = world.devices[world.rnd.choice(safe)]
        with world.any_client() as client:
            client.request("set_state", host=device.node.host, device=device.devid, state="dead")
        device.wipe()
        world.flipped = {(f, d) for f, d in world.flipped if d != device.devid}
    finally:
        world.go_on()

    def replace():
        def empty():
            world.hurry()
            return not world.database.rows(f"SELECT fid FROM file_on WHERE devid = {device.devid} LIMIT 1")
        wait_until(empty, RESTART_S, f"dev{device.devid} is given up", pause=0.3)
        with world.any_client() as client:
            for state in ("down", "alive"):
                client.request("set_state", host=device.node.host, device=device.devid, state=state)
    return f"dev{device.devid} dies", replace


# ---- time, descriptors, connections

def clock_jumps(world):
    if RACES:
        raise NotHere("with libfaketime, ThreadSanitizer reports races that are none")
    if not world.clock_library:
        raise NotHere("needs libfaketime")
    seconds = world.rnd.choice((-3600, 3600))
    world.set_clock(seconds)
    world.stopping.wait(1.1)  # the library looks at the file once a second
    return f"the trackers' clocks jump by {seconds} s", lambda: world.set_clock(0)


def descriptors_used_up(world):
    daemon = world.rnd.choice(world.trackers + world.nodes)
    was = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    open_now = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (max(open_now - 2, 8), was[1]))

    def mend():
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, was)
    return f"no descriptors left for {daemon.label}", mend


def connections_used_up(world):
    if world.rnd.random() < 0.5:
        daemon = world.rnd.choice(world.nodes)
        where = (daemon.address, world.rnd.choice((daemon.port, daemon.side_port)))
    else:
        daemon = world.rnd.choice(world.trackers)
        where = (daemon.address, daemon.port)
    held = []
    for _ in range(700):
        try:
            held.append(socket.create_connection(where, timeout=1))
        except OSError:
            break

    def mend():
        for sock in held:
            sock.close()
    return f"{len(held)} idle connections to {daemon.label}", mend


FAULTS = [tracker_killed, node_killed, tracker_stopped, node_stopped, database_killed, database_stopped, network_split,
          device_vanishes, device_read_only, device_full, device_errors, device_slow, bit_flipped, disk_dies,
          clock_jumps, descriptors_used_up, connections_used_up] + [network_fault(mode) for mode in MODES]
