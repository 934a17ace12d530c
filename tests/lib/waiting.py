# SPDX-License-Identifier: MIT
"""Waiting for conditions, and addresses that nobody else uses. Deadlines are for programs without a sanitizer."""
import os
import random
import signal
import socket
import time

from build import patient

DEADLINE = 30.0


def wait_until(condition, seconds=DEADLINE, what="", pause=0.05):
    """Call condition() until it answers something true, and return that; AssertionError after `seconds`.

    An AssertionError or OSError that the condition raises counts as "not yet", and is shown when time is up.
    """
    seconds = patient(seconds)
    end = time.monotonic() + seconds
    while True:
        error = None
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError) as e:
            error = e
        if time.monotonic() >= end:
            name = what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"not within {seconds:g} s: {name}" + (f" ({error!r})" if error else ""))
        time.sleep(pause)


def freeze(pid):
    """Stop a process. SIGSTOP alone only asks for it: its threads run on until one of them has taken the signal."""
    def is_still():
        states = set()
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                states.add(f.read().rsplit(")", 1)[1].split()[0])
        return states == {"T"}
    os.kill(pid, signal.SIGSTOP)
    wait_until(is_still, what=f"process {pid} stands still", pause=0.002)


def new_address():
    """An address of 127.0.0.0/8 of our own, so that tests which run side by side never share a port."""
    pick = random.SystemRandom()
    return f"127.{pick.randint(16, 250)}.{pick.randint(1, 250)}.{pick.randint(1, 250)}"


def free_port(*addresses):
    """A TCP port that is free at all these addresses (127.0.0.1 when none is given)."""
    addresses = addresses or ("127.0.0.1",)
    pick = random.SystemRandom()
    for _ in range(100):
        # Below the range that the system takes ports of outgoing connections from: those come and go at any moment.
        port, held = pick.randint(10000, 32000), []
        try:
            for address in addresses:
                sock = socket.socket()
                held.append(sock)
                sock.bind((address, port))
            return port
        except OSError:
            continue
        finally:
            for sock in held:
                sock.close()
    raise AssertionError(f"no port is free at all of {addresses}")


def port_open(address, port):
    """Whether somebody listens there."""
    try:
        socket.create_connection((address, port), timeout=patient(5)).close()
        return True
    except OSError:
        return False
