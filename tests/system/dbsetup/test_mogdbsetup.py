# SPDX-License-Identifier: MIT
"""mogdbsetup: questions, texts, exit status, and the schemas that it makes on every database."""
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import unittest

import mariadb
import postgres
from cluster import Cluster
from daemon import run
from waiting import wait_until

TABLES = {"domain", "class", "file", "tempfile", "file_to_delete", "unreachable_fids", "file_on", "file_on_corrupt",
          "host", "device", "server_settings", "file_to_replicate", "file_to_delete_later", "fsck_log",
          "file_to_queue", "file_to_delete2", "checksum"}


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "mog.db")

    def setup(self, *args, **more):
        return run("mogdbsetup", "--type=SQLite", f"--dbname={self.path}", *args, **more)

    def query(self, sql):
        db = sqlite3.connect(self.path)
        try:
            rows = db.execute(sql).fetchall()
            db.commit()
            return rows
        finally:
            db.close()


class Conversation(Scratch):
    QUESTION = (b"\nThis will attempt to setup or upgrade your MogileFS database.\nIt won't destroy existing data.\n"
                b"Run with --help for more information.  Run with --yes to shut up these prompts.\n\n"
                b"Continue? [N/y]: ")

    def test_no_is_the_default(self):
        for answer in b"", b"\n", b"n\n", b"perhaps\n":
            done = self.setup(check=1, stdin=answer)
            self.assertEqual((done.stdout, done.stderr), (self.QUESTION, b"Stopped.\n"))
        self.assertFalse(os.path.exists(self.path))

    def test_yes(self):
        done = self.setup(stdin=b"y\n")
        self.assertEqual((done.stdout, done.stderr), (self.QUESTION, b""))
        self.assertEqual(self.query("SELECT value FROM server_settings WHERE field = 'schema_version'"), [("17",)])

    def test_old_schema_asks_again(self):
        self.setup("--yes")
        self.query("UPDATE server_settings SET value = '16'")
        done = self.setup(check=1, stdin=b"Yes\nno\n")
        self.assertTrue(done.stdout.endswith(b"\nInstall/upgrade your schema from version 16 to version 17? [Y/n]: "))
        self.assertEqual(done.stderr, b"Stopped.\n")
        done = self.setup(check=1, stdin=b"y\n")
        self.assertEqual(done.stderr, b"Aborted.\n")
        self.setup(stdin=b"y\n\n")
        self.assertEqual(self.query("SELECT value FROM server_settings"), [("17",)])

    def test_usage(self):
        for args in ("--help",), ("-help",):
            done = run("mogdbsetup", *args, check=1)
            self.assertEqual(done.stdout, b"")
            self.assertTrue(done.stderr.startswith(b"Usage: mogdbsetup [opts]\n"), done.stderr)
        for args in ("--nonsense",), ("--type=mysql",), ("--dbname",), ("surplus",):
            done = run("mogdbsetup", "--yes", *args, check=1)
            self.assertNotEqual(done.stderr, b"")
        self.assertIn(b"Usage:", run("mogdbsetup", "--nonsense", check=1).stderr)
        self.assertIn(b"MogileFS::Store::mysql", run("mogdbsetup", "--type=mysql", check=1).stderr)

    def test_newer_schema_is_left_alone(self):
        self.setup("--yes")
        self.query("UPDATE server_settings SET value = '18'")
        done = self.setup("--yes", check=1)
        self.assertEqual(done.stderr, b"Your current schema version is 18, but this version of mogdbsetup only knows "
                                      b"up to 17.  Aborting to be safe.\n")

    def test_verbose_and_twice(self):
        done = self.setup("-verbose", "-yes")
        lines = done.stderr.decode().splitlines()
        self.assertTrue(lines[0].startswith("Running SQL: CREATE TABLE lock ("), lines[0])
        self.assertEqual(lines[-1], "Done.")
        self.assertEqual(done.stdout, b"")
        done = self.setup("--verb", "--yes")
        self.assertEqual(done.stderr, b"Schema already up-to-date at version 17.\nDone.\n")

    def test_noschemabump(self):
        done = self.setup("--yes", "--noschemabump")
        self.assertEqual(done.stderr, b"\n*\n* Per your request, NOT UPGRADING to 17.  I assume you understand why.\n"
                                      b"*\n")
        self.assertEqual(self.query("SELECT * FROM server_settings"), [])

    def test_check_and_dry_run_change_nothing(self):
        self.setup("--check", check=1)
        self.setup("--dry-run")
        self.assertFalse(os.path.exists(self.path))
        self.setup("--yes")
        self.assertEqual(self.setup("--check").stdout, b"Schema version 17 of 17: 0 statements to run.\n")
        self.query("ALTER TABLE class DROP COLUMN hashtype")
        self.assertIn(b"ALTER TABLE class ADD COLUMN hashtype", self.setup("--check", check=1).stdout)
        self.assertIn(b"ALTER TABLE class ADD COLUMN hashtype", self.setup("--dry-run").stdout)
        self.assertNotIn("hashtype", self.query("SELECT sql FROM sqlite_master WHERE name = 'class'")[0][0])


class Sqlite(Scratch):
    def test_fresh(self):
        self.setup("--yes")
        tables = {name for name, in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.assertEqual(tables - {"sqlite_sequence"}, TABLES | {"lock"})
        self.assertEqual(self.query("PRAGMA journal_mode"), [("wal",)])
        types = {(t, c): kind for t, c, kind in self.query(
            "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p")}
        for column in ("file", "dkey"), ("tempfile", "dkey"), ("domain", "namespace"), ("class", "classname"):
            self.assertEqual(types[column], "TEXT")

    def test_old_one_is_completed(self):
        self.query("CREATE TABLE server_settings (field VARCHAR(50) PRIMARY KEY, value TEXT)")
        self.query("INSERT INTO server_settings VALUES ('schema_version', '9')")
        self.query("CREATE TABLE domain (dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY, namespace VARCHAR(255))")
        self.query("INSERT INTO domain VALUES (1, 'kept')")
        self.query("CREATE TABLE class (dmid SMALLINT UNSIGNED NOT NULL, classid TINYINT UNSIGNED NOT NULL, "
                   "classname VARCHAR(50), mindevcount TINYINT UNSIGNED NOT NULL)")
        self.setup("--yes")
        self.assertEqual(self.query("SELECT namespace FROM domain"), [("kept",)])
        self.query("SELECT replpolicy, hashtype FROM class")
        kinds = self.query("SELECT type FROM pragma_table_info('file') WHERE name = 'dkey'")
        self.assertEqual(kinds, [("VARCHAR(255)",)])


class Backup(Scratch):
    def test_of_a_running_tracker(self):
        """A copy that is taken beside uploads holds all that was acknowledged before, and whole transactions alone."""
        with Cluster(nodes=1) as cluster, cluster.client() as c:
            c.request("create_domain", domain="d")
            c.request("create_class", domain="d", mindevcount=1, **{"class": "one"})
            stop, count = threading.Event(), [0]

            def upload():
                with cluster.client() as own:
                    while not stop.is_set():
                        own.upload("d", f"k{count[0]}", b"x", "one")
                        count[0] += 1
            thread = threading.Thread(target=upload)
            thread.start()
            try:
                for i in range(3):
                    seen = count[0]
                    wait_until(lambda n=seen: count[0] > n + 5, what="uploads go on")
                    seen, self.path = count[0], os.path.join(self.folder, f"copy{i}.db")
                    done = run("mogdbsetup", "--type=SQLite", f"--dbname={cluster.database.path}",
                               f"--backup={self.path}")
                    self.assertEqual(done.stdout.decode(), f"{self.path} is a copy of {cluster.database.path}, "
                                                           f"{os.path.getsize(self.path)} bytes.\n")
                    self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])
                    files = {key for key, in self.query("SELECT dkey FROM file")}
                    self.assertLessEqual({f"k{n}" for n in range(seen)}, files)
                    self.assertEqual(self.query("SELECT COUNT(*) FROM file f WHERE NOT EXISTS (SELECT 1 FROM file_on o "
                                                "WHERE o.fid = f.fid)"), [(0,)])
            finally:
                stop.set()
                thread.join()
        self.assertEqual(oct(os.stat(self.path).st_mode & 0o777), oct(0o640))
        self.assertEqual(sorted(name for name in os.listdir(self.folder) if ".new" in name), [])
        self.assertEqual(self.setup("--check").stdout, b"Schema version 17 of 17: 0 statements to run.\n")

    def test_what_is_refused(self):
        copy = os.path.join(self.folder, "copy.db")
        self.assertIn(b"No such file", self.setup(f"--backup={copy}", check=1).stderr)
        with open(self.path, "wb") as f:
            f.write(b"this is no database" * 100)
        self.assertRegex(self.setup(f"--backup={copy}", check=1).stderr, b"^No backup of .* was made: .*not a database")
        self.assertEqual(os.listdir(self.folder), ["mog.db"])
        os.unlink(self.path)
        self.setup("--yes")
        self.assertEqual(self.setup(f"--backup={self.path}", check=1).stderr.decode(),
                         f"No backup of {self.path} was made: {self.path} exists, and is left alone\n")
        self.setup(f"--backup={self.folder}/absent/copy.db", check=1)
        for kind, word in ("MySQL", b"mariadb-dump"), ("Postgres", b"pg_dump"):
            self.assertIn(word, run("mogdbsetup", f"--type={kind}", f"--backup={copy}", check=1).stderr)
        self.assertFalse(os.path.exists(copy))


class OnServer:
    """What is the same for servers; `self.server`, `self.type`."""

    def setup(self, name, *args, **more):
        return run("mogdbsetup", f"--type={self.type}", f"--dbhost={self.server.host}", f"--dbport={self.server.port}",
                   f"--dbname={name}", f"--dbrootuser={self.server.root_user}",
                   f"--dbrootpass={self.server.root_password}", f"--dbuser=user_{name}", "--dbpass=it's \\secret\"",
                   *args, **more)

    def test_fresh_with_questions(self):
        done = self.setup("mog_one", "--verbose", stdin=b"y\n\n\n")
        self.assertTrue(done.stdout.endswith(
            b"\nCreate/Upgrade database name 'mog_one'? [Y/n]: "
            b"\nGrant all privileges to user 'user_mog_one', connecting from anywhere, to the mogilefs database "
            b"'mog_one'? [Y/n]: "), done.stdout)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(lines[:2], ["couldn't connect to database as mogilefs user.  trying root...",
                                     "connected to database as root user."])
        self.assertEqual(lines[-1], "Done.")
        self.assertEqual(self.setup("mog_one", "--verbose", "--yes").stderr,
                         b"Schema already up-to-date at version 17.\nDone.\n")
        self.setup("mog_one", "--check")
        self.look_at_fresh("mog_one")

    def test_no_administrator(self):
        done = self.setup("mog_two", "--yes", "--dbrootpass=wrong", check=1)
        self.assertRegex(done.stderr.decode(), r"^Failed to connect to DBI:(mysql:mysql|Pg:dbname=postgres);host=\S+ "
                         r"as specified root user \(\w+\): ")

    def test_an_administrator_who_may_not(self):
        self.server.rows("", self.poor)
        poor = ["--yes", "--dbrootuser=poor", "--dbrootpass=poor"]
        done = self.setup("mog_four", *poor, check=1)
        self.assertRegex(done.stderr.decode(), r"^Failed to create user 'user_mog_four': .*(denied|privilege)")
        self.server.rows("", self.poorer)
        done = self.setup("mog_five", *poor, check=1)
        self.assertRegex(done.stderr.decode(), r"^Failed to create database 'mog_five': .*denied")

    def test_dry_run_without_database(self):
        done = self.setup("mog_three", "--dry-run")
        self.assertIn(b"would be created", done.stdout)
        self.setup("mog_three", "--check", check=1)


class Mariadb(OnServer, unittest.TestCase):
    type = "MySQL"
    poor = "CREATE USER poor@'%' IDENTIFIED BY 'poor'; GRANT SELECT ON mysql.* TO poor@'%'; GRANT CREATE ON *.* TO poor@'%'"
    poorer = "REVOKE CREATE ON *.* FROM poor@'%'"

    @classmethod
    def setUpClass(cls):
        cls.server = mariadb.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def look_at_fresh(self, name):
        tables = {t: engine for t, engine in self.server.rows("", "SELECT TABLE_NAME, ENGINE FROM information_schema"
                                                              f".TABLES WHERE TABLE_SCHEMA = '{name}'")}
        self.assertEqual(set(tables), TABLES)
        self.assertEqual(set(tables.values()), {"InnoDB"})
        types = self.types(name)
        for column, width in (("file.dkey", 255), ("tempfile.dkey", 255), ("domain.namespace", 255),
                              ("class.classname", 50)):
            self.assertEqual(types[column], f"varbinary({width})")
        self.assertEqual(types["host.hostname"], "varchar(40)")
        self.assertEqual(types["checksum.checksum"], "varbinary(64)")
        self.assertEqual(types["file.length"], "bigint(20) unsigned")
        self.assertEqual(types["device.status"], "enum('alive','dead','down','readonly','drain')")
        self.assertEqual({t for c, t in types.items() if c.endswith(".fid")}, {"bigint(20) unsigned"})
        indexes = {tuple(r) for r in self.server.rows("", "SELECT TABLE_NAME, INDEX_NAME, GROUP_CONCAT(COLUMN_NAME "
                   f"ORDER BY SEQ_IN_INDEX) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{name}' "
                   "GROUP BY 1, 2")}
        for index in (("file", "dkey", "dmid,dkey"), ("file", "devcount", "dmid,classid,devcount"),
                      ("class", "dmid", "dmid,classname"), ("file_on", "devid", "devid"),
                      ("file_to_queue", "type_nexttry", "type,nexttry"), ("host", "altip", "altip"),
                      ("file_to_delete2", "nexttry", "nexttry"), ("fsck_log", "utime", "utime"),
                      ("domain", "namespace", "namespace"), ("device", "status", "status")):
            self.assertIn(index, indexes)
        # Only the one database is open to the account: '_' is no wild card.
        self.assertIn(f"`{name}`".replace("_", "\\_"),
                      self.server.rows("", f"SHOW GRANTS FOR 'user_{name}'@'%'")[1][0])

    def types(self, name):
        return {f"{t}.{c}": kind for t, c, kind in self.server.rows(
            "", "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS "
                f"WHERE TABLE_SCHEMA = '{name}'")}

    def test_row_locks(self):
        self.setup("mog_rows", "--yes")
        self.setup("mog_rows", "--check")
        self.setup("mog_rows", "--check", "--row-locks", check=1)
        self.setup("mog_rows", "--yes", "--row-locks")
        self.assertIn("lock.lockid", self.types("mog_rows"))
        self.setup("mog_rows", "--check", "--row-locks")

    def test_upgrade_of_version_5(self):
        """What the oldest numbered version had, with rows in it that must stay."""
        self.server.rows("", """CREATE DATABASE mog_old CHARACTER SET latin1; USE mog_old;
            CREATE TABLE server_settings (field VARCHAR(50) PRIMARY KEY, value VARCHAR(255));
            INSERT INTO server_settings VALUES ('schema_version', '5');
            CREATE TABLE domain (dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY, namespace VARCHAR(255), UNIQUE (namespace));
            INSERT INTO domain VALUES (1, 'kept');
            CREATE TABLE class (dmid SMALLINT UNSIGNED NOT NULL, classid TINYINT UNSIGNED NOT NULL, PRIMARY KEY
                (dmid, classid), classname VARCHAR(50), UNIQUE (dmid, classname), mindevcount TINYINT UNSIGNED NOT NULL);
            CREATE TABLE file (fid INT UNSIGNED NOT NULL, PRIMARY KEY (fid), dmid SMALLINT UNSIGNED NOT NULL, dkey
                VARCHAR(255), UNIQUE dkey (dmid, dkey), length INT UNSIGNED, classid TINYINT UNSIGNED NOT NULL,
                devcount TINYINT UNSIGNED NOT NULL, INDEX devcount (dmid, classid, devcount)) ENGINE=MyISAM;
            CREATE TABLE host (hostid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY, status ENUM('alive','dead','down'),
                http_port MEDIUMINT UNSIGNED DEFAULT 7500, hostname VARCHAR(40), hostip VARCHAR(15), UNIQUE (hostname),
                UNIQUE (hostip));
            CREATE TABLE device (devid MEDIUMINT UNSIGNED NOT NULL, hostid MEDIUMINT UNSIGNED NOT NULL, status
                ENUM('alive','dead','down'), mb_total MEDIUMINT UNSIGNED, mb_used MEDIUMINT UNSIGNED,
                PRIMARY KEY (devid));
            INSERT INTO device VALUES (1, 1, 'down', 100, 50);""")
        self.assertIn(b"Running SQL: CREATE TABLE file_to_replicate",
                      run("mogdbsetup", "--dry-run", f"--dbhost={self.server.host}", f"--dbport={self.server.port}",
                          "--dbname=mog_old", f"--dbuser={self.server.root_user}",
                          f"--dbpass={self.server.root_password}").stdout)
        self.assertNotIn("file_to_replicate.fid", self.types("mog_old"))
        done = self.setup("mog_old", "--yes")
        self.assertEqual(done.stderr, b"WARNING: MySQL table that isn't InnoDB: file\n")
        types = self.types("mog_old")
        self.assertEqual(types["host.status"], "enum('alive','dead','down','readonly')")
        self.assertEqual(types["device.status"], "enum('alive','dead','down','readonly','drain')")
        self.assertEqual(types["device.mb_total"], "int(10) unsigned")
        self.assertEqual(types["server_settings.value"], "text")
        self.assertEqual(types["tempfile.fid"], "int(10) unsigned")
        self.assertEqual(types["tempfile.dkey"], "varchar(255)")
        for column in ("host.altip", "host.altmask", "host.http_get_port", "device.weight", "device.mb_asof",
                       "class.replpolicy", "class.hashtype", "file_to_queue.arg"):
            self.assertIn(column, types)
        self.assertEqual(self.server.rows("mog_old", "SELECT status, mb_total, weight FROM device"),
                         [["down", "100", "100"]])
        self.assertEqual(self.server.rows("mog_old", "SELECT value FROM server_settings"), [["17"]])
        report = self.setup("mog_old", "--check").stdout.decode()
        self.assertIn("Unlike a new database:\n* file.dkey is varchar(255) (latin1_swedish_ci): keys that differ only in "
                      "upper and lower case, in accents or in blanks at the end are the same", report)
        self.assertRegex(report, r"\* file.fid is int\(10\) unsigned, not bigint: ")
        self.assertRegex(report, r"\* file.length is int\(10\) unsigned, not bigint: files of 4 GiB and more cannot")
        self.assertIn("* table file is MyISAM, not InnoDB: ", report)
        self.server.rows("mog_old", "ALTER TABLE file MODIFY dkey VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        self.assertIn("* file.dkey is varchar(255) (utf8mb4_bin): keys are text of that character set",
                      self.setup("mog_old", "--check").stdout.decode())


class Postgres(OnServer, unittest.TestCase):
    type = "Postgres"
    poor = "CREATE ROLE poor LOGIN CREATEDB PASSWORD 'poor'"
    poorer = "ALTER ROLE poor NOCREATEDB"

    @classmethod
    def setUpClass(cls):
        cls.server = postgres.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def types(self, name):
        return {f"{t}.{c}": kind for t, c, kind in self.server.rows(
            name, "SELECT table_name, column_name, data_type FROM information_schema.columns "
                  "WHERE table_schema = 'public'")}

    def look_at_fresh(self, name):
        types = self.types(name)
        self.assertEqual({re.sub(r"\..*", "", c) for c in types}, TABLES | {"lock"})
        for column in "file.dkey", "tempfile.dkey", "domain.namespace", "class.classname":
            self.assertEqual(types[column], "bytea")
        self.assertEqual(types["tempfile.fid"], "bigint")
        self.assertEqual(self.server.rows("", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = "
                                          f"'{name}'"), [[f"user_{name}"]])

    def test_upgrade(self):
        self.setup("mog_old", "--yes")
        self.server.rows("mog_old", "ALTER TABLE host DROP CONSTRAINT host_status_check; ALTER TABLE host ADD CHECK "
                         "(status IN ('alive', 'dead', 'down')); ALTER TABLE class DROP COLUMN hashtype; "
                         "DROP TABLE checksum; UPDATE server_settings SET value = '14' WHERE field = 'schema_version'; "
                         "ALTER TABLE device DROP CONSTRAINT device_status_check")
        self.setup("mog_old", "--check", check=1)
        self.setup("mog_old", "--yes")
        self.assertIn("class.hashtype", self.types("mog_old"))
        self.server.rows("mog_old", "INSERT INTO host (hostid, hostname, status) VALUES (1, 'h', 'readonly')")
        self.setup("mog_old", "--check")


if __name__ == "__main__":
    unittest.main()
