# SPDX-License-Identifier: MIT
"""A host's second address: for clients of a network, and for requests that ask for it."""
import unittest

from cluster import ClusterTest, http, new_address


class Zones(ClusterTest):
    nodes = 1

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.node = self.cluster.nodes[0]
        self.alt = new_address()
        self.near = new_address()

    def tearDown(self):
        self.client.request("update_host", host="node1", altip="", altmask="")

    def alternate(self, altmask):
        self.client.request("update_host", host="node1", altip=self.alt, altmask=altmask)

    def path(self, client, **more):
        return client.request("create_open", domain=self.name, key="k", **more)["path"]

    def test_no_alternate_address(self):
        self.assertTrue(self.path(self.client, zone="alt").startswith(self.node.url("/")))

    def test_asked_for(self):
        self.alternate("127.255.255.255/32")
        self.assertTrue(self.path(self.client).startswith(self.node.url("/")))
        self.assertTrue(self.path(self.client, zone="alt").startswith(f"http://{self.alt}:{self.node.port}/"))
        for other in ("Alt", "ALT", "alt ", "", "x"):
            self.assertTrue(self.path(self.client, zone=other).startswith(self.node.url("/")), other)

    def test_by_the_clients_network(self):
        net = self.near.rsplit(".", 1)[0]
        for mask in (f"{net}.0/24", f"{self.near}", f"{self.near}/32"):
            self.alternate(mask)
            with self.cluster.client(source=self.near) as near:
                self.assertTrue(self.path(near).startswith(f"http://{self.alt}:"), mask)
            self.assertTrue(self.path(self.client).startswith(self.node.url("/")), mask)

    def test_a_mask_that_means_nothing(self):
        self.cluster.database.execute(f"UPDATE host SET altip = '{self.alt}', altmask = 'nonsense'")
        self.client.request("clear_cache")
        self.assertTrue(self.path(self.client, zone="alt").startswith(self.node.url("/")))

    def test_close_must_come_from_the_same_side(self):
        self.alternate("127.255.255.255/32")
        got = self.client.request("create_open", domain=self.name, key="k", zone="alt", **{"class": "one"})
        status, _, _ = http("PUT", got["path"].replace(self.alt, self.node.address), b"x")
        self.assertIn(status, (200, 201, 204))
        self.assertERR(self.client.call("create_close", **{**got, "domain": self.name, "key": "k"}), "bogus_args")
        self.assertOK(self.client.call("create_close", **{**got, "domain": self.name, "key": "k", "zone": "alt"}))
        self.assertTrue(self.client.paths(self.name, "k")[0].startswith(self.node.url("/")))
        self.assertTrue(self.client.paths(self.name, "k", zone="alt")[0].startswith(f"http://{self.alt}:"))


if __name__ == "__main__":
    unittest.main()
