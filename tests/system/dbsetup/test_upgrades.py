# SPDX-License-Identifier: MIT
"""Databases of every version that ever was: upgraded, upgraded again, and cut off in the middle by a kill."""
import signal
import subprocess
import unittest

import mariadb
import postgres
from daemon import program, run

VERSIONS = [0, *range(5, 18)]


def mysql_fixture(version):
    """The statements that make a MySQL database as the original had it at this version, with a row in each table."""
    charset = "latin1" if version < 12 else "utf8mb4"
    fid = "INT UNSIGNED" if version < 13 else "BIGINT UNSIGNED"
    extra_host = "" if version == 0 else "http_get_port MEDIUMINT UNSIGNED,"
    alt = "" if version == 0 else "altip VARCHAR(15), altmask VARCHAR(18), UNIQUE altip (altip),"
    extra_device = "" if version == 0 else "weight MEDIUMINT DEFAULT 100,"
    asof = "" if version == 0 else "mb_asof INT(10) UNSIGNED,"
    states = "'alive','dead','down'" + (",'readonly'" if version >= 5 else "") + (",'drain'" if version >= 9 else "")
    host_states = "'alive','dead','down'" + (",'readonly'" if version >= 17 else "")
    mb = "INT UNSIGNED" if version >= 14 else "MEDIUMINT UNSIGNED"
    out = [
        f"ALTER DATABASE CHARACTER SET {charset}",
        "CREATE TABLE domain (dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY, namespace VARCHAR(255), UNIQUE (namespace))",
        "CREATE TABLE class (dmid SMALLINT UNSIGNED NOT NULL, classid TINYINT UNSIGNED NOT NULL, PRIMARY KEY (dmid, "
        "classid), classname VARCHAR(50), UNIQUE (dmid, classname), mindevcount TINYINT UNSIGNED NOT NULL"
        + (", replpolicy VARCHAR(255)" if version >= 10 else "") + (", hashtype TINYINT UNSIGNED" if version >= 15 else "")
        + ")",
        f"CREATE TABLE file (fid {fid} NOT NULL, PRIMARY KEY (fid), dmid SMALLINT UNSIGNED NOT NULL, dkey VARCHAR(255), "
        f"UNIQUE dkey (dmid, dkey), length {'INT' if version < 12 else 'BIGINT'} UNSIGNED, classid TINYINT UNSIGNED NOT "
        "NULL, devcount TINYINT UNSIGNED NOT NULL, INDEX devcount (dmid, classid, devcount))",
        f"CREATE TABLE tempfile (fid {fid} NOT NULL PRIMARY KEY AUTO_INCREMENT, createtime INT UNSIGNED NOT NULL, "
        "classid TINYINT UNSIGNED NOT NULL, dmid SMALLINT UNSIGNED NOT NULL, dkey VARCHAR(255), devids VARCHAR(60))",
        f"CREATE TABLE file_to_delete (fid {fid} NOT NULL PRIMARY KEY)",
        f"CREATE TABLE unreachable_fids (fid {fid} NOT NULL, lastupdate INT UNSIGNED NOT NULL, PRIMARY KEY (fid), INDEX "
        "(lastupdate))",
        f"CREATE TABLE file_on (fid {fid} NOT NULL, devid MEDIUMINT UNSIGNED NOT NULL, PRIMARY KEY (fid, devid), INDEX "
        "(devid))",
        f"CREATE TABLE file_on_corrupt (fid {fid} NOT NULL, devid MEDIUMINT UNSIGNED NOT NULL, PRIMARY KEY (fid, devid))",
        f"CREATE TABLE host (hostid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY, status ENUM({host_states}), http_port "
        f"MEDIUMINT UNSIGNED DEFAULT 7500, {extra_host} hostname VARCHAR(40), hostip VARCHAR(15), {alt} "
        "remoteroot VARCHAR(60), UNIQUE (hostname), UNIQUE (hostip))",
        f"CREATE TABLE device (devid MEDIUMINT UNSIGNED NOT NULL, hostid MEDIUMINT UNSIGNED NOT NULL, status "
        f"ENUM({states}), {extra_device} mb_total {mb}, mb_used {mb}, {asof} PRIMARY KEY (devid), INDEX (status))",
    ]
    if version >= 5:
        out += [f"CREATE TABLE server_settings (field VARCHAR(50) PRIMARY KEY, value {'TEXT' if version >= 13 else 'VARCHAR(255)'})",
                f"INSERT INTO server_settings VALUES ('schema_version', '{version}'), ('memcache_ttl', '77')"]
    added = {
        6: f"CREATE TABLE file_to_replicate (fid {fid} NOT NULL PRIMARY KEY, nexttry INT UNSIGNED NOT NULL, INDEX "
           "(nexttry), fromdevid INT UNSIGNED, failcount TINYINT UNSIGNED NOT NULL DEFAULT 0, flags SMALLINT UNSIGNED "
           "NOT NULL DEFAULT 0)",
        7: f"CREATE TABLE file_to_delete_later (fid {fid} NOT NULL PRIMARY KEY, delafter INT UNSIGNED NOT NULL, INDEX "
           "(delafter))",
        8: "CREATE TABLE fsck_log (logid INT UNSIGNED NOT NULL PRIMARY KEY AUTO_INCREMENT, utime INT UNSIGNED NOT NULL, "
           f"fid {fid} NULL, evcode CHAR(4), devid MEDIUMINT UNSIGNED, INDEX (utime))",
        11: f"CREATE TABLE file_to_queue (fid {fid} NOT NULL, devid INT UNSIGNED, type TINYINT UNSIGNED NOT NULL, nexttry "
            "INT UNSIGNED NOT NULL, failcount TINYINT UNSIGNED NOT NULL DEFAULT 0, flags SMALLINT UNSIGNED NOT NULL "
            "DEFAULT 0, " + ("arg TEXT, " if version >= 13 else "") +
            "PRIMARY KEY (fid, type), INDEX type_nexttry (type, nexttry))",
        12: f"CREATE TABLE file_to_delete2 (fid {fid} NOT NULL PRIMARY KEY, nexttry INT UNSIGNED NOT NULL, failcount "
            "TINYINT UNSIGNED NOT NULL DEFAULT 0, INDEX nexttry (nexttry))",
        15: f"CREATE TABLE checksum (fid {fid} NOT NULL PRIMARY KEY, hashtype TINYINT UNSIGNED NOT NULL, checksum "
            "VARBINARY(64) NOT NULL)",
    }
    return out + [sql for at, sql in added.items() if version >= at] + rows_for(version)


def pgsql_fixture(version):
    """The same for PostgreSQL."""
    fid = "INT" if version < 13 else "BIGINT"
    states = "'alive','dead','down'" + (",'readonly'" if version >= 5 else "") + (",'drain'" if version >= 9 else "")
    host_states = "'alive','dead','down'" + (",'readonly'" if version >= 17 else "")
    old = version == 0
    out = [
        "CREATE TABLE lock (lockid INT NOT NULL PRIMARY KEY CHECK (lockid >= 0), hostname VARCHAR(255) NOT NULL, pid INT "
        "NOT NULL CHECK (pid >= 0), acquiredat INT NOT NULL CHECK (acquiredat >= 0))",
        "CREATE TABLE domain (dmid SMALLINT NOT NULL PRIMARY KEY, namespace VARCHAR(255), UNIQUE (namespace))",
        "CREATE TABLE class (dmid SMALLINT NOT NULL, classid SMALLINT NOT NULL, PRIMARY KEY (dmid, classid), classname "
        "VARCHAR(50), UNIQUE (dmid, classname), mindevcount SMALLINT NOT NULL"
        + (", replpolicy VARCHAR(255)" if version >= 10 else "") + (", hashtype SMALLINT" if version >= 15 else "") + ")",
        f"CREATE TABLE file (fid {fid} NOT NULL PRIMARY KEY, dmid SMALLINT NOT NULL, dkey VARCHAR(255), UNIQUE (dmid, "
        "dkey), length BIGINT CHECK (length >= 0), classid SMALLINT NOT NULL, devcount SMALLINT NOT NULL)",
        "CREATE INDEX file_devcount ON file (dmid, classid, devcount)",
        "CREATE TABLE tempfile (fid SERIAL NOT NULL PRIMARY KEY, createtime INT NOT NULL, classid SMALLINT NOT NULL, dmid "
        "SMALLINT NOT NULL, dkey VARCHAR(255), devids VARCHAR(60))",
        f"CREATE TABLE file_to_delete (fid {fid} NOT NULL PRIMARY KEY)",
        f"CREATE TABLE unreachable_fids (fid {fid} NOT NULL PRIMARY KEY, lastupdate INT NOT NULL)",
        "CREATE INDEX unreachable_fids_lastupdate ON unreachable_fids (lastupdate)",
        f"CREATE TABLE file_on (fid {fid} NOT NULL, devid SMALLINT NOT NULL, PRIMARY KEY (fid, devid))",
        "CREATE INDEX file_on_devid ON file_on (devid)",
        f"CREATE TABLE file_on_corrupt (fid {fid} NOT NULL, devid SMALLINT NOT NULL, PRIMARY KEY (fid, devid))",
        "CREATE TABLE host (hostid SMALLINT NOT NULL PRIMARY KEY CHECK (hostid >= 0), status VARCHAR(8) CHECK (status IN "
        f"({host_states})), http_port INT DEFAULT 7500 CHECK (http_port >= 0 AND http_port < 65536), "
        + ("" if old else "http_get_port INT CHECK (http_get_port >= 0 AND http_get_port < 65536), ")
        + "hostname VARCHAR(40), hostip VARCHAR(15), "
        + ("" if old else "altip VARCHAR(15), altmask VARCHAR(18), UNIQUE (altip), ")
        + "UNIQUE (hostname), UNIQUE (hostip))",
        f"CREATE TABLE device (devid SMALLINT NOT NULL PRIMARY KEY, hostid SMALLINT NOT NULL, status VARCHAR(8) CHECK "
        f"(status IN ({states})), " + ("" if old else "weight INT DEFAULT 100, ") + "mb_total INT CHECK (mb_total >= 0), "
        "mb_used INT CHECK (mb_used >= 0)" + ("" if old else ", mb_asof INT CHECK (mb_asof >= 0)") + ")",
        "CREATE INDEX device_status ON device (status)",
    ]
    if version >= 5:
        out += [f"CREATE TABLE server_settings (field VARCHAR(50) NOT NULL PRIMARY KEY, value {'TEXT' if version >= 13 else 'VARCHAR(255)'})",
                f"INSERT INTO server_settings VALUES ('schema_version', '{version}'), ('memcache_ttl', '77')"]
    added = {
        6: [f"CREATE TABLE file_to_replicate (fid {fid} NOT NULL PRIMARY KEY, nexttry INT NOT NULL, fromdevid INT, "
            "failcount SMALLINT NOT NULL DEFAULT 0, flags SMALLINT NOT NULL DEFAULT 0)",
            "CREATE INDEX file_to_replicate_nexttry ON file_to_replicate (nexttry)"],
        7: [f"CREATE TABLE file_to_delete_later (fid {fid} NOT NULL PRIMARY KEY, delafter INT NOT NULL)",
            "CREATE INDEX file_to_delete_later_delafter ON file_to_delete_later (delafter)"],
        8: [f"CREATE TABLE fsck_log (logid SERIAL NOT NULL PRIMARY KEY, utime INT NOT NULL, fid {fid}, evcode CHAR(4), "
            "devid SMALLINT)", "CREATE INDEX fsck_log_utime ON fsck_log (utime)"],
        11: [f"CREATE TABLE file_to_queue (fid {fid} NOT NULL, devid INT, type SMALLINT NOT NULL, nexttry INT NOT NULL, "
             "failcount SMALLINT NOT NULL DEFAULT 0, flags SMALLINT NOT NULL DEFAULT 0, "
             + ("arg TEXT, " if version >= 13 else "") + "PRIMARY KEY (fid, type))",
             "CREATE INDEX type_nexttry ON file_to_queue (type, nexttry)"],
        12: [f"CREATE TABLE file_to_delete2 (fid {fid} NOT NULL PRIMARY KEY, nexttry INT NOT NULL, failcount SMALLINT NOT "
             "NULL DEFAULT 0)", "CREATE INDEX file_to_delete2_nexttry ON file_to_delete2 (nexttry)"],
        15: [f"CREATE TABLE checksum (fid {fid} NOT NULL PRIMARY KEY, hashtype SMALLINT NOT NULL, checksum BYTEA NOT "
             "NULL)"],
    }
    return out + [sql for at, some in added.items() if version >= at for sql in some] + rows_for(version)


KEPT = {
    "domain": ("dmid, namespace", ["1", "Kept"]),
    "class": ("dmid, classid, classname, mindevcount", ["1", "2", "c", "3"]),
    "file": ("fid, dmid, dkey, length, classid, devcount", ["9", "1", "a/Key", "4", "2", "1"]),
    "file_on": ("fid, devid", ["9", "1"]),
    "tempfile": ("fid, createtime, classid, dmid, dkey, devids", ["12", "5", "2", "1", "open", "1,2"]),
    "file_to_delete": ("fid", ["3"]),
    "host": ("hostid, status, http_port, hostname, hostip", ["1", "down", "7501", "h", "10.0.0.1"]),
    "device": ("devid, hostid, status, mb_total, mb_used", ["1", "1", "down", "100", "50"]),
}
LATER = {
    6: ("file_to_replicate", "fid, nexttry, failcount", ["9", "7", "2"]),
    7: ("file_to_delete_later", "fid, delafter", ["4", "6"]),
    8: ("fsck_log", "logid, utime, fid, evcode, devid", ["1", "5", "9", "MISS", "1"]),
    11: ("file_to_queue", "fid, type, nexttry", ["9", "1", "5"]),
    12: ("file_to_delete2", "fid, nexttry, failcount", ["5", "6", "7"]),
}


def rows_of(version):
    return {**KEPT, **{table: (columns, row) for at, (table, columns, row) in LATER.items() if version >= at}}


def rows_for(version):
    return [f"INSERT INTO {table} ({columns}) VALUES ({', '.join(repr(cell) for cell in row)})"
            for table, (columns, row) in rows_of(version).items()]


class Upgrades:
    """What is the same for both kinds of servers; `server`, `type`, `fixture`, `columns`."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.module.Server().start()
        cls.addClassCleanup(cls.server.stop)

    def arguments(self, name, *args):
        return [f"--type={self.type}", f"--dbhost={self.server.host}", f"--dbport={self.server.port}", f"--dbname={name}",
                f"--dbuser={self.server.root_user}", f"--dbpass={self.server.root_password}", *args]

    def make(self, version, name):
        self.server.rows("", f"CREATE DATABASE {name}")
        self.server.rows(name, ";\n".join(self.fixture(version)))

    def check_rows(self, version, name):
        """All rows are there, and the version is ours."""
        kept = rows_of(version)
        got = self.server.rows(name, " UNION ALL ".join(f"SELECT '{table}', CONCAT_WS('|', {columns}) FROM {table}"
                                                        for table, (columns, _) in kept.items()))
        self.assertEqual(sorted(got), sorted([table, "|".join(row)] for table, (_, row) in kept.items()))
        settings = dict(self.server.rows(name, "SELECT field, value FROM server_settings"))
        self.assertEqual(settings, {"schema_version": "17", **({"memcache_ttl": "77"} if version else {})})

    def check_use(self, name):
        """It takes what a tracker writes."""
        states = ["alive", "dead", "down", "readonly"]
        self.server.rows(name, "; ".join([
            *(f"UPDATE host SET status = '{state}'" for state in states),
            *(f"UPDATE device SET status = '{state}'" for state in (*states, "drain")),
            f"INSERT INTO server_settings (field, value) VALUES ('long', '{'x' * 3000}')",
            "INSERT INTO checksum (fid, hashtype, checksum) VALUES (9, 1, '0123456789abcdef')",
            "INSERT INTO file_to_queue (fid, type, nexttry, arg) VALUES (8, 2, 0, '1,2')",
            "UPDATE device SET mb_total = 20000000, weight = 50, mb_asof = 1"]))

    def test_every_version(self):
        shapes = {}
        for version in VERSIONS:
            with self.subTest(version=version):
                name = f"mog{version}"
                self.make(version, name)
                run("mogdbsetup", *self.arguments(name, "--check"), check=0 if version == 17 else 1)
                run("mogdbsetup", *self.arguments(name, "--yes"))
                run("mogdbsetup", *self.arguments(name, "--check"))
                shapes[version] = self.columns(name)
                self.check_rows(version, name)
                self.check_use(name)
        for version, shape in shapes.items():
            self.assertEqual(shape, shapes[17], f"what became of version {version}")

    def test_twice(self):
        self.make(9, "twice")
        run("mogdbsetup", *self.arguments("twice", "--yes"))
        before = self.columns("twice")
        again = run("mogdbsetup", *self.arguments("twice", "--yes", "--verbose"))
        self.assertEqual(again.stderr, b"Schema already up-to-date at version 17.\nDone.\n")
        self.assertEqual(self.columns("twice"), before)

    def test_no_bump(self):
        self.make(11, "nobump")
        run("mogdbsetup", *self.arguments("nobump", "--yes", "--noschemabump"))
        self.assertEqual(self.server.rows("nobump", "SELECT value FROM server_settings WHERE field = 'schema_version'"),
                         [["11"]])
        self.assertEqual(self.server.rows("nobump", "SELECT COUNT(*) FROM checksum"), [["0"]])

    def test_killed_and_run_again(self):
        """Killed after its first statement, after its second, and so on; then it is let to its end."""
        for lines in range(1, 30):
            name = f"killed{lines}"
            self.make(5, name)
            if not self.kill_after(lines, name):
                break
            run("mogdbsetup", *self.arguments(name, "--yes"))
            self.check_rows(5, name)
        self.assertGreater(lines, 4, "there was something to kill")

    def kill_after(self, lines, name):
        """False when it came to its end before that many statements."""
        with subprocess.Popen([program("mogdbsetup"), *self.arguments(name, "--yes", "--verbose")],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            seen = 0
            for line in process.stderr:
                seen += line.startswith(b"Running SQL")
                if seen == lines:
                    process.send_signal(signal.SIGKILL)
                    break
            process.stderr.read()
            return process.wait(30) == -signal.SIGKILL


class UpgradesOfMariadb(Upgrades, unittest.TestCase):
    module, type = mariadb, "MySQL"
    fixture = staticmethod(mysql_fixture)

    def columns(self, name):
        """Table, column and type of all, without the width of fids and lengths, which an upgrade keeps."""
        rows = self.server.rows("", "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE "
                                    f"TABLE_SCHEMA = '{name}'")
        return sorted((t, c, "" if c in ("fid", "length") else kind) for t, c, kind in rows)


class UpgradesOfPostgres(Upgrades, unittest.TestCase):
    module, type = postgres, "Postgres"
    fixture = staticmethod(pgsql_fixture)

    def columns(self, name):
        rows = self.server.rows(name, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE "
                                      "table_schema = 'public'")
        return sorted((t, c, "" if c in ("fid", "length") else kind) for t, c, kind in rows)


if __name__ == "__main__":
    unittest.main()
