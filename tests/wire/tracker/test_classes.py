# SPDX-License-Identifier: MIT
"""create_class, update_class, delete_class: arguments, defaults and what each refuses."""
import unittest

from cluster import ClusterTest


class Classes(ClusterTest):
    def setUp(self):
        super().setUp()
        self.name = self.domain()

    def create(self, **args):
        return self.client.call("create_class", domain=self.name, **{k.rstrip("_"): v for k, v in args.items()})

    def update(self, **args):
        return self.client.call("update_class", domain=self.name, **{k.rstrip("_"): v for k, v in args.items()})

    def classes(self):
        """{class: (mindevcount, policy, hash)} of this test's domain."""
        got = self.client.request("get_domains")
        n = next(i for i in range(1, int(got["domains"]) + 1) if got[f"domain{i}"] == self.name)
        prefix = f"domain{n}class"
        return {got[f"{prefix}{i}name"]: (int(got[f"{prefix}{i}mindevcount"]), got[f"{prefix}{i}replpolicy"],
                                          got[f"{prefix}{i}hashtype"])
                for i in range(1, int(got[f"domain{n}classes"]) + 1)}

    def test_create(self):
        self.assertOK(self.create(class_="img1", mindevcount=2), class_="img1", mindevcount=2, domain=self.name)
        self.assertERR(self.create(class_="img1", mindevcount=2), "class_exists",
                       "That class already exists in that domain")
        self.assertOK(self.create(class_="safe", mindevcount=3, replpolicy="MultipleHosts(3)", hashtype="MD5"),
                      class_="safe", mindevcount=3, domain=self.name)
        self.assertEqual(self.classes(), {"default": (2, "MultipleHosts()", "NONE"),
                                          "img1": (2, "MultipleHosts()", "NONE"),
                                          "safe": (3, "MultipleHosts(3)", "MD5")})

    def test_domain_and_class_are_needed(self):
        self.assertERR(self.client.call("create_class", mindevcount=1, **{"class": "x"}), "no_domain",
                       "No domain provided")
        self.assertERR(self.create(mindevcount=1), "no_class", "No class provided")
        self.assertERR(self.create(class_="", mindevcount=1), "no_class", "No class provided")
        self.assertERR(self.client.call("create_class", domain="nope", mindevcount=2, **{"class": "x"}),
                       "domain_not_found", "Domain not found")

    def test_zero_is_a_class_name(self):
        self.assertOK(self.create(class_="0", mindevcount=1), class_="0", mindevcount=1, domain=self.name)
        self.assertIn("0", self.classes())

    def test_mindevcount(self):
        for bad in (None, "", "0", "-1", "abc"):
            for call in (self.create, self.update):
                self.assertERR(call(class_="m", mindevcount=bad), "invalid_mindevcount",
                               "The mindevcount must be at least 1")
        self.assertOK(self.create(class_="m", mindevcount="3x"), class_="m", mindevcount=3, domain=self.name)
        self.assertOK(self.update(class_="m", mindevcount=255), class_="m", mindevcount=255, domain=self.name)
        for large in ("256", "1e999"):
            self.assertERR(self.update(class_="m", mindevcount=large), "invalid_mindevcount",
                           "The mindevcount must be at most 255")
        self.assertEqual(self.classes()["m"][0], 255)

    def test_the_order_of_the_checks(self):
        self.assertEqual(self.client.call("create_class", domain="nope").code, "no_class")
        self.assertEqual(self.client.call("create_class", domain="nope", **{"class": "x"}).code, "invalid_mindevcount")
        self.assertEqual(self.client.call("create_class", domain="nope", mindevcount=1, replpolicy="Nope(",
                                          hashtype="x", **{"class": "x"}).code, "invalid_replpolicy")
        self.assertEqual(self.client.call("create_class", domain="nope", mindevcount=1, hashtype="x",
                                          **{"class": "x"}).code, "invalid_hashtype")

    def test_policies(self):
        good = ("MultipleHosts()", "MultipleHosts(3)", " MultipleHosts( 3 ) ", "MultipleDevices()", "MultipleDevices(2)",
                "Union(MultipleHosts(2), MultipleDevices(3))", "MultipleNetworks()", "HostsPerNetwork(near=1,far=2)")
        for i, policy in enumerate(good):
            answer = self.create(class_=f"p{i}", mindevcount=2, replpolicy=policy)
            self.assertTrue(answer.ok, (policy, answer))
            self.assertEqual(self.classes()[f"p{i}"][1], policy)
        for policy in ("NoSuchPolicy(3)", "MultipleHosts(", "MultipleHosts", "MultipleHosts(x)", "()", "3"):
            answer = self.create(class_="bad", mindevcount=2, replpolicy=policy)
            self.assertEqual(answer.code, "invalid_replpolicy", (policy, answer))
            self.assertNotIn("\n", answer.text)
        self.assertNotIn("bad", self.classes())

    def test_hash_types(self):
        for i, (name, shown) in enumerate((("MD5", "MD5"), ("SHA-1", "SHA-1"), ("NONE", "NONE"), (None, "NONE"),
                                           ("", "NONE"))):
            self.assertTrue(self.create(class_=f"h{i}", mindevcount=1, hashtype=name).ok)
            self.assertEqual(self.classes()[f"h{i}"][2], shown)
        for bad in ("md5", "CRC32", "SHA1", "SHA-256", "MD5 "):
            self.assertERR(self.create(class_="bad", mindevcount=1, hashtype=bad), "invalid_hashtype")

    def test_update(self):
        self.create(class_="u", mindevcount=3, replpolicy="MultipleHosts(3)", hashtype="MD5")
        self.assertOK(self.update(class_="u", mindevcount=4), class_="u", mindevcount=4, domain=self.name)
        self.assertEqual(self.classes()["u"], (4, "MultipleHosts(3)", "MD5"))
        self.assertTrue(self.update(class_="u", mindevcount=4, replpolicy="", hashtype="").ok)
        self.assertEqual(self.classes()["u"], (4, "MultipleHosts(3)", "MD5"))
        self.assertTrue(self.update(class_="u", mindevcount=1, replpolicy="MultipleDevices()", hashtype="NONE").ok)
        self.assertEqual(self.classes()["u"], (1, "MultipleDevices()", "NONE"))
        self.assertERR(self.update(class_="absent", mindevcount=1), "class_not_found", "Class not found")

    def test_create_class_with_update(self):
        self.assertERR(self.create(class_="cu", mindevcount=1, update=1), "class_not_found", "Class not found")
        self.create(class_="cu", mindevcount=1)
        self.assertTrue(self.create(class_="cu", mindevcount=2, update=1).ok)
        self.assertEqual(self.classes()["cu"][0], 2)

    def test_the_default_class_has_id_0(self):
        self.assertTrue(self.update(class_="default", mindevcount=5).ok)
        self.assertEqual(self.classes()["default"], (5, "MultipleHosts()", "NONE"))
        self.create(class_="one", mindevcount=1)
        self.create(class_="two", mindevcount=1)
        rows = self.cluster.database.rows("SELECT c.classid, c.classname FROM class c JOIN domain d ON d.dmid = c.dmid"
                                          f" WHERE d.namespace = '{self.name}' ORDER BY c.classid")
        self.assertEqual(rows, [["0", "default"], ["1", "one"], ["2", "two"]])

    def test_delete(self):
        self.create(class_="d", mindevcount=1)
        self.assertOK(self.client.call("delete_class", domain=self.name, **{"class": "d"}), domain=self.name, class_="d")
        self.assertNotIn("d", self.classes())
        for line, code, text in (
                ("delete_class class=x", "no_domain", "No domain provided"),
                (f"delete_class domain={self.name}", "class_not_found", "Class not found"),
                (f"delete_class domain={self.name}&class=d", "class_not_found", "Class not found"),
                (f"delete_class domain={self.name}&class=default", "nodel_default_class",
                 "Cannot delete the default class"),
                ("delete_class domain=nope&class=default", "nodel_default_class", "Cannot delete the default class"),
                ("delete_class domain=nope&class=x", "domain_not_found", "Domain not found")):
            self.assertERR(self.client.ask(line), code, text)

    def test_delete_with_files(self):
        self.create(class_="full", mindevcount=1)
        self.cluster.database.execute(
            "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) SELECT 88, dmid, 'k', 1, 1, 1 FROM domain"
            f" WHERE namespace = '{self.name}'")
        self.assertERR(self.client.call("delete_class", domain=self.name, **{"class": "full"}), "class_has_files",
                       "Class still has files, unable to delete")
        self.cluster.database.execute("DELETE FROM file WHERE fid = 88")
        self.assertTrue(self.client.call("delete_class", domain=self.name, **{"class": "full"}).ok)

    def test_a_name_has_at_most_50_bytes(self):
        self.assertTrue(self.create(class_="c" * 50, mindevcount=1).ok)
        self.assertERR(self.create(class_="c" * 51, mindevcount=1), "failure", "Operation failed")


class ClassesOnMariadb(Classes):
    database = "mariadb"


class ClassesOnPostgres(Classes):
    database = "postgres"


class DefaultMindevcount(ClusterTest):
    options = {"default_mindevcount": 4}

    def test_it_is_that_of_the_default_class(self):
        self.client.request("create_domain", domain="d")
        self.assertEqual(self.client.request("get_domains")["domain1class1mindevcount"], "4")


if __name__ == "__main__":
    unittest.main()
