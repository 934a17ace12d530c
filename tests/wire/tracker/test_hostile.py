# SPDX-License-Identifier: MIT
"""Every command with every argument missing, empty, 0, negative, huge, and full of odd bytes: an answer of the protocol
comes each time, and the database is as consistent after it as before."""
import select
import time
import unittest

from client import quote
from cluster import DEADLINE, ClusterTest

CODES = set("""
after_mismatch bad_params class_exists class_has_files class_not_found db domain_exists domain_has_files domain_not_found
dup failure host_exists host_mismatch host_not_empty host_not_found invalid_mindevcount key_exists no_class no_device
no_devices no_domain no_host no_ip no_port no_rebal_policy no_rebal_state no_temp_file nodel_default_class none_match
rebal_not_started state_too_high unknown_command unknown_host unknown_state unreg_domain
bogus_args domain_has_classes existing_devid fid_exists fid_in_use invalid_checksum_format invalid_devid invalid_hashtype
invalid_key invalid_state no_devid no_fid no_key no_path not_writable unknown_hostid unknown_key unreg_class
bad_args bad_rebal_pol checksum_mismatch copy_err fsck_running invalid_destdev invalid_format invalid_replpolicy
no_set_rebal rebal_running size_mismatch size_verify_error
""".split())

# command, arguments that work (or fail late), in any order
COMMANDS = [
    ("noop", {}), ("test", {}),
    ("create_open", {"domain": "d", "key": "k", "class": "c", "multi_dest": "1", "fid": "0", "size": "1"}),
    ("create_close", {"domain": "d", "key": "k", "fid": "1", "devid": "1", "size": "1", "path": "http://127.0.0.1:1/dev1/0/000/000/0000000001.fid",
                      "checksum": "MD5:d41d8cd98f00b204e9800998ecf8427e", "checksumverify": "1"}),
    ("get_paths", {"domain": "d", "key": "k", "noverify": "1", "pathcount": "2", "zone": "alt"}),
    ("file_info", {"domain": "d", "key": "k", "devices": "1"}),
    ("file_debug", {"domain": "d", "key": "k", "fid": "1"}),
    ("delete", {"domain": "d", "key": "nothing"}),
    ("rename", {"domain": "d", "from_key": "nothing", "to_key": "other"}),
    ("updateclass", {"domain": "d", "key": "k", "class": "c"}),
    ("list_keys", {"domain": "d", "prefix": "k", "after": "k", "limit": "10"}),
    ("list_fids", {"from": "0", "to": "10"}),
    ("get_domains", {}), ("get_hosts", {"hostid": "1"}), ("get_devices", {"devid": "1"}),
    ("httpcopy", {"sdevid": "1", "ddevid": "1", "fid": "1"}), ("replicate_now", {}),
    ("server_setting", {"key": "skip_mkcol"}), ("server_settings", {}),
    ("set_server_setting", {"key": "zone_x", "value": "10.0.0.0/8"}),
    ("fsck_status", {"detail": "1"}), ("fsck_getlog", {"after_logid": "0"}), ("fsck_stop", {}),
    ("fsck_reset", {"policy_only": "1", "startpos": "0", "domain": "d", "class": "c"}), ("fsck_clearlog", {}),
    ("rebalance_set_policy", {"policy": "from_devices=1 limit_by=none"}), ("rebalance_test", {}),
    ("rebalance_status", {}), ("rebalance_stop", {}), ("rebalance_reset", {}),
]
# These wait for a round of the monitor when they succeed: they are asked less often.
REFRESHING = [
    ("create_domain", {"domain": "d"}), ("delete_domain", {"domain": "d"}),
    ("create_class", {"domain": "d", "class": "c", "mindevcount": "2", "replpolicy": "MultipleHosts(2)", "hashtype": "MD5"}),
    ("update_class", {"domain": "nowhere", "class": "c", "mindevcount": "2", "replpolicy": "MultipleHosts(2)"}),
    ("delete_class", {"domain": "nowhere", "class": "c"}),
    ("create_host", {"host": "h1", "ip": "127.0.0.1", "port": "1", "status": "down", "getport": "1", "altip": "10.0.0.1",
                     "altmask": "10.0.0.0/8"}),
    ("update_host", {"host": "nowhere", "ip": "127.0.0.1", "port": "1", "status": "down"}),
    ("delete_host", {"host": "h1"}),
    ("create_device", {"devid": "1", "hostname": "h1", "hostid": "1", "state": "alive"}),
    ("set_state", {"host": "nowhere", "device": "1", "state": "down"}),
    ("set_weight", {"host": "nowhere", "device": "1", "weight": "10"}),
]
NUMBERS = ["-1", "-9223372036854775808", "4294967296", "9223372036854775807", "9223372036854775808",
           "18446744073709551615", "18446744073709551616", "1e400", "nan", "0x10", "1.5", "007", " 7", "+7", "7x", "."]
TEXTS = ["", "0", "00", " ", "a" * 51, "a" * 256, "a" * 1021, "a" * 70000, "%", "_", "'", "\"", "\\", "../..", "k\x00k",
         "\r", "\n", "default"]


class Hostile(ClusterTest):
    all_bytes = True
    options = {"query_jobs": 4, "job_master": 0}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as c:
            c.request("create_domain", domain="d")
            c.request("create_class", domain="d", **{"class": "c"}, mindevcount=2)
            c.request("create_host", host="h1", ip="127.0.0.1", port=1)
            c.request("create_device", devid=1, hostname="h1")
        db = cls.cluster.database
        db.execute("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (1, 1, 'k', 3, 1, 1)")
        db.execute("INSERT INTO file_on (fid, devid) VALUES (1, 1)")

    def tearDown(self):
        self.assertConsistent()

    def assertConsistent(self):
        rows = self.cluster.database.rows
        self.assertEqual(rows("SELECT COUNT(*) FROM file_on WHERE fid NOT IN (SELECT fid FROM file) AND fid NOT IN "
                              "(SELECT fid FROM tempfile) AND fid NOT IN (SELECT fid FROM file_to_delete2)"), [["0"]])
        self.assertEqual(rows("SELECT COUNT(*) FROM class WHERE dmid NOT IN (SELECT dmid FROM domain)"), [["0"]])
        self.assertEqual(rows("SELECT COUNT(*) FROM device WHERE hostid NOT IN (SELECT hostid FROM host)"), [["0"]])
        self.assertEqual(rows("SELECT fid, dmid, length FROM file WHERE fid=1"), [["1", "1", "3"]])
        self.assertEqual(rows("SELECT classid FROM file WHERE classid<>0 AND classid NOT IN (SELECT classid FROM class "
                              "WHERE class.dmid=file.dmid)"), [])

    def check(self, command, args):
        line = command + " " + "&".join(f"{quote(k)}={quote(v)}" for k, v in args.items())
        answer = self.client.ask(line)
        self.assertTrue(answer.ok or answer.code in CODES, (line[:200], answer))
        return answer

    def variants(self, args, texts):
        for name in args:
            yield {k: v for k, v in args.items() if k != name}
            for value in texts:
                yield {**args, name: value}

    def test_arguments(self):
        for command, args in COMMANDS:
            self.check(command, args)
            for changed in self.variants(args, TEXTS + NUMBERS):
                self.check(command, changed)
        self.assertTrue(self.client.ask("noop").ok)

    def test_arguments_of_what_changes_the_cluster(self):
        for command, args in REFRESHING:
            ok = 0
            for changed in self.variants(args, TEXTS[:6] + NUMBERS[:5]):
                ok += self.check(command, changed).ok
                if ok > 6:
                    break

    def test_every_byte(self):
        for command, args in COMMANDS:
            for name in args:
                self.check(command, {**args, name: bytes(range(256))})
        for command, args in COMMANDS[2:14] if self.all_bytes else []:
            for name in args:
                for byte in list(range(0, 48)) + [61, 92, 127, 128, 255]:
                    self.check(command, {**args, name: bytes([byte])})

    def test_long_lines_hinder_nobody(self):
        """A megabyte of arguments of a command that is answered at once, or looks a key up, takes its time elsewhere."""
        arguments = "&".join(f"{i:x}=" for i in range(140000))
        again = "a=1&" * 240000
        for command in ("noop", "file_info domain=none&key=a", "get_paths domain=none&noverify=1"):
            for more in (arguments, again):
                with self.cluster.client() as long:
                    long.send(f"{command} {more}\r\n" if command == "noop" else f"{command}&{more}\r\n")
                    began = time.monotonic()
                    while not select.select([long.sock], [], [], 0)[0] and time.monotonic() - began < DEADLINE:
                        asked = time.monotonic()
                        self.client.request("noop")
                        self.assertLess(time.monotonic() - asked, 2)
                    answer = long.answer()
                    self.assertTrue(answer.ok if command == "noop" else answer.code == "unreg_domain", answer)

    def test_lines_that_are_none(self):
        for line in (b"\x00", b"\xff\xfe", b"noop\x00x", b"&&&&", b"====", b"a" * 100000, b"get_paths" + b"&" * 50000,
                     b"get_paths " + b"a=b&" * 50000, b"%00%00"):
            answer = self.client.ask(line)
            self.assertTrue(answer.ok or answer.code in CODES, line[:50])


class HostileOnMariadb(Hostile):
    database = "mariadb"
    all_bytes = False


class HostileOnPostgres(Hostile):
    database = "postgres"
    all_bytes = False


if __name__ == "__main__":
    unittest.main()
