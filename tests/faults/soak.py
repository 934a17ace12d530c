# SPDX-License-Identifier: MIT
"""Faults, chosen from a seed, on a cluster that is written and read all the time; nothing acknowledged may be lost.

usage: soak.py [--seed N] [--rounds N] [--seconds N] [--hold SECONDS] [--pace SECONDS]
               [--database sqlite|mariadb|postgres] [--fault NAME]... [--keep FOLDER]
"""
import argparse
import os
import random
import shutil
import sys
import time
import traceback

import verify
from breakage import FAULTS, NotHere
from waiting import wait_until
from world import World, safe

RECOVER_S = 180  # on a machine that has little time for us


def deck(rnd, faults):
    """Faults without end: each once in some order, then again."""
    while True:
        yield from rnd.sample(faults, len(faults))


def recovered(world):
    """Every writer has stored something since, and every reader has read."""
    marks = {w: w.done for w in world.workers}

    def all_go_on():
        for worker in world.workers:
            if worker.error:
                raise RuntimeError(f"{worker.name} died: {worker.error!r}")
        late = [w.name for w, done in marks.items() if w.done == done]
        if late:
            raise AssertionError(f"no progress: {late}")
        return True
    wait_until(all_go_on, RECOVER_S, "writers and readers go on after a fault")


def one_round(world, number, fault, hold, say):
    """Break something (sometimes two things), wait, mend it, and see that the service goes on."""
    began = time.monotonic()
    try:
        what, mend = fault(world)
    except NotHere as e:
        say(f"  {number:4} {fault.__name__}: left out, {e}")
        return False
    world.unclean.add(fault.__name__)
    world.journal.note(f"FAULT {what}")
    world.stopping.wait(world.rnd.uniform(0.3, 1) * hold)
    mend()
    world.journal.note(f"MENDED {what}")
    recovered(world)
    if number % 4 == 0:
        safe(lambda: world.hurry() is None)
    say(f"  {number:4} {what}: {time.monotonic() - began:.1f} s, {world.journal.acknowledged} acknowledged, "
        f"{world.journal.reads} reads verified")
    return True


def soak(database, seed, rounds=0, seconds=0, hold=1.5, only=(), say=print, keys_each=150, keep=None, pace=0.01):
    """Run rounds (or for some seconds), then verify everything. Returns the violations."""
    rnd = random.Random(f"{seed}/faults")
    faults = [f for f in FAULTS if not only or f.__name__ in only]
    if database == "sqlite":
        faults = [f for f in faults if f.__name__ != "database_killed"]
    end = time.monotonic() + seconds if seconds else None
    say(f"seed {seed}, {database}")
    done = 0
    with World(database, seed, pace=pace) as world:
        world.keys_each = keys_each
        try:
            world.start()
            recovered(world)
            for number, fault in enumerate(deck(rnd, faults), 1):
                if rounds and number > rounds or end and time.monotonic() > end or world.journal.violations:
                    break
                done += one_round(world, number, fault, hold, say)
            world.stop_workload()
            verify.whole(world, say)
            world.flipped.clear()
            if not world.journal.violations:
                world.stop()
        except Exception:
            world.journal.violation(traceback.format_exc())
        say(f"seed {seed}, {database}: {done} faults, {world.journal.acknowledged} operations acknowledged, "
            f"{world.journal.errors} not, {world.journal.reads} reads verified, "
            f"{len(world.journal.violations)} violations")
        if world.journal.violations:
            if keep:
                os.makedirs(keep, exist_ok=True)
                for name in [world.journal.file.name] + [d.log_path for d in world.trackers + world.nodes]:
                    shutil.copy(name, keep)
            say(world.logs())
            with open(world.journal.file.name, encoding="utf-8") as f:
                say("---- the end of the journal\n" + f.read()[-20000:])
            for violation in world.journal.violations[:20]:
                say(f"VIOLATION (seed {seed}, {database}): {violation}")
        return world.journal.violations


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="of the choice of faults (random, and printed)")
    parser.add_argument("--rounds", type=int, default=0, help="how many faults (100, unless --seconds is given)")
    parser.add_argument("--seconds", type=int, default=0, help="how long")
    parser.add_argument("--hold", type=float, default=3, help="seconds that a fault lasts at most (3)")
    parser.add_argument("--pace", type=float, default=0.01,
                        help="seconds that a client rests between two operations (0.01)")
    parser.add_argument("--database", choices=("sqlite", "mariadb", "postgres"), default="sqlite")
    parser.add_argument("--fault", action="append", default=[], choices=[f.__name__ for f in FAULTS],
                        help="only this one; may be repeated")
    parser.add_argument("--keep", metavar="FOLDER", help="where logs and journal go when something was lost")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    rounds = options.rounds or (0 if options.seconds else 100)

    def say(text):
        print(text, flush=True)
    return 1 if soak(options.database, seed, rounds, options.seconds, options.hold, options.fault, say,
                     keep=options.keep, pace=options.pace) else 0


if __name__ == "__main__":
    sys.exit(main())
