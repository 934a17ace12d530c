# SPDX-License-Identifier: MIT
"""list_keys, list_fids and file_debug."""
import unittest

from cluster import ClusterTest, wait_until

NONE_MATCH = ("none_match", "No keys match that pattern and after-value (if any).")


class Lists(ClusterTest):
    """Rows are put into the table: listing is about names only."""

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.dmid = self.cluster.database.rows(f"SELECT dmid FROM domain WHERE namespace = '{self.name}'")[0][0]
        self.next_fid = 1 + int(self.cluster.database.rows("SELECT coalesce(max(fid), 0) FROM file")[0][0])

    def put(self, *keys):
        values = []
        for key in keys:
            values.append(f"({self.next_fid}, {self.dmid}, '{key}', {self.next_fid}, 1, 1)")
            self.next_fid += 1
        self.cluster.database.execute("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES "
                                      + ", ".join(values))

    def call(self, **args):
        return self.client.call("list_keys", domain=self.name, **args)

    def test_needs_a_domain(self):
        self.assertERR(self.client.ask("list_keys"), "no_domain", "No domain provided")
        self.assertERR(self.client.ask("list_keys domain=absent"), "unreg_domain", "Domain name invalid/not found")

    def test_nothing(self):
        self.assertERR(self.call(), *NONE_MATCH)
        self.assertERR(self.call(prefix="x"), *NONE_MATCH)

    def test_order_and_prefix(self):
        self.put("b", "a", "ab", "B", "c")
        self.assertOK(self.call(), key_count=5, key_1="B", key_2="a", key_3="ab", key_4="b", key_5="c", next_after="c")
        self.assertOK(self.call(prefix="a"), key_count=2, key_1="a", key_2="ab", next_after="ab")
        self.assertEqual(self.client.keys(self.name, prefix=""), ["B", "a", "ab", "b", "c"])
        self.assertEqual(self.client.keys(self.name, prefix="b"), ["b"])
        self.assertERR(self.call(prefix="zzz"), *NONE_MATCH)

    def test_keys_come_in_their_order_in_the_line(self):
        self.put(*(f"k{i:02d}" for i in range(20)))
        self.client.send(f"list_keys domain={self.name}\r\n")
        names = [p.split(b"=")[0] for p in self.client.line()[3:].split(b"&")]
        self.assertEqual([n for n in names if n.startswith(b"key_") and n != b"key_count"],
                         [b"key_%d" % i for i in range(1, 21)])

    def test_after(self):
        self.put("a", "b", "c")
        self.assertEqual(self.client.keys(self.name, after="a"), ["b", "c"])
        self.assertEqual(self.client.keys(self.name, after="aa"), ["b", "c"])
        self.assertEqual(self.client.keys(self.name, after="0"), ["a", "b", "c"])
        self.assertERR(self.call(after="c"), *NONE_MATCH)
        self.assertEqual(self.client.keys(self.name, prefix="b", after="b"), [])
        self.assertERR(self.call(prefix="b", after="a"), "after_mismatch", "Pattern does not match the after-value?")
        self.assertERR(self.call(prefix="b", after="B"), "after_mismatch", "Pattern does not match the after-value?")
        self.assertEqual(self.client.keys(self.name, prefix="b", after="0"), ["b"], "a falsy after is none")

    def test_limit(self):
        self.put(*(f"k{i:04d}" for i in range(1005)))
        for limit, n in ((1, 1), (2, 2), (999, 999), (1000, 1000), (None, 1000), ("", 1000), (0, 1000), (1001, 1000),
                         (-1, 1000), ("abc", 1000), ("2.9", 2), ("0.5", 1000)):
            self.assertEqual(len(self.client.keys(self.name, limit=limit)), n, limit)

    def test_paging(self):
        keys = [f"k{i:04d}" for i in range(250)]
        self.put(*keys)
        got, after = [], None
        while True:
            answer = self.call(after=after, limit=100, prefix="k")
            if not answer.ok:
                self.assertERR(answer, *NONE_MATCH)
                break
            got += [answer.args[f"key_{i + 1}"] for i in range(int(answer.args["key_count"]))]
            after = answer.args["next_after"]
        self.assertEqual(got, keys)

    def test_a_prefix_is_no_pattern(self):
        self.put("under_score", "underXscore", "per%cent", "perXcent", "dot.x", "dotxx", "star*", "(paren", "[bracket")
        for prefix, keys in (("under_", ["under_score"]), ("per%", ["per%cent"]), ("dot.", ["dot.x"]),
                             ("star*", ["star*"]), ("(", ["(paren"]), ("[", ["[bracket"]), ("%", []), ("_", [])):
            self.assertEqual(self.client.keys(self.name, prefix=prefix), keys, prefix)
            if keys:
                self.assertEqual(self.client.keys(self.name, prefix=prefix, after=prefix + "\x01"),
                                 [k for k in keys if k > prefix + "\x01"], prefix)

    def test_case_counts(self):
        self.put("Key", "key", "KEY")
        for setting in ("0", "1"):
            self.client.request("set_server_setting", key="case_sensitive_list_keys", value=setting)
            self.client.request("clear_cache")
            self.assertEqual(self.client.keys(self.name, prefix="k"), ["key"])
            self.assertEqual(self.client.keys(self.name, prefix="K"), ["KEY", "Key"])

    def test_a_quote_in_a_prefix(self):
        self.put("it''s", "its")
        self.assertEqual(self.client.keys(self.name, prefix="it'"), ["it's"])

    def test_fids(self):
        first = self.next_fid
        self.put("x", "y", "z z")
        got = self.client.request("list_fids", **{"from": first - 1, "to": 2})
        want = {"fid_count": "2"}
        for n, key in ((1, "x"), (2, "y")):
            fid = str(first + n - 1)
            want.update({f"fid_{n}_fid": fid, f"fid_{n}_domain": self.name, f"fid_{n}_class": "one",
                         f"fid_{n}_key": key, f"fid_{n}_length": fid, f"fid_{n}_devcount": "1"})
        self.assertEqual(got, want)
        self.assertEqual(self.client.request("list_fids", **{"from": first + 1})["fid_1_key"], "z z")
        self.assertOK(self.client.ask(f"list_fids from={first + 1000}&to=10"), fid_count=0)
        for far in ("9007199254740993", "1e16", "9.9e17", "1e999"):
            self.assertOK(self.client.ask(f"list_fids from={far}&to=10"), fid_count=0)

    def test_how_many_fids(self):
        start = self.next_fid - 1
        self.put(*(f"k{i:04d}" for i in range(510)))
        for to, n in ((None, 100), ("0", 100), ("", 100), ("1", 1), ("500", 500), ("501", 500), ("-1", 500),
                      ("5e2", 500), ("1e16", 500), ("1e999", 500), ("-1e999", 500)):
            got = self.client.request("list_fids", **{"from": start, "to": to})
            self.assertEqual(int(got["fid_count"]), n, to)
            fids = [int(got[f"fid_{i}_fid"]) for i in range(1, n + 1)]
            self.assertEqual(fids, list(range(start + 1, start + n + 1)))

    def test_fids_whose_class_or_domain_is_gone(self):
        fid = self.next_fid
        self.put("lost")
        self.cluster.database.execute(f"UPDATE file SET classid = 77 WHERE fid = {fid}")
        got = self.client.request("list_fids", **{"from": fid - 1, "to": 1})
        self.assertEqual((got["fid_1_class"], got["fid_1_key"]), ("", "lost"))
        self.cluster.database.execute(f"UPDATE file SET dmid = 777 WHERE fid = {fid}")
        self.assertEqual(self.client.request("list_fids", **{"from": fid - 1, "to": 1})["fid_1_domain"], "")
        self.assertEqual(self.client.request("file_debug", fid=fid)["fid_domain"], "")
        self.cluster.database.execute(f"DELETE FROM file WHERE fid = {fid}")


class ListsOnMariadb(Lists):
    database = "mariadb"


class ListsOnPostgres(Lists):
    database = "postgres"


class Debug(ClusterTest):
    nodes = 1

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)

    def test_arguments(self):
        self.assertERR(self.client.ask("file_debug"), "no_domain", "No domain provided")
        self.assertERR(self.client.call("file_debug", domain="absent", key="k"), "unreg_domain",
                       "Domain name invalid/not found")
        self.assertERR(self.client.call("file_debug", domain=self.name), "no_key")
        self.assertERR(self.client.call("file_debug", domain=self.name, key="absent"), "unknown_key")
        self.assertOK(self.client.call("file_debug", fid=999999), checksum="NONE")
        self.assertOK(self.client.call("file_debug", fid="abc"), checksum="NONE")
        self.assertOK(self.client.call("file_debug", fid=999999, domain="unset-and-ignored"), checksum="NONE")

    def test_a_file(self):
        self.client.admin("!want 0 replicate")
        wait_until_none(self.client, "replicate")
        try:
            up = self.client.upload(self.name, "k", b"12345", "one")
            fid = up["fid"]
            dmid = self.cluster.database.rows(f"SELECT dmid FROM file WHERE fid = {fid}")[0][0]
            got = self.client.request("file_debug", domain=self.name, key="k")
            self.assertEqual(got, {
                "fid_fid": fid, "fid_dmid": dmid, "fid_dkey": "k", "fid_length": "5", "fid_classid": "1",
                "fid_devcount": "1", "fid_domain": self.name, "fid_class": "one", "replqueue_fid": fid,
                "replqueue_nexttry": got["replqueue_nexttry"], "replqueue_fromdevid": "", "replqueue_failcount": "0",
                "replqueue_flags": "0", "devids": "1", "devpath_1": up["path"], "checksum": "NONE"})
            self.assertTrue(got["replqueue_nexttry"].isdigit())
            self.assertEqual(self.client.request("file_debug", fid=fid), got)
        finally:
            self.client.admin("!want 2 replicate")

    def test_an_open_upload(self):
        got = self.client.request("create_open", domain=self.name, key="open", **{"class": "one"})
        debug = self.client.request("file_debug", fid=got["fid"])
        dmid = debug.pop("tempfile_dmid")
        self.assertTrue(dmid.isdigit())
        self.assertEqual(debug, {"tempfile_classid": "1", "tempfile_dkey": "open", "tempfile_devids": "1",
                                 "checksum": "NONE"})

    def test_a_deleted_file(self):
        self.client.admin("!want 0 delete")
        wait_until_none(self.client, "delete")
        try:
            fid = self.client.upload(self.name, "k", b"x", "one")["fid"]
            self.client.request("delete", domain=self.name, key="k")
            debug = self.client.request("file_debug", fid=fid)
            self.assertEqual((debug["delqueue_fid"], debug["delqueue_failcount"]), (fid, "0"))
            self.assertNotIn("fid_fid", debug)
        finally:
            self.client.admin("!want 1 delete")

    def test_the_queues_of_fsck_and_rebalance(self):
        execute = self.cluster.database.execute
        for type_ in (1, 2):
            execute("INSERT INTO file_to_queue (fid, devid, type, nexttry, failcount, flags, arg) "
                    f"VALUES (888888, 1, {type_}, 2000000000, 0, 0, '2,3')")
        got = self.client.request("file_debug", fid=888888)
        for prefix, type_ in (("fsckqueue", "1"), ("rebqueue", "2")):
            self.assertEqual({k: v for k, v in got.items() if k.startswith(prefix)}, {
                f"{prefix}_fid": "888888", f"{prefix}_devid": "1", f"{prefix}_type": type_,
                f"{prefix}_nexttry": "2000000000", f"{prefix}_failcount": "0", f"{prefix}_flags": "0",
                f"{prefix}_arg": "2,3"})
        execute("DELETE FROM file_to_queue WHERE fid = 888888")


def wait_until_none(client, job):
    wait_until(lambda: client.jobs()[job]["count"] == 0, what=f"no {job} worker is left")


if __name__ == "__main__":
    unittest.main()
