# SPDX-License-Identifier: MIT
"""The unit tests of the store against a real MariaDB server, and what happens when that server misbehaves."""
import unittest

import mariadb
from store_programs import FALLIBLE, PROGRAMS, run_unit


class StoreOnMariadb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mariadb.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def env(self, database, **more):
        self.server.rows("", f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}")
        return {"MOG_TEST_DSN": f"DBI:mysql:{database};host={self.server.host};port={self.server.port}",
                "MOG_TEST_DB_USER": "root", "MOG_TEST_DB_PASSWORD": self.server.root_password, **more}

    def test_units(self):
        slave = self.env("slave")["MOG_TEST_DSN"]
        for program in PROGRAMS:
            with self.subTest(program):
                run_unit(program, self.env("units", MOG_TEST_SLAVE_DSN=slave,
                                           MOG_TEST_SERVER_PID=str(self.server.process.pid)))

    def test_every_statement_fails_in_turn(self):
        run_unit(FALLIBLE, self.env("fallible"))

    def test_hosts_in_turn(self):
        """The first host of the list has no server; a restarted server is found again."""
        env = self.env("units")
        env["MOG_TEST_DSN"] = env["MOG_TEST_DSN"].replace("host=", "host=127.0.0.9,")
        run_unit("unit_store_test_store_topology", env)
        self.server.halt()
        self.server.start()
        run_unit("unit_store_test_store_topology", env)

    def test_locks_as_rows(self):
        for program in "unit_store_test_sql", "unit_store_test_store_queue", FALLIBLE:
            run_unit(program, self.env("rowlocks", MOG_TEST_ROW_LOCKS="1"))
        self.assertEqual(self.server.rows("rowlocks", "SELECT COUNT(*) FROM `lock`"), [["0"]])

    def test_no_prepared_statements(self):
        """The server has prepared as many as it will, for others: ours are sent as texts."""
        self.server.rows("", "SET GLOBAL max_prepared_stmt_count = 0")
        try:
            for names in {}, {"MOG_TEST_TEXT_NAMES": "1"}:
                for program in PROGRAMS[1:]:  # the first one prepares each statement
                    with self.subTest(program):
                        run_unit(program, {**self.env("texts"), **names})
        finally:
            self.server.rows("", "SET GLOBAL max_prepared_stmt_count = 16382")

    def test_names_as_text(self):
        """A database that the original has made."""
        env = {**self.env("texts"), "MOG_TEST_TEXT_NAMES": "1"}
        for program in PROGRAMS:
            with self.subTest(program):
                run_unit(program, env)


if __name__ == "__main__":
    unittest.main()
