# SPDX-License-Identifier: MIT
"""The short form of scripts/soak: some faults of each kind of database, from a seed that is printed.

SOAK_SEED=n repeats a seed; scripts/soak runs the long form.
"""
import os
import random
import unittest

from soak import soak

SECONDS = 14
SLOW = {"disk_dies"}  # its replacement waits for the reaper: scripts/soak alone


class Short(unittest.TestCase):
    database = "sqlite"

    def test_nothing_is_lost(self):
        from breakage import FAULTS
        seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 32))
        only = {f.__name__ for f in FAULTS} - SLOW
        violations = soak(self.database, seed, seconds=SECONDS, hold=1, only=only, keys_each=60)
        self.assertEqual(violations, [], f"repeat it with SOAK_SEED={seed}")


class ShortOnMariadb(Short):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
