# SPDX-License-Identifier: MIT
"""MariaDB as its administrators set it: every kind of SQL mode and default character set, from set-up to deletion."""
import shutil
import tempfile
import unittest

import mariadb
from cluster import Node, Tracker, http, run, wait_until
from waiting import free_port, new_address

MODES = ["", "STRICT_ALL_TABLES", "ANSI", "ANSI_QUOTES", "TRADITIONAL", "NO_ZERO_DATE", "ONLY_FULL_GROUP_BY",
         "NO_BACKSLASH_ESCAPES", "ORACLE", "PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION,IGNORE_SPACE",
         "PAD_CHAR_TO_FULL_LENGTH,EMPTY_STRING_IS_NULL,NO_AUTO_VALUE_ON_ZERO"]
CHARSETS = ["latin1", "utf8mb3", "utf8mb4", "koi8r"]
PASSWORD = "mog'p\"a\\ss"
# What no latin1 has: Cyrillic, the euro sign (which latin1 has elsewhere), a letter beyond 16 bits.
STRANGE = "Хост-€-\U0001d518"


class Modes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mogtest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.server = mariadb.Server().start()
        cls.addClassCleanup(cls.server.stop)
        address = new_address()
        cls.side_port = free_port(address)
        cls.node = Node(cls.folder, "node", [1], address, None, cls.side_port).start()
        cls.addClassCleanup(cls.node.stop)

    def tearDown(self):
        self.server.rows("", "SET GLOBAL sql_mode = DEFAULT")

    def set_up(self, name):
        where = [f"--dbhost={self.server.host}", f"--dbport={self.server.port}", f"--dbname={name}", "--dbuser=moguser",
                 f"--dbpass={PASSWORD}"]
        run("mogdbsetup", "--yes", "--dbrootuser=root", f"--dbrootpass={self.server.root_password}", *where)
        run("mogdbsetup", "--check", *where)

    def tracker(self, name, more=""):
        """A tracker on a database of this name, which is set up first; `more`: for the end of its DSN."""
        self.set_up(name)
        tracker = Tracker(self.folder, {"db_dsn": f"DBI:mysql:{name};host={self.server.host};port={self.server.port}{more}",
                                        "db_user": "moguser", "db_pass": PASSWORD, "query_jobs": 2,
                                        "mogstored_stream_port": self.side_port}, label=f"tracker-{name}")
        tracker.start()
        self.addCleanup(tracker.stop)
        return tracker

    def writeable(self, c):
        c.request("clear_cache")
        got = c.request("get_devices")
        return got["dev1_observed_state"] == "writeable" and got["dev1_mb_total"]

    def add_host(self, c, host):
        c.request("create_host", host=host, ip=self.node.address, port=self.node.port, status="alive")
        c.request("create_device", devid=1, hostname=host)
        wait_until(lambda: self.writeable(c), what="the device is writeable")

    def converse(self, c, host):
        """From a new domain to a file that came and went."""
        name, keys = "d\"'\\", ("k\"'\\%", "k\"'\\%")
        c.request("create_domain", domain=name)
        c.request("create_class", domain=name, mindevcount=1, hashtype="MD5", **{"class": "c"})
        for key in keys:
            fid = c.upload(name, key, b"some bytes", "c")["fid"]
        self.assertEqual(http("GET", c.paths(name, key)[0])[2], b"some bytes")
        self.assertEqual(c.keys(name, prefix="k\""), [key])
        self.assertEqual(c.request("file_info", domain=name, key=key, devices=1)["fid"], fid)
        self.assertEqual(c.request("file_debug", fid=fid)["fid_dkey"], key)
        c.request("rename", domain=name, from_key=key, to_key="other")
        c.request("updateclass", domain=name, key="other", **{"class": "default"})
        c.request("update_host", host=host, altip="", altmask="")
        c.request("set_weight", host=host, device=1, weight=50)
        c.request("fsck_clearlog")
        c.request("fsck_reset")
        c.request("replicate_now")
        c.request("delete", domain=name, key="other")
        c.request("delete_class", domain=name, **{"class": "c"})
        c.request("delete_domain", domain=name)
        return fid

    def test_modes(self):
        with self.tracker("modes").client() as c:
            self.add_host(c, "host")
            fids = []
            for i, mode in enumerate(MODES):
                with self.subTest(mode):
                    self.server.rows("", f"SET GLOBAL sql_mode = '{mode}'")
                    self.set_up(f"mode{i}")
                    self.server.rows("", "KILL USER moguser")  # what connects now has the new mode
                    wait_until(lambda: c.call("clear_cache").ok, what="it is connected again")
                    fids.append(self.converse(c, "host"))
            # What was in hand when its connection was killed would else have to wait until its claim is over.
            self.server.rows("modes", "UPDATE file_to_delete2 SET nexttry = 0")
            wait_until(lambda: all(len(c.request("file_debug", fid=fid)) <= 1 for fid in fids), what="all is deleted")

    def test_character_sets(self):
        for charset in CHARSETS:
            with self.subTest(charset):
                self.server.rows("", f"CREATE DATABASE cs_{charset} CHARACTER SET {charset}")
                name = STRANGE if charset != "utf8mb3" else STRANGE[:-2]
                with self.tracker(f"cs_{charset}").client() as c:
                    self.add_host(c, name)
                    self.converse(c, name)
                    self.assertEqual(c.request("get_hosts")["host1_hostname"], name)
                    c.request("set_server_setting", key="queue_words", value=name)
                    self.assertEqual(c.request("server_setting", key="queue_words")["value"], name)
                stored = self.server.rows(f"cs_{charset}", "SELECT HEX(hostname) FROM host UNION ALL SELECT HEX(value) "
                                                           "FROM server_settings WHERE field = 'queue_words'")
                self.assertEqual(stored, [[name.encode().hex().upper()]] * 2, "as the original's trackers see it")
                # The next database counts its files from 1 too, on the same device.
                wait_until(lambda c=charset: not self.server.rows(
                    f"cs_{c}", "SELECT fid FROM file_on UNION ALL SELECT fid FROM file_to_delete2"), what="all is deleted")

    def test_what_is_no_text(self):
        """Bytes that the character set does not allow are refused; one that allows all takes them."""
        for charset, is_taken in ("utf8mb4", False), ("latin1", True):
            self.server.rows("", f"CREATE DATABASE bytes_{charset} CHARACTER SET {charset}")
            with self.tracker(f"bytes_{charset}").client() as c:
                answer = c.call("create_host", host=b"h\xff\xfe", ip="127.0.0.1", port=7500)
                self.assertEqual(answer.ok, is_taken, answer)
                if is_taken:
                    self.assertEqual(c.request("get_hosts")["host1_hostname"].encode("utf-8", "surrogateescape"),
                                     b"h\xff\xfe")
                self.assertTrue(c.call("noop").ok)

    def test_texts_that_come_as_bytes(self):
        """The server tells the width of a column in characters then, and sends more bytes than that."""
        key = "€" * 100
        self.server.rows("", "CREATE DATABASE as_bytes CHARACTER SET utf8mb4")
        with self.tracker("as_bytes", ";mysql_init_command=SET character_set_results=binary").client() as c:
            self.server.rows("as_bytes", "ALTER TABLE file MODIFY dkey VARCHAR(255) COLLATE utf8mb4_bin")
            self.server.rows("", "KILL USER moguser")  # what connects now knows that keys are text
            wait_until(lambda: c.call("clear_cache").ok, what="it is connected again")
            c.request("create_domain", domain="d")
            self.server.rows("as_bytes", "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) "
                                         "VALUES (7, 1, REPEAT('€', 100), 1, 0, 1)")
            self.assertEqual(c.keys("d"), [key])
            self.assertEqual(c.request("file_info", domain="d", key=key)["key"], key)
            self.assertEqual(c.request("file_debug", fid=7)["fid_dkey"], key)


if __name__ == "__main__":
    unittest.main()
