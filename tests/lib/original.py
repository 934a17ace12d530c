# SPDX-License-Identifier: MIT
"""The part that a tracker of the original plays in a MariaDB database, by its own statements over a connection of its own;
and the test case of a database that it shares with ours."""
import tempfile

from cluster import ClusterTest, http, wait_until
from database import Server

# A database that it made has text for names; a table that is there decides so for the tables that mogdbsetup adds.
FIRST_TABLE = "CREATE TABLE domain (dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY, namespace VARCHAR(255), UNIQUE (namespace))"
LEASE_S = 1000


class Original:
    """Operations of such a tracker, each statement committed by itself as it does."""

    def __init__(self, session):
        self.session = session
        self.rows = session.rows

    def value(self, sql):
        got = self.rows(sql)
        return got[0][0] if got else None

    def now(self):
        return int(self.value("SELECT UNIX_TIMESTAMP()"))

    # ---- locks ----

    def lock(self, name, wait_s=0):
        """GET_LOCK: whether it was to be had."""
        return self.value(f"SELECT GET_LOCK('{name}', {wait_s})") == "1"

    def unlock(self, name):
        assert self.value(f"SELECT RELEASE_LOCK('{name}')") == "1", f"{name} was not ours"

    # ---- what administrators change ----

    def create_domain(self, name):
        dmid = int(self.value("SELECT MAX(dmid) FROM domain") or 0) + 1
        self.rows(f"INSERT INTO domain (dmid, namespace) VALUES ({dmid}, '{name}')")
        return dmid

    def create_class(self, dmid, name, mindevcount, hashtype="NULL"):
        classid = int(self.value(f"SELECT MAX(classid) FROM class WHERE dmid = {dmid}") or 0) + 1
        self.rows(f"INSERT INTO class (dmid, classid, classname, mindevcount) VALUES ({dmid}, {classid}, '{name}', 2)")
        self.rows(f"UPDATE class SET mindevcount = {mindevcount} WHERE dmid = {dmid} AND classid = {classid}")
        self.rows(f"UPDATE class SET hashtype = {hashtype} WHERE dmid = {dmid} AND classid = {classid}")
        return classid

    def create_host(self, name, ip, port):
        hostid = int(self.value("SELECT MAX(hostid) FROM host") or 0) + 1
        self.rows(f"INSERT INTO host (hostid, hostname, hostip, status) VALUES ({hostid}, '{name}', '{ip}', 'down')")
        self.rows(f"UPDATE host SET http_port = '{port}', status = 'alive' WHERE hostid = {hostid}")
        return hostid

    def create_device(self, devid, hostid):
        self.rows(f"INSERT INTO device (devid, hostid, status) VALUES ({devid}, {hostid}, 'alive')")

    def set_setting(self, field, value):
        self.rows(f"REPLACE INTO server_settings (field, value) VALUES ('{field}', '{value}')")

    # ---- uploads ----

    def create_open(self, dmid, key, classid, devids):
        self.rows("INSERT INTO tempfile (dmid, dkey, classid, devids, createtime) VALUES "
                  f"({dmid}, '{key}', {classid}, '{','.join(map(str, devids))}', UNIX_TIMESTAMP())")
        fid = int(self.value("SELECT LAST_INSERT_ID()"))
        assert self.value(f"SELECT COUNT(*) FROM file WHERE fid = {fid}") == "0", f"fid {fid} is taken"
        return fid

    def create_close(self, fid, devid, length):
        """Whether the upload was open."""
        opened = self.rows(f"SELECT classid, dmid, dkey, devids FROM tempfile WHERE fid = {fid}")
        self.rows(f"DELETE FROM tempfile WHERE fid = {fid}")
        if not opened:
            return False
        classid, dmid, key, devids = opened[0]
        assert str(devid) in devids.split(","), f"dev{devid} is none of {devids}"
        old = self.value(f"SELECT fid FROM file WHERE dmid = {dmid} AND dkey = '{key}'")
        if old:
            self.delete_fid(old)
        self.rows(f"INSERT IGNORE INTO file_on (fid, devid) VALUES ({fid}, {devid})")
        assert self.lock(f"mgfs:fid:{fid}", 10)
        count = self.value(f"SELECT COUNT(*) FROM file_on WHERE fid = {fid}")
        self.rows(f"UPDATE file SET devcount = {count} WHERE fid = {fid}")
        self.unlock(f"mgfs:fid:{fid}")
        self.rows("REPLACE INTO file (fid, dmid, dkey, length, classid, devcount) VALUES "
                  f"({fid}, {dmid}, '{key}', {length}, {classid}, 1)")
        self.enqueue_for_replication(fid)
        return True

    def delete_fid(self, fid):
        self.rows(f"DELETE FROM file WHERE fid = {fid}")
        self.rows(f"INSERT IGNORE INTO file_to_delete2 (fid, nexttry) VALUES ({fid}, UNIX_TIMESTAMP() + 0)")

    # ---- queues ----

    def enqueue_for_replication(self, fid, from_devid="NULL", delay_s=0):
        when = f"UNIX_TIMESTAMP() + {delay_s}" if delay_s else "0"
        self.rows("INSERT IGNORE INTO file_to_replicate (fid, fromdevid, nexttry) VALUES "
                  f"({fid}, {from_devid}, {when})")

    def enqueue_for_todo(self, kind, *items):
        """Fids; or (fid, devid, arg), whose time it binds as a text that is no number."""
        rows = ", ".join(f"({i[0]}, {i[1]}, '{i[2]}', {kind}, 0)" if isinstance(i, tuple) else
                         f"({i}, NULL, NULL, {kind}, UNIX_TIMESTAMP() + 0)" for i in items)
        self.rows(f"INSERT IGNORE INTO file_to_queue (fid, devid, arg, type, nexttry) VALUES {rows}")

    def grab(self, queue, limit):
        """The fids of a chunk of due rows, which nobody else may touch for LEASE_S."""
        if not self.lock(f"mfsd:{queue}", 30):
            return []
        self.rows("BEGIN")
        fids = [row[0] for row in self.rows(f"SELECT fid, nexttry, failcount FROM {queue} WHERE nexttry <= "
                                            f"UNIX_TIMESTAMP() ORDER BY nexttry LIMIT {limit} FOR UPDATE")]
        if fids:
            self.rows(f"UPDATE {queue} SET nexttry = UNIX_TIMESTAMP() + {LEASE_S} WHERE fid IN ({','.join(fids)})")
        self.rows("COMMIT")
        self.unlock(f"mfsd:{queue}")
        return fids


class TextDatabase(Server):
    """A database as the original makes it, names being text."""

    def __init__(self):
        super().__init__("mariadb", tempfile.gettempdir())

    def setup(self, *more):
        self.server.rows("", f"CREATE DATABASE mogdb; USE mogdb; {FIRST_TABLE}")
        super().setup(*more)


class SharingTest(ClusterTest):
    """A tracker of ours and one of the original (self.other) on one database, with a domain for each test."""

    database = "mariadb"
    nodes = 3
    options = {"replicate_jobs": 2, "delete_jobs": 1, "fsck_jobs": 1, "query_jobs": 4}

    def setUp(self):
        super().setUp()
        session = self.cluster.database.session()
        self.addCleanup(session.close)
        self.other = Original(session)
        self.rows = self.other.rows
        self.name = self._testMethodName
        self.dmid = self.other.create_domain(self.name)
        self.one = self.other.create_class(self.dmid, "one", 1)
        self.two = self.other.create_class(self.dmid, "two", 2)
        self.client.request("clear_cache")

    def want(self, job, n):
        self.client.admin(f"!want {n} {job}")
        wait_until(lambda: self.client.jobs()[job]["count"] == n, what=f"{n} of {job}")

    def without(self, *jobs):
        """No worker of ours does these jobs in this test."""
        for job in jobs:
            before = self.client.jobs()[job]["desired"]
            self.want(job, 0)
            self.addCleanup(self.want, job, before)

    def store(self, key, data=b"by the other one", classid=None, devid=1):
        """A file that the other tracker's client stored: its fid."""
        fid = self.other.create_open(self.dmid, key, classid or self.two, [devid, 2 if devid != 2 else 3])
        node = self.cluster.nodes[devid - 1]
        self.assertIn(http("PUT", node.url(self.path(fid, devid)), data)[0], (201, 204))
        self.assertTrue(self.other.create_close(fid, devid, len(data)))
        return fid

    @staticmethod
    def path(fid, devid):
        digits = f"{int(fid):010d}"
        return f"/dev{devid}/{digits[0]}/{digits[1:4]}/{digits[4:7]}/{digits}.fid"

    def devids(self, fid):
        return [int(row[0]) for row in self.rows(f"SELECT devid FROM file_on WHERE fid = {fid} ORDER BY devid")]

    def row(self, table, fid, columns="*", more=""):
        got = self.rows(f"SELECT {columns} FROM {table} WHERE fid = {fid}{more}")
        return got[0] if got else None

    def done(self, fid, copies=2):
        return len(self.devids(fid)) == copies and self.row("file_to_replicate", fid) is None
