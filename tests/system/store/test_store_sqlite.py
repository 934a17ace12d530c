# SPDX-License-Identifier: MIT
"""The unit tests of the store on an SQLite database as the original makes it, with names as text."""
import unittest

from store_programs import PROGRAMS, run_unit


class StoreOnSqlite(unittest.TestCase):
    def test_names_as_text(self):
        for program in PROGRAMS:
            with self.subTest(program):
                run_unit(program, {"MOG_TEST_TEXT_NAMES": "1"})


if __name__ == "__main__":
    unittest.main()
