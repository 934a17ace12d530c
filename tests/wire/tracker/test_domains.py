# SPDX-License-Identifier: MIT
"""create_domain, delete_domain, get_domains, and what stands in the database then."""
import unittest

from cluster import ClusterTest


class Domains(ClusterTest):
    def setUp(self):
        super().setUp()
        for name in self.names():
            self.client.request("delete_domain", domain=name)

    def names(self):
        got = self.client.request("get_domains")
        return [got[f"domain{i + 1}"] for i in range(int(got["domains"]))]

    def test_none(self):
        self.client.send(b"get_domains\r\n")
        self.assertEqual(self.client.line(), b"OK domains=0")

    def test_create(self):
        self.assertOK(self.client.call("create_domain", domain="images"), domain="images")
        self.assertERR(self.client.call("create_domain", domain="images"), "domain_exists",
                       "That domain already exists")
        self.assertOK(self.client.ask("CREATE_DOMAIN domain=text"), domain="text")
        self.assertOK(self.client.call("get_domains"), domains=2,
                      domain1="images", domain1classes=1, domain1class1name="default", domain1class1mindevcount=2,
                      domain1class1replpolicy="MultipleHosts()", domain1class1hashtype="NONE",
                      domain2="text", domain2classes=1, domain2class1name="default", domain2class1mindevcount=2,
                      domain2class1replpolicy="MultipleHosts()", domain2class1hashtype="NONE")

    def test_a_class_names_itself_first_and_its_mindevcount_last(self):
        self.client.request("create_domain", domain="order")
        self.client.send(b"get_domains\r\n")
        pairs = [p.split(b"=")[0] for p in self.client.line()[3:].split(b"&")]
        of_class = [p for p in pairs if p.startswith(b"domain1class1")]
        self.assertEqual((of_class[0], of_class[-1]), (b"domain1class1name", b"domain1class1mindevcount"))

    def test_name_is_needed(self):
        for line in ("create_domain", "create_domain domain=", "create_domain domain=0", "delete_domain",
                     "delete_domain domain=", "delete_domain domain=0"):
            self.assertERR(self.client.ask(line), "no_domain", "No domain provided")

    def test_delete(self):
        self.client.request("create_domain", domain="gone")
        self.assertOK(self.client.call("delete_domain", domain="gone"), domain="gone")
        self.assertERR(self.client.call("delete_domain", domain="gone"), "domain_not_found", "Domain not found")
        self.assertEqual(self.names(), [])

    def test_delete_with_classes(self):
        self.client.request("create_domain", domain="classy")
        self.client.request("create_class", domain="classy", mindevcount=1, **{"class": "one"})
        self.assertERR(self.client.call("delete_domain", domain="classy"), "domain_has_classes")
        self.client.request("delete_class", domain="classy", **{"class": "one"})
        self.client.request("delete_domain", domain="classy")

    def test_delete_takes_the_row_of_the_default_class_along(self):
        self.client.request("create_domain", domain="own-default")
        self.client.request("update_class", domain="own-default", mindevcount=5, **{"class": "default"})
        self.assertEqual(self.cluster.database.rows("SELECT classid, mindevcount FROM class"), [["0", "5"]])
        self.client.request("delete_domain", domain="own-default")
        self.assertEqual(self.cluster.database.rows("SELECT * FROM class"), [])

    def test_delete_with_files(self):
        self.client.request("create_domain", domain="full")
        dmid = self.cluster.database.rows("SELECT dmid FROM domain")[0][0]
        self.cluster.database.execute("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) "
                                      f"VALUES (77, {dmid}, 'k', 1, 0, 1)")
        self.assertERR(self.client.call("delete_domain", domain="full"), "domain_has_files",
                       "Domain still has files, unable to delete")
        self.cluster.database.execute("DELETE FROM file")
        self.client.request("delete_domain", domain="full")

    def test_ids_go_up_by_one(self):
        for name in ("b", "a", "c"):
            self.client.request("create_domain", domain=name)
        rows = self.cluster.database.rows("SELECT dmid, namespace FROM domain ORDER BY dmid")
        self.assertEqual([r[1] for r in rows], ["b", "a", "c"])
        self.assertEqual([int(r[0]) - int(rows[0][0]) for r in rows], [0, 1, 2])
        self.assertEqual(self.names(), ["b", "a", "c"])

    def test_a_name_has_at_most_255_bytes(self):
        self.assertOK(self.client.call("create_domain", domain="d" * 255), domain="d" * 255)
        self.assertERR(self.client.call("create_domain", domain="d" * 256), "failure", "Operation failed")
        self.assertEqual(self.names(), ["d" * 255])

    def test_odd_names(self):
        for name in ("a b/&", "'; DROP TABLE domain; --", "per%cent", "x\ty"):
            self.assertOK(self.client.call("create_domain", domain=name), domain=name)
        self.assertEqual(len(self.names()), 4)

    def test_the_next_command_on_any_connection_sees_it(self):
        for i in range(5):
            self.client.request("create_domain", domain=f"seen{i}")
            with self.cluster.client() as other:
                self.assertERR(other.call("list_keys", domain=f"seen{i}"), "none_match",
                               "No keys match that pattern and after-value (if any).")
            self.client.request("delete_domain", domain=f"seen{i}")
            with self.cluster.client() as other:
                self.assertERR(other.call("list_keys", domain=f"seen{i}"), "unreg_domain",
                               "Domain name invalid/not found")


class DomainsOnMariadb(Domains):
    database = "mariadb"


class DomainsOnPostgres(Domains):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
