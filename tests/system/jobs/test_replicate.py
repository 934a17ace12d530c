# SPDX-License-Identifier: MIT
"""Replication, deletion, reaping and shedding on a live cluster."""
import hashlib
import os
import unittest

from cluster import ClusterTest, http, wait_until


class Replication(ClusterTest):
    nodes = 3
    devices = 2  # node n has dev 2n-1 and 2n
    options = {"replicate_jobs": 3, "delete_jobs": 2, "fsck_jobs": 1}

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2, three=3)

    def tearDown(self):
        for key in self.client.keys(self.name):
            self.client.request("delete", domain=self.name, key=key)
        for devid, row in self.cluster.devices().items():
            if row["status"] != "alive":
                host = self.cluster.nodes[(devid - 1) // 2].host
                self.client.request("set_state", host=host, device=devid, state="down")
                self.client.request("set_state", host=host, device=devid, state="alive")
        self.cluster.wait_writeable(range(1, 7))

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def on(self, fid):
        return {int(r[0]) for r in self.rows(f"SELECT devid FROM file_on WHERE fid={fid}")}

    def hosts(self, fid):
        return {(d - 1) // 2 for d in self.on(fid)}

    def wait_hosts(self, fid, n):
        wait_until(lambda: len(self.hosts(fid)) == n == len(self.on(fid)), what=f"fid {fid} is on {n} hosts")
        wait_until(lambda: self.rows(f"SELECT fid FROM file_to_replicate WHERE fid={fid}") == [], what="queue is empty")

    def assertEverywhere(self, key, data):
        """Every recorded copy has these bytes."""
        info = self.client.request("file_debug", domain=self.name, key=key)
        urls = [v for k, v in info.items() if k.startswith("devpath_")]
        self.assertGreater(len(urls), 0)
        for url in urls:
            status, _, body = http("GET", url)
            self.assertEqual((status, body), (200, data), url)

    def test_copies_go_to_other_hosts(self):
        data = os.urandom(300000)
        for class_, n in (("two", 2), ("three", 3)):
            fid = self.client.upload(self.name, class_, data, class_=class_)["fid"]
            self.wait_hosts(fid, n)
            self.assertEverywhere(class_, data)
            self.assertEqual(self.client.request("file_info", domain=self.name, key=class_)["devcount"], str(n))

    def test_an_empty_file(self):
        fid = self.client.upload(self.name, "empty", b"", class_="two")["fid"]
        self.wait_hosts(fid, 2)
        self.assertEverywhere("empty", b"")

    def test_checksum_is_stored_on_the_way(self):
        self.client.request("create_class", domain=self.name, **{"class": "sums"}, mindevcount=2, hashtype="SHA-1")
        data = os.urandom(5000)
        fid = self.client.upload(self.name, "sum", data, class_="sums")["fid"]
        self.wait_hosts(fid, 2)
        got = self.client.request("file_info", domain=self.name, key="sum")
        self.assertEqual(got["checksum"], "SHA-1:" + hashlib.sha1(data).hexdigest())

    def want_replicators(self, n):
        self.client.admin(f"!want {n} replicate")
        wait_until(lambda: self.client.jobs()["replicate"]["count"] == n, what=f"{n} replicate workers")

    def test_bad_bytes_are_not_copied(self):
        """Whichever source is tried first, the new copy has the stored digest; the check then mends the bad one."""
        self.client.request("create_class", domain=self.name, **{"class": "sums"}, mindevcount=3, hashtype="MD5")
        data = os.urandom(5000)
        self.want_replicators(0)
        opened = self.client.upload(self.name, "bad", data, class_="sums",
                                    checksum="MD5:" + hashlib.md5(data).hexdigest())
        fid, first = opened["fid"], int(opened["devid"])
        other = next(d for d in range(1, 7) if (d - 1) // 2 != (first - 1) // 2)
        good = self.cluster.nodes[(first - 1) // 2].file_of(opened["path"])
        bad = good.replace(f"node{(first - 1) // 2 + 1}/dev{first}/", f"node{(other - 1) // 2 + 1}/dev{other}/")
        os.makedirs(os.path.dirname(bad), exist_ok=True)
        with open(bad, "wb") as f:
            f.write(b"x" * len(data))
        self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, {other})")
        self.want_replicators(3)

        def copies():
            info = self.client.request("file_debug", domain=self.name, key="bad")
            return {int(k[8:]): http("GET", v)[2] for k, v in info.items() if k.startswith("devpath_")}
        wait_until(lambda: len(self.on(fid)) >= 3 or other not in self.on(fid), what="a third copy")
        self.assertTrue(all(body == data for devid, body in copies().items() if devid != other))
        self.client.request("fsck_reset")
        self.client.request("fsck_start")

        def mended():
            self.client.request("replicate_now")
            return len(copies()) == 3 and all(body == data for body in copies().values())
        wait_until(mended, 60, "three good copies")

    def test_update_of_the_class(self):
        fid = self.client.upload(self.name, "k", b"abc", class_="two")["fid"]
        self.wait_hosts(fid, 2)
        self.client.request("updateclass", domain=self.name, key="k", **{"class": "three"})
        self.wait_hosts(fid, 3)

    def test_surplus_copies_are_shed_and_hosts_stay_spread(self):
        """Two of three copies are on one host: one of those goes, in whatever order they are looked at. The third would
        be made again elsewhere."""
        self.client.request("create_class", domain=self.name, **{"class": "pair"}, mindevcount=2)
        fids = {f"k{i}": self.client.upload(self.name, f"k{i}", b"abc", class_="two")["fid"] for i in range(20)}
        three = {}
        for key, fid in fids.items():
            self.wait_hosts(fid, 2)
            there = min(self.on(fid))
            beside = there + 1 if there % 2 else there - 1
            path = f"/dev{beside}/0/000/000/{int(fid):010}.fid"
            self.assertEqual(http("PUT", self.cluster.nodes[(beside - 1) // 2].url(path), b"abc")[0] // 100, 2)
            self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, {beside})")
            three[fid] = self.on(fid)
            self.client.request("updateclass", domain=self.name, key=key, **{"class": "pair"})

        def shed():
            self.client.request("replicate_now")
            return all(len(self.on(fid)) == 2 and self.rows(f"SELECT fid FROM file_to_replicate WHERE fid={fid}") == []
                       for fid in fids.values())
        wait_until(shed, what="one copy of each is gone")
        for key, fid in fids.items():
            self.assertEqual(len(self.hosts(fid)), 2)
            self.assertLess(self.on(fid), three[fid])
            wait_until(lambda key=key: self.client.request("file_info", domain=self.name, key=key)["devcount"] == "2")
            self.assertEverywhere(key, b"abc")

    def test_the_surplus_copy_is_not_the_only_one_of_its_zone(self):
        near, far = [f"{node.address}/32" for node in self.cluster.nodes[:2]], f"{self.cluster.nodes[2].address}/32"
        zones = {"network_zones": "near,far", "zone_near": ",".join(near), "zone_far": far}
        for key, value in zones.items():
            self.client.request("set_server_setting", key=key, value=value)
            self.addCleanup(self.client.request, "set_server_setting", key=key, value="")
        self.client.request("clear_cache")
        self.client.request("create_class", domain=self.name, **{"class": "zones"}, mindevcount=2,
                            replpolicy="HostsPerNetwork(near=1, far=1)")
        fids = [self.client.upload(self.name, f"k{i}", b"abc", class_="three")["fid"] for i in range(12)]
        for fid in fids:
            self.wait_hosts(fid, 3)
        there = {fid: self.on(fid) & {5, 6} for fid in fids}
        for i in range(len(fids)):
            self.client.request("updateclass", domain=self.name, key=f"k{i}", **{"class": "zones"})

        def shed():
            self.client.request("replicate_now")
            return all(len(self.on(fid)) == 2 for fid in fids)
        wait_until(shed, what="one copy of each is gone")
        self.assertEqual({fid: self.on(fid) & {5, 6} for fid in fids}, there, "none was moved for that")

    def test_delete_removes_the_files(self):
        fid = self.client.upload(self.name, "gone", b"abc" * 1000, class_="three")["fid"]
        self.wait_hosts(fid, 3)
        urls = [v for k, v in self.client.request("file_debug", fid=fid).items() if k.startswith("devpath_")]
        self.client.request("delete", domain=self.name, key="gone")
        self.assertEqual(self.client.call("get_paths", domain=self.name, key="gone").code, "unknown_key")
        wait_until(lambda: all(http("GET", u)[0] == 404 for u in urls), what="the files are gone")
        wait_until(lambda: self.on(fid) == set() and self.rows(f"SELECT fid FROM file_to_delete2 WHERE fid={fid}") == [])

    def test_overwriting_deletes_the_old_file(self):
        old = self.client.upload(self.name, "k", b"one", class_="two")["fid"]
        self.wait_hosts(old, 2)
        self.client.upload(self.name, "k", b"two", class_="two")
        wait_until(lambda: self.on(old) == set(), what="the old copies are gone")
        self.assertEverywhere("k", b"two")

    def test_an_abandoned_upload_is_swept(self):
        opened = self.client.request("create_open", domain=self.name, key="never")
        self.assertEqual(http("PUT", opened["path"], b"half")[0] // 100, 2)
        self.cluster.database.execute(f"UPDATE tempfile SET createtime=createtime-3700 WHERE fid={opened['fid']}")
        wait_until(lambda: http("GET", opened["path"])[0] == 404, what="the bytes are gone")
        wait_until(lambda: self.rows(f"SELECT fid FROM tempfile WHERE fid={opened['fid']}") == [])

    def test_a_draining_device_gets_no_new_files(self):
        self.client.request("set_state", host="node1", device=1, state="drain")
        self.client.request("set_state", host="node1", device=2, state="drain")
        for i in range(10):
            opened = self.client.upload(self.name, f"k{i}", b"abc", class_="two")
            self.assertNotIn(int(opened["devid"]), (1, 2))
            self.wait_hosts(opened["fid"], 2)
            self.assertFalse(self.on(opened["fid"]) & {1, 2})

    def test_a_node_that_is_away(self):
        """Files are stored elsewhere meanwhile, and it is used again when it is back."""
        node = self.cluster.nodes[2]
        node.stop()
        self.cluster.wait_observed(5, "unreachable")
        fid = self.client.upload(self.name, "k", b"abc", class_="two")["fid"]
        self.wait_hosts(fid, 2)
        self.assertFalse(self.on(fid) & {5, 6})
        node.start()
        self.cluster.wait_writeable([5, 6])

    def test_file_debug_shows_the_queue(self):
        self.want_replicators(0)
        fid = self.client.upload(self.name, "k", b"abc", class_="two")["fid"]
        got = self.client.request("file_debug", fid=fid)
        self.assertEqual((got["replqueue_fid"], got["replqueue_failcount"]), (fid, "0"))
        self.want_replicators(3)
        self.wait_hosts(fid, 2)


class ReplicationOnMariadb(Replication):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
