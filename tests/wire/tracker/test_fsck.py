# SPDX-License-Identifier: MIT
"""What fsck finds, logs and mends: each event code once."""
import hashlib
import os
import unittest

from cluster import ClusterTest, http, wait_until


class Findings(ClusterTest):
    nodes = 3

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2)
        self.client.request("create_class", domain=self.name, mindevcount=2, hashtype="MD5", **{"class": "md"})
        self.rows = self.cluster.database.rows
        self.execute = self.cluster.database.execute

    def stored(self, key="k", class_="two", data=b"some data"):
        """A file with its copies: fid, {devid: url}."""
        fid = self.client.upload(self.name, key, data, class_)["fid"]
        wait_until(lambda: not self.rows(f"SELECT fid FROM file_to_replicate WHERE fid = {fid}"), what="replicated")
        debug = self.client.request("file_debug", fid=fid)
        return fid, {int(k[8:]): v for k, v in debug.items() if k.startswith("devpath_")}

    def disk(self, url):
        return self.cluster.node_of(url).file_of(url)

    def check(self, fid, policy_only=None):
        """Let fsck check this one file: its events as (code, devid)."""
        self.client.request("fsck_clearlog")
        self.client.request("fsck_reset", startpos=int(fid) - 1, policy_only=policy_only)
        self.client.request("fsck_start")
        wait_until(lambda: self.client.request("fsck_status")["running"] == "0" and
                   not self.rows("SELECT fid FROM file_to_queue WHERE type = 1"), seconds=60, what="fsck is through")
        got = self.client.request("fsck_getlog")
        return [(got[f"row_{i}_evcode"], got.get(f"row_{i}_devid")) for i in range(1, int(got["row_count"]) + 1)
                if got.get(f"row_{i}_fid") == str(fid)]

    def codes(self, fid, **more):
        return [code for code, _ in self.check(fid, **more)]

    def test_nothing_is_wrong(self):
        fid, _ = self.stored()
        self.assertEqual(self.check(fid), [])

    def test_a_missing_copy(self):
        fid, urls = self.stored()
        devid, url = min(urls.items())
        os.remove(self.disk(url))
        events = self.check(fid)
        self.assertIn(("MISS", str(devid)), events)
        self.assertEqual(events[-1][0], "REPL")
        wait_until(lambda: len(self.client.paths(self.name, "k")) == 2)
        for url in self.client.paths(self.name, "k"):
            self.assertEqual(http("GET", url)[2], b"some data")

    def test_a_copy_of_the_wrong_length(self):
        fid, urls = self.stored()
        devid, url = min(urls.items())
        os.truncate(self.disk(url), 2)
        self.assertIn(("BLEN", str(devid)), self.check(fid))
        wait_until(lambda: [http("GET", u)[2] for u in self.client.paths(self.name, "k")] == [b"some data"] * 2)

    def test_policy_only_does_not_look_at_the_disks(self):
        fid, urls = self.stored()
        os.remove(self.disk(min(urls.items())[1]))
        self.assertEqual(self.check(fid, policy_only=1), [])

    def test_too_few_copies(self):
        fid, urls = self.stored()
        self.execute(f"DELETE FROM file_on WHERE fid = {fid} AND devid = {min(urls)}")
        self.assertEqual([c for c in self.codes(fid) if c != "BCNT"], ["POVI", "REPL"])
        wait_until(lambda: len(self.client.paths(self.name, "k")) == 2)

    def test_too_many_copies(self):
        fid, urls = self.stored()
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "one"})
        codes = self.codes(fid)
        self.assertTrue(codes == [] or codes[:1] == ["POVI"], codes)
        wait_until(lambda: len(self.client.paths(self.name, "k")) == 1, what="one copy is left")

    def test_a_wrong_count(self):
        fid, _ = self.stored()
        self.execute(f"UPDATE file SET devcount = 7 WHERE fid = {fid}")
        self.assertEqual(self.codes(fid), ["BCNT"])
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["devcount"], "2")

    def test_copies_that_nobody_knows_are_found(self):
        fid, urls = self.stored()
        self.execute(f"DELETE FROM file_on WHERE fid = {fid}")
        codes = self.codes(fid)
        self.assertEqual([c for c in codes if c in ("NOPA", "SRCH", "FOND")], ["NOPA", "SRCH", "FOND"], codes)
        wait_until(lambda: len(self.client.paths(self.name, "k")) == 2)
        self.assertEqual(http("GET", self.client.paths(self.name, "k")[0])[2], b"some data")

    def test_what_is_lost_is_said_to_be_gone(self):
        fid, urls = self.stored()
        for url in urls.values():
            os.remove(self.disk(url))
        codes = self.codes(fid)
        self.assertEqual((codes.count("MISS"), codes.count("SRCH"), codes[-1]), (2, 1, "GONE"))
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["fid"], str(fid))

    def test_a_flipped_bit(self):
        fid, urls = self.stored(class_="md")
        wait_until(lambda: self.rows(f"SELECT fid FROM checksum WHERE fid = {fid}"))
        devid, url = min(urls.items())
        with open(self.disk(url), "r+b") as f:
            f.write(b"S")
        self.assertIn("REPL", self.codes(fid))
        wait_until(lambda: [http("GET", u)[2] for u in self.client.paths(self.name, "k")] == [b"some data"] * 2)

    def test_all_copies_differ_from_the_checksum(self):
        fid, urls = self.stored(class_="md")
        self.execute(f"DELETE FROM checksum WHERE fid = {fid}")
        self.execute(f"INSERT INTO checksum (fid, hashtype, checksum) VALUES ({fid}, 1, 'abcdefghijklmnop')")
        self.assertEqual([c for c in self.codes(fid) if c != "SRCH"], ["BSUM"])
        self.assertEqual(len(self.client.paths(self.name, "k")), 2, "nothing is thrown away")

    def test_a_missing_checksum_is_made(self):
        fid, _ = self.stored(class_="md")
        self.execute(f"DELETE FROM checksum WHERE fid = {fid}")
        self.assertEqual(self.codes(fid), ["NSUM"])
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["checksum"],
                         "MD5:" + hashlib.md5(b"some data").hexdigest())

    def test_copies_that_disagree_without_any_checksum(self):
        fid, urls = self.stored()
        with open(self.disk(min(urls.items())[1]), "r+b") as f:
            f.write(b"S")
        self.assertEqual(self.check(fid), [])
        self.client.request("set_server_setting", key="fsck_checksum", value="MD5")
        self.client.request("clear_cache")
        try:
            self.assertEqual(self.codes(fid), ["MSUM"])
        finally:
            self.client.request("set_server_setting", key="fsck_checksum", value="class")
            self.client.request("clear_cache")

    def test_a_checksum_of_another_kind(self):
        fid, _ = self.stored(class_="md")
        self.execute(f"DELETE FROM checksum WHERE fid = {fid}")
        self.execute(f"INSERT INTO checksum (fid, hashtype, checksum) VALUES ({fid}, 2, 'abcdefghijklmnopqrst')")
        self.assertEqual(self.codes(fid), ["BALG"])

    def test_the_status_counts(self):
        fid, urls = self.stored()
        os.remove(self.disk(min(urls.items())[1]))
        self.check(fid)
        status = self.client.request("fsck_status")
        self.assertEqual((status["num_MISS"], status["num_REPL"]), ("1", "1"))


class FindingsOnMariadb(Findings):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
