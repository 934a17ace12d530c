# SPDX-License-Identifier: MIT
"""Names are bytes: any of them, in any order, and no two are the same that differ."""
import unittest

from cluster import ClusterTest, http

PICTURES = "图片"
ODD = b"\xff\xfe\x00\x0d\x0a\x01".decode("utf-8", "surrogateescape")


class Names(ClusterTest):
    nodes = 1

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)

    def test_a_domain_of_any_bytes(self):
        for name in (PICTURES, ODD, "Case", "case", "trailing ", "trailing"):
            self.assertOK(self.client.call("create_domain", domain=name), domain=name)
            self.assertERR(self.client.call("create_domain", domain=name), "domain_exists", "That domain already exists")
        self.client.send(b"create_domain domain=%e5%9b%be%e7%89%87\r\n")
        self.assertEqual(self.client.line(), b"ERR domain_exists That+domain+already+exists")
        for name in (PICTURES, ODD, "Case", "case", "trailing ", "trailing"):
            self.assertOK(self.client.call("delete_domain", domain=name), domain=name)

    def test_a_class_of_any_bytes(self):
        for name in (PICTURES, "Case", "case", "sp ace", b"\xff\xfe".decode("utf-8", "surrogateescape")):
            self.assertOK(self.client.call("create_class", domain=self.name, mindevcount=1, **{"class": name}),
                          domain=self.name, mindevcount=1, class_=name)
            self.assertTrue(self.client.call("create_open", domain=self.name, key="k", **{"class": name}).ok)

    def test_keys_of_any_bytes(self):
        keys = ["键/😀", ODD, "Key", "key", "key ", "/a b/+%&=/z", "\u00e9", "e\u0301", "0", "..", "a\\b", "'\"`;--",
                bytes(range(1, 120)).decode("utf-8", "surrogateescape"),
                bytes(range(120, 256)).decode("utf-8", "surrogateescape")]
        for i, key in enumerate(keys):
            self.client.upload(self.name, key, b"%d" % i, "one")
        for i, key in enumerate(keys):
            info = self.client.request("file_info", domain=self.name, key=key)
            self.assertEqual(info["key"], key)
            self.assertEqual(http("GET", self.client.paths(self.name, key)[0])[2], b"%d" % i)
        in_order = sorted(keys, key=lambda k: k.encode("utf-8", "surrogateescape"))
        self.assertEqual(self.client.keys(self.name), in_order)
        for key in keys:
            found = self.client.keys(self.name, prefix=key)
            raw = key.encode("utf-8", "surrogateescape")
            self.assertEqual(found, [k for k in in_order if k.encode("utf-8", "surrogateescape").startswith(raw)])
        for key in keys:
            self.assertOK(self.client.call("delete", domain=self.name, key=key))
        self.assertEqual(self.client.keys(self.name), [])

    def test_to_rename_through_odd_names(self):
        fid = self.client.upload(self.name, "键", b"x", "one")["fid"]
        names = ["键", ODD, "Key", "KEY", " ", "\x00", "%00", "键"]
        for old, new in zip(names, names[1:]):
            self.assertOK(self.client.call("rename", domain=self.name, from_key=old, to_key=new))
            self.assertEqual(self.client.request("file_info", domain=self.name, key=new)["fid"], fid)
            self.assertERR(self.client.call("file_info", domain=self.name, key=old), "unknown_key")

    def test_a_long_key_of_three_bytes_each(self):
        key = "键" * 85
        self.client.upload(self.name, key, b"x", "one")
        self.assertEqual(self.client.keys(self.name), [key])


class NamesOnMariadb(Names):
    database = "mariadb"


class NamesOnPostgres(Names):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
