# SPDX-License-Identifier: MIT
"""file_info, rename, updateclass and delete."""
import unittest

from cluster import ClusterTest, http, wait_until

NO_DOMAIN = ("no_domain", "No domain provided")
UNREG_DOMAIN = ("unreg_domain", "Domain name invalid/not found")


class Files(ClusterTest):
    nodes = 2

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2)

    def call(self, command, **args):
        return self.client.call(command, domain=self.name, **{k.rstrip("_"): v for k, v in args.items()})

    def test_every_command_needs_a_domain(self):
        for command in ("file_info", "rename", "updateclass", "delete"):
            for line in (command, command + " domain=&key=k"):
                self.assertERR(self.client.ask(line), *NO_DOMAIN)
            self.assertERR(self.client.ask(command + " domain=nope"), *UNREG_DOMAIN)
            self.assertERR(self.client.ask(command + " domain=0"), *UNREG_DOMAIN)

    def test_info(self):
        up = self.client.upload(self.name, "k", b"x" * 1000, "one")
        want = {"fid": up["fid"], "domain": self.name, "class": "one", "key": "k", "length": 1000, "devcount": 1}
        self.assertOK(self.call("file_info", key="k"), **want)
        self.assertOK(self.call("file_info", key="k", devices=0), **want)
        self.assertOK(self.call("file_info", key="k", devices=1), devids=up["devid"], **want)
        self.assertERR(self.call("file_info"), "no_key")
        self.assertERR(self.call("file_info", key=""), "no_key")
        self.assertERR(self.call("file_info", key="absent"), "unknown_key")
        self.assertERR(self.call("file_info", key="0"), "unknown_key")

    def test_info_of_a_class_with_a_hash(self):
        self.client.request("create_class", domain=self.name, mindevcount=1, hashtype="SHA-1", **{"class": "sha"})
        self.client.admin("!want 0 replicate")
        wait_until(lambda: self.client.jobs()["replicate"]["count"] == 0)
        try:
            self.client.upload(self.name, "k", b"x", "sha")
            self.assertEqual(self.call("file_info", key="k").args["checksum"], "MISSING")
        finally:
            self.client.admin("!want 2 replicate")

    def test_info_without_copies_and_class(self):
        up = self.client.upload(self.name, "k", b"x", "one")
        self.cluster.database.execute("DELETE FROM file_on WHERE fid = " + up["fid"])
        self.assertEqual(self.call("file_info", key="k", devices=1).args["devids"], "")
        self.cluster.database.execute("UPDATE file SET classid = 99 WHERE fid = " + up["fid"])
        answer = self.call("file_info", key="k")
        self.assertEqual(answer.args["class"], "", answer)
        self.cluster.database.execute("DELETE FROM file WHERE fid = " + up["fid"])

    def test_devcount_follows_the_copies(self):
        self.client.upload(self.name, "k", b"x", "two")
        wait_until(lambda: self.call("file_info", key="k").args["devcount"] == "2", what="two copies")
        self.assertEqual(sorted(self.call("file_info", key="k", devices=1).args["devids"].split(",")), ["1", "2"])

    def test_rename(self):
        up = self.client.upload(self.name, "a", b"x", "one")
        self.assertOK(self.call("rename", from_key="a", to_key="b"))
        self.assertEqual(self.call("file_info", key="b").args["fid"], up["fid"])
        self.assertERR(self.call("file_info", key="a"), "unknown_key")
        self.assertERR(self.call("rename", from_key="a", to_key="c"), "unknown_key")
        for args in ({"from_key": "b"}, {"to_key": "b"}, {"from_key": "", "to_key": "c"}, {"from_key": "b", "to_key": ""}):
            self.assertERR(self.call("rename", **args), "no_key")
        self.assertOK(self.call("rename", from_key="b", to_key="b"))

    def test_rename_does_not_overwrite(self):
        for key in ("a", "b"):
            self.client.upload(self.name, key, key.encode(), "one")
        self.client.send(f"rename domain={self.name}&from_key=a&to_key=b\r\nnoop callid=next\r\n")
        self.assertEqual(self.client.line(), b"ERR key_exists Target+key+name+already+exists%3B+can%27t+overwrite.")
        self.assertEqual(self.client.line(), b"OK callid=next", "one request, one answer")
        self.assertEqual(self.client.keys(self.name), ["a", "b"])
        self.assertERR(self.call("rename", from_key="absent", to_key="b"), "unknown_key")

    def test_updateclass(self):
        up = self.client.upload(self.name, "k", b"x", "one")
        self.assertOK(self.call("updateclass", key="k", class_="two"))
        self.assertEqual(self.call("file_info", key="k").args["class"], "two")
        wait_until(lambda: self.call("file_info", key="k").args["devcount"] == "2", what="two copies")
        self.assertOK(self.call("updateclass", key="k", class_="two"))
        self.assertOK(self.call("updateclass", key="k", class_="default"))
        self.assertEqual(self.call("file_info", key="k").args["class"], "default")
        self.assertEqual(self.call("file_info", key="k").args["fid"], up["fid"])

    def test_what_updateclass_refuses(self):
        self.client.upload(self.name, "k", b"x", "one")
        self.assertERR(self.call("updateclass", class_="one"), "no_key")
        for none in (None, "", "0"):
            self.assertERR(self.call("updateclass", key="k", class_=none), "no_class", "No class provided")
        self.assertERR(self.call("updateclass", key="k", class_="absent"), "class_not_found", "Class not found")
        self.assertERR(self.call("updateclass", key="absent", class_="one"), "invalid_key")
        self.cluster.database.execute("DELETE FROM file_on")
        self.assertERR(self.call("updateclass", key="k", class_="two"), "no_devices", "No devices found to store file")

    def test_delete(self):
        up = self.client.upload(self.name, "k", b"x", "one")
        self.assertERR(self.call("delete"), "no_key")
        self.assertOK(self.call("delete", key="k"))
        self.assertERR(self.call("delete", key="k"), "unknown_key")
        self.assertERR(self.call("get_paths", key="k"), "unknown_key")
        wait_until(lambda: http("GET", up["path"])[0] == 404, what="the bytes go away")
        rows = self.cluster.database.rows
        wait_until(lambda: not rows(f"SELECT * FROM file_on WHERE fid = {up['fid']}") and
                   not rows(f"SELECT * FROM file_to_delete2 WHERE fid = {up['fid']}"), what="no row is left")

    def test_everything_with_the_key_zero(self):
        self.client.upload(self.name, "0", b"x", "one")
        self.assertEqual(len(self.client.paths(self.name, "0")), 1)
        self.assertOK(self.call("updateclass", key="0", class_="two"))
        self.assertOK(self.call("rename", from_key="0", to_key="1"))
        self.assertOK(self.call("rename", from_key="1", to_key="0"))
        self.assertEqual(self.call("file_debug", key="0").args["fid_dkey"], "0")
        self.assertOK(self.call("delete", key="0"))

    def test_keys_belong_to_their_domain(self):
        self.client.request("create_domain", domain=self.name + "-b")
        self.client.upload(self.name, "k", b"x", "one")
        for command in ("file_info", "get_paths", "delete"):
            self.assertERR(self.client.call(command, domain=self.name + "-b", key="k"), "unknown_key")


class FilesOnMariadb(Files):
    database = "mariadb"


class FilesOnPostgres(Files):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
