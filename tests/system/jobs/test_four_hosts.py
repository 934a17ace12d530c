# SPDX-License-Identifier: MIT
"""Four hosts with eight devices: what is broken by hand is mended, what is drained is empty, and rules that change are
followed."""
import hashlib
import os
import unittest
import unittest.mock

from cluster import ClusterTest, new_address, wait_until


class FourHosts(ClusterTest):
    database = "sqlite"
    nodes, devices = 4, 2  # dev1, dev2 on node1; dev3, dev4 on node2; and so on
    options = {"replicate_jobs": 4, "fsck_jobs": 2, "delete_jobs": 2}

    @classmethod
    def setUpClass(cls):
        """The nodes are in two networks, two in each."""
        nets = [new_address().rsplit(".", 1)[0] for _ in range(2)]
        while nets[0].split(".")[1] == nets[1].split(".")[1]:
            nets[1] = new_address().rsplit(".", 1)[0]
        addresses = iter([f"{net}.{i}" for net in nets for i in (11, 12)])
        with unittest.mock.patch("cluster.new_address", lambda: next(addresses, None) or new_address()):
            super().setUpClass()

    def setUp(self):
        super().setUp()
        self.name = self.domain(two=2)

    def tearDown(self):
        for key in self.client.keys(self.name):
            self.client.request("delete", domain=self.name, key=key)
        for devid, row in self.cluster.devices().items():
            if row["status"] != "alive":
                for state in ("down", "alive"):
                    self.client.request("set_state", host=self.host_of(devid), device=devid, state=state)
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_on") == [["0"]], 60, "all is deleted")
        self.cluster.wait_writeable(range(1, 9))

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def node_of(self, devid):
        return self.cluster.nodes[(devid - 1) // 2]

    def host_of(self, devid):
        return self.node_of(devid).host

    def fill(self, n, class_="two", size=1000):
        """n files in as many copies as their class wants: {fid: bytes}."""
        files = {}
        for i in range(n):
            data = os.urandom(size)
            files[int(self.client.upload(self.name, f"k{i}", data, class_=class_)["fid"])] = data
        self.wait_replicated()
        return files

    def wait_replicated(self):
        def done():
            self.client.request("replicate_now")
            return self.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]]
        wait_until(done, 90, "nothing is left to be replicated", pause=0.2)

    def places(self):
        """{fid: {devids}} of everything."""
        got = {}
        for fid, devid in self.rows("SELECT fid, devid FROM file_on"):
            got.setdefault(int(fid), set()).add(int(devid))
        return got

    def path(self, fid, devid):
        pad = f"{fid:010d}"
        return os.path.join(self.node_of(devid).docroot, f"dev{devid}", pad[0], pad[1:4], pad[4:7], pad + ".fid")

    def assertStored(self, files, hosts):
        """Every file is on so many devices, each on another host, and each copy is whole."""
        places = self.places()
        self.assertEqual(set(places), set(files))
        for fid, data in files.items():
            self.assertEqual([len(places[fid]), len({self.host_of(d) for d in places[fid]})], [hosts, hosts], places[fid])
            for devid in places[fid]:
                with open(self.path(fid, devid), "rb") as f:
                    self.assertEqual(f.read(), data, f"fid {fid} on dev{devid}")
        self.assertEqual(self.rows(f"SELECT fid FROM file WHERE devcount <> {hosts}"), [])

    def check(self):
        """A check of everything; the codes logged, with the numbers of files."""
        c = self.client
        c.request("fsck_clearlog")
        c.request("fsck_reset")
        c.request("fsck_start")
        wait_until(lambda: c.request("fsck_status")["running"] == "0", what="all are queued")
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=1") == [["0"]], 60, "all are checked")
        return {code: int(n) for code, n in self.rows("SELECT evcode, COUNT(*) FROM fsck_log GROUP BY evcode")}

    def rebalance(self, policy):
        self.client.request("rebalance_set_policy", policy=policy)
        self.client.request("rebalance_start")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "", 60, "it has ended")
        wait_until(lambda: self.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2") == [["0"]], 60, "all is moved")

    # ---- what breaks ----

    def test_what_is_broken_is_mended(self):
        """Each kind of damage to files of its own; then a check, and all is as before."""
        self.client.request("create_class", domain=self.name, **{"class": "sums"}, mindevcount=2, hashtype="MD5")
        files, db = self.fill(12, "sums"), self.cluster.database
        places = self.places()
        fids = sorted(files)
        for fid in fids[0:2]:  # one copy is missing
            os.unlink(self.path(fid, min(places[fid])))
        for fid in fids[2:4]:  # one copy is cut short
            os.truncate(self.path(fid, max(places[fid])), 100)
        for fid in fids[4:6]:  # one copy has other bytes
            with open(self.path(fid, min(places[fid])), "r+b") as f:
                f.write(b"spoilt")
        for fid in fids[6:8]:  # nobody knows where it is
            db.execute(f"DELETE FROM file_on WHERE fid={fid}")
        for fid in fids[8:10]:  # one location is forgotten
            db.execute(f"DELETE FROM file_on WHERE fid={fid} AND devid={min(places[fid])}")
        db.execute(f"UPDATE file SET devcount=9 WHERE fid={fids[10]}")
        db.execute(f"DELETE FROM checksum WHERE fid={fids[11]}")
        codes = self.check()
        self.assertEqual(codes, {"MISS": 2, "BLEN": 2, "NOPA": 2, "SRCH": 2, "FOND": 2, "POVI": 2, "REPL": 10, "BCNT": 1,
                                 "NSUM": 1})
        self.wait_replicated()
        self.assertStored(files, 2)
        sums = dict(self.rows(f"SELECT fid, {'HEX' if db.kind != 'postgres' else ''}(checksum) FROM checksum"))
        self.assertEqual({int(fid): s.lower() for fid, s in sums.items()},
                         {fid: hashlib.md5(data).hexdigest() for fid, data in files.items()})
        self.assertEqual(self.check(), {}, "a second check finds nothing")

    def test_the_files_of_a_dead_device_are_on_two_hosts_again(self):
        files = self.fill(30)
        places = self.places()
        dead = max(range(1, 9), key=lambda d: sum(d in on for on in places.values()))
        self.client.request("set_state", host=self.host_of(dead), device=dead, state="dead")
        wait_until(lambda: self.rows(f"SELECT COUNT(*) FROM file_on WHERE devid={dead}") == [["0"]], 60, "it is reaped")
        self.wait_replicated()
        self.assertStored(files, 2)

    # ---- what moves ----

    def test_a_drained_device_is_emptied(self):
        files = self.fill(30)
        places = self.places()
        full = max(range(1, 9), key=lambda d: sum(d in on for on in places.values()))
        self.client.request("set_state", host=self.host_of(full), device=full, state="drain")
        self.rebalance(f"from_devices={full}")
        self.assertEqual(self.rows(f"SELECT COUNT(*) FROM file_on WHERE devid={full}"), [["0"]])
        self.assertStored(files, 2)
        self.assertEqual([f for f in files if os.path.exists(self.path(f, full))], [], "nor is anything on its disk")
        self.assertEqual(self.rows(f"SELECT status FROM device WHERE devid={full}"), [["drain"]])

    def test_a_rebalance_moves_as_much_as_its_limit_says(self):
        files = self.fill(40, size=1000)
        places = self.places()
        full = max(range(1, 9), key=lambda d: sum(d in on for on in places.values()))
        had = {fid for fid in files if full in places[fid]}
        self.assertGreaterEqual(len(had), 5)
        for limit, moved in (("limit_by=size limit=3500b", 3), ("limit_by=count limit=2", 2)):
            self.rebalance(f"from_devices={full} limit_type=global {limit}")
            left = {fid for fid, on in self.places().items() if full in on}
            self.assertEqual(len(had - left), moved, limit)
            self.assertLessEqual(left, had)
            had = left
            self.assertStored(files, 2)

    # ---- rules that change ----

    def test_a_class_that_wants_more_or_fewer_copies(self):
        files = self.fill(6)
        for n, code in ((3, "POVI"), (2, "POVI")):
            self.client.request("update_class", domain=self.name, **{"class": "two"}, mindevcount=n)
            codes = self.check()
            self.assertEqual(codes, {code: 6, "REPL": 6})
            self.wait_replicated()
            self.assertStored(files, n)

    def test_a_class_that_wants_checksums(self):
        files = self.fill(6)
        for hashtype, digest, codes in (("MD5", hashlib.md5, {"NSUM": 6}), ("SHA-1", hashlib.sha1, {"BALG": 6})):
            self.client.request("update_class", domain=self.name, **{"class": "two"}, mindevcount=2, hashtype=hashtype)
            self.assertEqual(self.check(), codes)
            for i, data in enumerate(files.values()):
                got = self.client.request("file_info", domain=self.name, key=f"k{i}")
                self.assertEqual(got["checksum"], f"{hashtype}:{digest(data).hexdigest()}")

    def zones(self, **zones):
        """Network zones by their masks."""
        self.client.request("set_server_setting", key="network_zones", value=",".join(zones))
        for zone, masks in zones.items():
            self.client.request("set_server_setting", key=f"zone_{zone}", value=",".join(masks))
        self.client.request("clear_cache")

    def assertApart(self, files, part_of, what):
        """The copies of each file are in both parts; part_of(number of the node) is 0 or 1."""
        self.assertStored(files, 2)
        for fid, on in self.places().items():
            self.assertEqual({part_of((d - 1) // 2) for d in on}, {0, 1}, f"fid {fid} with {what}")

    def test_a_policy_with_zones_keeps_copies_apart(self):
        """The policy or the zones change, and a check brings all files in line."""
        files = self.fill(16)
        one, two = (".".join(self.cluster.nodes[i].address.split(".")[:2]) + ".0.0/16" for i in (0, 2))
        self.zones(here=[one], there=[two])
        for policy in ("MultipleNetworks()", "HostsPerNetwork(here=1,there=1)"):
            self.client.request("update_class", domain=self.name, **{"class": "two"}, mindevcount=2, replpolicy=policy)
            self.check()
            self.wait_replicated()
            self.assertApart(files, lambda node: node // 2, policy)
        self.zones(here=[f"{self.cluster.nodes[i].address}/32" for i in (0, 2)],
                   there=[f"{self.cluster.nodes[i].address}/32" for i in (1, 3)])
        self.check()
        self.wait_replicated()
        self.assertApart(files, lambda node: node % 2, "other zones")


if __name__ == "__main__":
    unittest.main()
