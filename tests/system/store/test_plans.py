# SPDX-License-Identifier: MIT
"""The plans of all busy statements on real servers. MOG_TEST_FILES=1000000 takes that many files (and some minutes)."""
import os
import unittest

import mariadb
import postgres
from store_programs import run_unit

MANY = int(os.environ.get("MOG_TEST_FILES", "0")) > 100_000


class Plans:
    """What is the same on both; `module`, `dsn`, `options`."""

    def check(self, **more):
        with self.module.Server(options=self.options if MANY else ()) as server:
            server.rows("", "CREATE DATABASE plans")
            run_unit("unit_store_test_store_plans",
                     {"MOG_TEST_DSN": f"{self.dsn};host={server.host};port={server.port}",
                      "MOG_TEST_DB_USER": server.root_user, "MOG_TEST_DB_PASSWORD": server.root_password,
                      "CK_TIMEOUT_MULTIPLIER": "30" if MANY else "1", **more}, timeout=1800 if MANY else 120)

    def test_names_as_bytes(self):
        self.check()

    def test_names_as_text(self):
        """In a database that the original has made."""
        self.check(MOG_TEST_TEXT_NAMES="1")


class PlansOfMariadb(Plans, unittest.TestCase):
    module, dsn = mariadb, "DBI:mysql:plans"
    options = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"]


class PlansOfPostgres(Plans, unittest.TestCase):
    module, dsn = postgres, "DBI:Pg:dbname=plans"
    options = ["-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"]


if __name__ == "__main__":
    unittest.main()
