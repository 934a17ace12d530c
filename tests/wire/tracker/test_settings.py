# SPDX-License-Identifier: MIT
"""server_setting, server_settings, set_server_setting: who may write what, and in which form it is kept."""
import unittest

from cluster import ClusterTest

BAD_PARAMS = ("bad_params", "Invalid parameters to command; please see documentation")


class Settings(ClusterTest):
    def set(self, key, value=None):
        return self.client.call("set_server_setting", key=key, value=value)

    def get(self, key):
        got = self.client.request("server_setting", key=key)
        self.assertEqual(sorted(got), ["key", "value"])
        self.assertEqual(got["key"], key)
        return got["value"]

    def stored(self, key):
        rows = self.cluster.database.rows(f"SELECT field, value FROM server_settings WHERE field = '{key}'")
        return rows[0][1] if rows else None

    def test_reading(self):
        self.assertOK(self.client.call("server_setting", key="schema_version"), key="schema_version", value=17)
        self.assertOK(self.client.call("server_setting", key="absent"), key="absent", value="")
        for odd in ("schema_version\0", "schema_version\0x", "\0", "\udcff"):
            self.assertOK(self.client.call("server_setting", key=odd), key=odd, value="")
        for line in ("server_setting", "server_setting key=", "server_setting key=0", "set_server_setting",
                     "set_server_setting value=1"):
            self.assertERR(self.client.ask(line), *BAD_PARAMS)

    def test_what_nobody_may_write(self):
        for key in ("schema_version", "fsck_host", "fsck_highest_fid_checked", "rebal_host", "rebal_policy",
                    "enable_rebalance", "absent", "Slave_x", "xslave_keys", "fsck_checksumx"):
            self.assertERR(self.set(key, "1"), "not_writable")
        self.assertEqual(self.get("schema_version"), "17")

    def test_switches(self):
        for key in ("skip_devcount", "skip_mkcol", "case_sensitive_list_keys"):
            for value, kept in (("1", "1"), ("yes", "1"), ("Y", "1"), ("true", "1"), ("T", "1"), ("on", "1"),
                                ("ON", "1"), ("0", "0"), ("no", "0"), ("N", "0"), ("off", "0"), ("OFFx", "0"),
                                ("false", "0"), ("f", "0"), ("", "0"), (None, "0"), ("1x", "1")):
                self.assertOK(self.set(key, value))
                self.assertEqual(self.get(key), kept, (key, value))
            for value in ("zzz", "perhaps", "o", "2"):
                self.assertERR(self.set(key, value), "invalid_format", "Unknown format")
            self.set(key, "0")

    def test_numbers(self):
        for key in ("memcache_ttl", "internal_queue_limit"):
            for value, kept in (("500", "500"), ("007", "007"), ("", "0"), (None, "0"), ("0", "0")):
                self.assertOK(self.set(key, value))
                self.assertEqual(self.get(key), kept)
            for value in ("ten", "1x", "-1", "1.5", " 1"):
                self.assertERR(self.set(key, value), "invalid_format", "Must be numeric")
            self.set(key, "500")

    def test_texts(self):
        for key in ("memcache_servers", "network_zones", "queue_rate_for_fsck", "queue_anything"):
            for value in ("a,b c", "77", "0", "x=y&z%"):
                self.assertOK(self.set(key, value))
                self.assertEqual(self.get(key), value)
            self.assertOK(self.set(key, ""))
            self.assertEqual(self.stored(key), "")
            self.assertOK(self.set(key))
            self.assertIsNone(self.stored(key))

    def test_zones(self):
        for value in ("127.0.0.0/16", "10.0.0.0/8, 192.168.1.0/24", "10.0.0.0:255.0.0.0", "10.1.2.3",
                      "10.0.0.0#0.255.255.255", "any", "10.0.0.0/255.0.0.0 10.1.0.0/16"):
            self.assertOK(self.set("zone_near", value))
            self.assertEqual(self.get("zone_near"), value)
        for value in ("everywhere", "10.0.0.0/33", "10.0.0/x", "300.0.0.1", "10.0.0.0/8,nonsense"):
            self.assertERR(self.set("zone_near", value), "invalid_format", "Doesn't match an acceptable netmask")
        self.assertOK(self.set("zone_near"))
        self.assertIsNone(self.stored("zone_near"))

    def test_fsck_checksum(self):
        for value, kept in (("MD5", "MD5"), ("SHA-1", "SHA-1"), ("off", "off"), ("class", None)):
            self.assertOK(self.set("fsck_checksum", value))
            self.assertEqual(self.stored("fsck_checksum"), kept)
        for value in ("CRC", "md5", "", None, "OFF"):
            self.assertERR(self.set("fsck_checksum", value), "invalid_format", "Not a valid checksum algorithm")

    def test_slaves(self):
        before = int(self.get("slave_version") or 0)
        self.assertOK(self.set("slave_one", "DBI:mysql:x|user|pass"))
        self.assertEqual(self.get("slave_one"), "DBI:mysql:x|user|pass")
        self.assertEqual(int(self.get("slave_version")), before + 1)
        for falsy in ("0", "", None):
            self.assertOK(self.set("slave_one", "x"))
            self.assertOK(self.set("slave_one", falsy))
            self.assertIsNone(self.stored("slave_one"))
        self.assertEqual(int(self.get("slave_version")), before + 7)

    def test_all(self):
        self.set("queue_rate_for_fsck", "77")
        self.set("fsck_checksum", "MD5")
        self.client.request("fsck_reset")
        got = self.client.request("server_settings")
        n = int(got["key_count"])
        self.assertEqual(len(got), 2 * n + 1)
        settings = {got[f"key_{i}"]: got[f"value_{i}"] for i in range(1, n + 1)}
        self.assertEqual(len(settings), n)
        self.assertEqual((settings["queue_rate_for_fsck"], settings["fsck_checksum"], settings["schema_version"]),
                         ("77", "MD5", "17"))
        self.assertEqual([k for k in settings if k.startswith("fsck_") and k != "fsck_checksum"], [])
        self.set("fsck_checksum", "class")
        got = self.client.request("server_settings")
        self.assertNotIn("fsck_checksum", got.values())

    def test_odd_values(self):
        for value in ("'; DROP TABLE server_settings; --", "v" * 5000, "a\nb"):
            self.assertOK(self.set("queue_odd", value))
            self.assertEqual(self.get("queue_odd"), value)


class SettingsOnMariadb(Settings):
    database = "mariadb"


class SettingsOnPostgres(Settings):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
