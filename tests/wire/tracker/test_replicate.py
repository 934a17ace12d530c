# SPDX-License-Identifier: MIT
"""Replication: copies where the class wants them, surplus ones shed, bad sources and destinations left out."""
import hashlib
import os
import unittest

from cluster import ClusterTest, http, wait_until


class Replicate(ClusterTest):
    nodes, devices = 3, 2

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2, three=3)

    def on(self, key):
        """Device ids that the tracker has for a file."""
        devids = self.client.request("file_info", domain=self.name, key=key, devices=1)["devids"]
        return sorted(int(d) for d in devids.split(",") if d)

    def hosts(self, key):
        return sorted((d + 1) // 2 for d in self.on(key))

    def url(self, key, devid):
        return self.client.request("file_debug", domain=self.name, key=key)[f"devpath_{devid}"]

    def settled(self, fid):
        return not self.cluster.database.rows(f"SELECT * FROM file_to_replicate WHERE fid = {fid}")

    def again(self, fid):
        """Queue a file for replication now."""
        self.cluster.database.execute(f"DELETE FROM file_to_replicate WHERE fid = {fid}")
        self.cluster.database.execute("INSERT INTO file_to_replicate (fid, nexttry, failcount, flags) VALUES "
                                      f"({fid}, 0, 0, 0)")

    def stored(self, key, class_, data=b"some data"):
        up = self.client.upload(self.name, key, data, class_)
        want = {"one": 1, "two": 2, "three": 3}.get(class_, 2)
        wait_until(lambda: len(self.on(key)) == want and self.settled(up["fid"]), what=f"{key} has {want} copies")
        return up

    def test_each_class(self):
        for class_, copies in (("one", 1), ("two", 2), ("three", 3), (None, 2)):
            up = self.client.upload(self.name, f"k{class_}", b"data", class_)
            wait_until(lambda: self.settled(up["fid"]), what="the queue is empty")
            self.assertEqual(len(set(self.hosts(f"k{class_}"))), copies)
            self.assertEqual(len(self.on(f"k{class_}")), copies)
            for devid in self.on(f"k{class_}"):
                self.assertEqual(http("GET", self.url(f"k{class_}", devid))[2], b"data")
            self.assertEqual(self.client.request("file_info", domain=self.name, key=f"k{class_}")["devcount"],
                             str(copies))

    def test_several_devices_of_one_host(self):
        self.client.request("create_class", domain=self.name, mindevcount=5, replpolicy="MultipleDevices()",
                            **{"class": "devices"})
        up = self.client.upload(self.name, "k", b"data", "devices")
        wait_until(lambda: self.settled(up["fid"]) and len(self.on("k")) == 5, what="five copies on three hosts")

    def test_more_copies_than_hosts(self):
        self.client.request("create_class", domain=self.name, mindevcount=4, **{"class": "four"})
        up = self.client.upload(self.name, "k", b"data", "four")
        wait_until(lambda: self.settled(up["fid"]) and len(self.on("k")) == 4, what="four copies")
        self.assertEqual(set(self.hosts("k")), {1, 2, 3})

    def test_a_number_in_the_policy_goes_before_mindevcount(self):
        self.client.request("create_class", domain=self.name, mindevcount=1, replpolicy="MultipleHosts(3)",
                            **{"class": "p"})
        up = self.client.upload(self.name, "k", b"data", "p")
        wait_until(lambda: self.settled(up["fid"]) and self.hosts("k") == [1, 2, 3], what="three hosts")

    def test_a_stricter_class(self):
        self.stored("k", "one")
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "three"})
        wait_until(lambda: self.hosts("k") == [1, 2, 3], what="three copies")

    def test_surplus_copies_go(self):
        self.stored("k", "three")
        urls = [self.url("k", d) for d in self.on("k")]
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "two"})
        wait_until(lambda: len(self.on("k")) == 2, what="one copy is shed")
        answers = sorted(http("GET", url)[0] for url in urls)
        self.assertEqual(answers, [200, 200, 404])

    def test_nothing_goes_to_devices_that_are_not_alive(self):
        try:
            for devid, state in ((3, "readonly"), (4, "drain"), (5, "down")):
                self.client.request("set_state", host=f"node{(devid + 1) // 2}", device=devid, state=state)
            for i in range(8):
                up = self.client.upload(self.name, f"k{i}", b"data", "two")
                wait_until(lambda: self.settled(up["fid"]), what="replicated")
                self.assertIn(6, self.on(f"k{i}"), "the only one left on another host")
        finally:
            for devid in (3, 4, 5):
                self.client.request("set_state", host=f"node{(devid + 1) // 2}", device=devid, state="alive")
            self.cluster.wait_writeable([3, 4, 5])

    def test_a_bad_source_is_not_copied(self):
        up = self.stored("k", "two", b"0123456789")
        bad, good = self.on("k")
        node = self.cluster.node_of(self.url("k", bad))
        os.truncate(node.file_of(self.url("k", bad)), 4)
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "three"})
        wait_until(lambda: len(self.on("k")) == 3 and self.settled(up["fid"]), what="a third copy")
        for devid in self.on("k"):
            if devid != bad:
                self.assertEqual(http("GET", self.url("k", devid))[2], b"0123456789")

    def test_no_copy_at_all_is_parked(self):
        up = self.stored("k", "one")
        fid = up["fid"]
        self.cluster.database.execute(f"DELETE FROM file_on WHERE fid = {fid}")
        self.again(fid)
        wait_until(lambda: self.cluster.database.rows(
            f"SELECT nexttry, failcount FROM file_to_replicate WHERE fid = {fid}") == [["2147483647", "1"]],
            what="it waits for ever")

    def test_a_file_that_is_gone_leaves_the_queue(self):
        self.again(777777)
        wait_until(lambda: self.settled(777777), what="the row is gone")

    def test_a_hash_is_stored_and_checked(self):
        self.client.request("create_class", domain=self.name, mindevcount=2, hashtype="MD5", **{"class": "md"})
        up = self.client.upload(self.name, "k", b"some data", "md")
        md5 = hashlib.md5(b"some data").hexdigest()
        wait_until(lambda: self.client.request("file_info", domain=self.name, key="k")["checksum"] == f"MD5:{md5}",
                   what="the checksum is stored with the second copy")
        wait_until(lambda: self.settled(up["fid"]))
        bad, good = self.on("k")
        with open(self.cluster.node_of(self.url("k", bad)).file_of(self.url("k", bad)), "r+b") as f:
            f.write(b"X")
        self.client.request("create_class", domain=self.name, mindevcount=3, hashtype="MD5", **{"class": "md3"})
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "md3"})
        wait_until(lambda: len(self.on("k")) == 3 and self.settled(up["fid"]), what="a third copy")
        for devid in self.on("k"):
            if devid != bad:
                self.assertEqual(http("GET", self.url("k", devid))[2], b"some data")

    def test_it_backs_off_and_comes_back(self):
        lost = self.cluster.nodes[1:]
        for node in lost:
            node.kill()
        try:
            for node in lost:
                for devid in node.devices:
                    self.cluster.wait_observed(devid, "unreachable", "")
            fid = self.client.upload(self.name, "k", b"data", "two")["fid"]

            def failed():
                rows = self.cluster.database.rows(f"SELECT failcount FROM file_to_replicate WHERE fid = {fid}")
                return rows and int(rows[0][0]) >= 1
            wait_until(failed, what="it was tried")
        finally:
            for node in lost:
                node.start()
            self.cluster.wait_writeable([d for n in lost for d in n.devices])
        self.client.request("replicate_now")
        wait_until(lambda: len(set(self.hosts("k"))) >= 2, what="a copy on another host")


class ReplicateOnMariadb(Replicate):
    database = "mariadb"


class Drain(ClusterTest):
    nodes = 3

    def test_a_dead_device_is_emptied(self):
        """Marked dead, its copies are forgotten and made anew elsewhere."""
        name = self.domain(two=2)
        for i in range(12):
            self.client.upload(name, f"k{i}", b"%d" % i, "two")

        def on(i):
            return self.client.request("file_info", domain=name, key=f"k{i}", devices=1)["devids"].split(",")
        wait_until(lambda: all(len(on(i)) == 2 for i in range(12)), what="two copies of all")
        self.client.request("set_state", host="node1", device=1, state="dead")
        wait_until(lambda: all(sorted(on(i)) == ["2", "3"] for i in range(12)), seconds=90, what="all are on 2 and 3")
        rows = self.cluster.database.rows("SELECT count(*) FROM file_on WHERE devid = 1")
        self.assertEqual(rows, [["0"]])
        for i in range(12):
            for url in self.client.paths(name, f"k{i}"):
                self.assertEqual(http("GET", url)[2], b"%d" % i)


if __name__ == "__main__":
    unittest.main()
