# SPDX-License-Identifier: MIT
"""The unit tests of the store against a real PostgreSQL server."""
import unittest

import postgres
from store_programs import FALLIBLE, PROGRAMS, run_unit


class StoreOnPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = postgres.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def env(self, database):
        self.server.rows("", f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF-8'")
        return {"MOG_TEST_DSN": f"DBI:Pg:dbname={database};host={self.server.host};port={self.server.port}",
                "MOG_TEST_DB_USER": self.server.root_user, "MOG_TEST_DB_PASSWORD": self.server.root_password}

    def test_units(self):
        env = self.env("units")
        for program in PROGRAMS:
            with self.subTest(program):
                run_unit(program, env)

    def test_every_statement_fails_in_turn(self):
        run_unit(FALLIBLE, self.env("fallible"))

    def test_names_as_text(self):
        """A database that the original has made."""
        env = {**self.env("texts"), "MOG_TEST_TEXT_NAMES": "1"}
        for program in PROGRAMS:
            with self.subTest(program):
                run_unit(program, env)


if __name__ == "__main__":
    unittest.main()
