# SPDX-License-Identifier: MIT
"""Hosts, domains and classes take the highest id and one: many that are made at the same time all get one."""
import unittest

from cluster import ClusterTest

MANY = 20


class NewIds(ClusterTest):
    options = {"query_jobs": MANY}

    def at_once(self, lines):
        """The answers to lines that are asked at the same time."""
        clients = [self.cluster.client() for _ in lines]
        try:
            for client, line in zip(clients, lines):
                client.send(line + "\r\n")
            return [client.answer() for client in clients]
        finally:
            for client in clients:
                client.close()

    def assertEachOK(self, answers):
        self.assertEqual([answer for answer in answers if not answer.ok], [])

    def assertOneOK(self, answers, *codes):
        self.assertEqual(sum(answer.ok for answer in answers), 1, answers)
        self.assertEqual([answer for answer in answers if not answer.ok and answer.code not in codes], [])

    def test_hosts(self):
        answers = self.at_once([f"create_host host=h{i}&ip=127.9.0.{i}&port=7500" for i in range(MANY)])
        self.assertEachOK(answers)
        self.assertEqual(len({answer.args["hostid"] for answer in answers}), MANY)
        same_name = self.at_once([f"create_host host=one&ip=127.9.1.{i}&port=7500" for i in range(MANY)])
        self.assertOneOK(same_name, "host_exists", "dup")
        same_address = self.at_once([f"create_host host=other{i}&ip=127.9.2.1&port=7500" for i in range(MANY)])
        self.assertOneOK(same_address, "dup")

    def test_domains(self):
        self.assertEachOK(self.at_once([f"create_domain domain=d{i}" for i in range(MANY)]))
        self.assertOneOK(self.at_once(["create_domain domain=one"] * MANY), "domain_exists")

    def test_classes(self):
        name = self.domain()
        self.assertEachOK(self.at_once([f"create_class domain={name}&class=c{i}&mindevcount=1" for i in range(MANY)]))
        self.assertOneOK(self.at_once([f"create_class domain={name}&class=one&mindevcount=1"] * MANY), "class_exists")

    def test_the_row_of_the_default_class(self):
        for i in range(5):
            self.client.request("create_domain", domain=f"default{i}")
            line = f"update_class domain=default{i}&class=default&mindevcount=3"
            self.assertEachOK(self.at_once([line] * MANY))


class NewIdsOnMariadb(NewIds):
    database = "mariadb"


class NewIdsOnPostgres(NewIds):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
