# SPDX-License-Identifier: MIT
"""mogdbsetup is killed while it makes a new database, at any point, and run again: what comes out is what an undisturbed run
makes."""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import unittest

import mariadb
import postgres
from daemon import program, run

STATEMENTS = (1, 2, 4, 9, 16)
MOMENTS = 8


class Interrupted:
    """What is the same for all; arguments(name), and shape(name): all there is to know of the tables."""

    def cut(self, name, statements=None, seconds=None):
        """Run it on a new database, and kill it after so many statements or seconds."""
        with subprocess.Popen([program("mogdbsetup"), *self.arguments(name), "--yes", "--verbose"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            timer = threading.Timer(seconds, process.send_signal, (signal.SIGKILL,)) if seconds else None
            if timer:
                timer.start()
            seen = 0
            for line in process.stderr:
                seen += line.startswith(b"Running SQL")
                if seen == statements:
                    process.send_signal(signal.SIGKILL)
                    break
            process.stderr.read()
            process.wait(60)
            if timer:
                timer.cancel()

    def finish(self, name, wanted, how):
        run("mogdbsetup", *self.arguments(name), "--yes")
        run("mogdbsetup", *self.arguments(name), "--check")
        self.assertEqual(self.shape(name), wanted, how)

    def test_cut_off(self):
        run("mogdbsetup", *self.arguments("whole"), "--yes")
        wanted = self.shape("whole")
        self.assertGreater(len(wanted), 60)
        for n in STATEMENTS:
            self.cut(f"after{n}", statements=n)
            self.finish(f"after{n}", wanted, f"killed after statement {n}")
        seed = random.randrange(1 << 32)
        moments = random.Random(seed)
        for i in range(MOMENTS):
            seconds = moments.uniform(0.005, 0.3)
            self.cut(f"at{i}", seconds=seconds)
            self.finish(f"at{i}", wanted, f"killed after {seconds:.3f} s, seed {seed}")

    def test_both_at_once(self):
        """Two who set up one database do no harm to each other: once more is enough."""
        run("mogdbsetup", *self.arguments("whole2"), "--yes")
        both = [subprocess.Popen([program("mogdbsetup"), *self.arguments("both"), "--yes"], stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL) for _ in range(2)]
        for process in both:
            process.wait(60)
        self.finish("both", self.shape("whole2"), "two at once")


class OnServer(Interrupted):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.module.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def arguments(self, name):
        return [f"--type={self.type}", f"--dbhost={self.server.host}", f"--dbport={self.server.port}", f"--dbname={name}",
                f"--dbrootuser={self.server.root_user}", f"--dbrootpass={self.server.root_password}",
                f"--dbuser=user_{name}", "--dbpass=x"]


class InterruptedOnMariadb(OnServer, unittest.TestCase):
    module, type = mariadb, "MySQL"

    def shape(self, name):
        return sorted(map(tuple, self.server.rows(
            "", "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
            f"'{name}' UNION ALL SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE "
            f"TABLE_SCHEMA = '{name}' UNION ALL SELECT 'version', field, value FROM {name}.server_settings")))


class InterruptedOnPostgres(OnServer, unittest.TestCase):
    module, type = postgres, "Postgres"

    def test_an_account_without_rights(self):
        """Cut off between the account and its rights."""
        run("mogdbsetup", *self.arguments("whole3"), "--yes")
        self.server.rows("", "CREATE DATABASE norights TEMPLATE template0 ENCODING 'UTF-8'")
        self.server.rows("", "CREATE ROLE user_norights LOGIN PASSWORD 'x'")
        self.finish("norights", self.shape("whole3"), "without rights")

    def shape(self, name):
        return sorted(map(tuple, self.server.rows(
            name, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' "
            "UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
            "UNION ALL SELECT 'version', field, value FROM server_settings")))


class InterruptedOnSqlite(Interrupted, unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name + ".db")

    def arguments(self, name):
        return ["--type=SQLite", f"--dbname={self.path(name)}"]

    def shape(self, name):
        db = sqlite3.connect(self.path(name))
        try:
            return sorted(db.execute(
                "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' "
                "UNION ALL SELECT tbl_name, name, COALESCE(sql, '') FROM sqlite_master WHERE type = 'index' "
                "UNION ALL SELECT 'version', field, value FROM server_settings").fetchall())
        finally:
            db.close()


if __name__ == "__main__":
    unittest.main()
