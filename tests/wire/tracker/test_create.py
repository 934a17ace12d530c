# SPDX-License-Identifier: MIT
"""create_open and create_close: where an upload may go, and what makes it a file."""
import hashlib
import re
import unittest

from cluster import ClusterTest, http, wait_until

NO_DOMAIN = ("no_domain", "No domain provided")
UNREG_DOMAIN = ("unreg_domain", "Domain name invalid/not found")
NO_TEMP_FILE = ("no_temp_file", "No tempfile or file already closed")


class Create(ClusterTest):
    nodes, devices = 3, 2

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2)
        self.client.request("create_class", domain=self.name, mindevcount=1, hashtype="MD5", **{"class": "md"})

    def open(self, key="k", **more):
        return self.client.call("create_open", domain=self.name, key=key, **{k.rstrip("_"): v for k, v in more.items()})

    def opened(self, key="k", data=None, **more):
        """The arguments of a create_open with one destination, after a PUT of `data`."""
        answer = self.open(key, **more)
        self.assertTrue(answer.ok, answer)
        if data is not None:
            self.assertIn(http("PUT", answer.args["path"], data)[0], (200, 201, 204))
        return answer.args

    def close(self, opened, key="k", **more):
        args = {"domain": self.name, "key": key, **opened, **{k.rstrip("_"): v for k, v in more.items()}}
        return self.client.call("create_close", **args)

    def queued(self, table, fid):
        return self.cluster.database.rows(f"SELECT * FROM {table} WHERE fid = {fid}")

    def wait_discarded(self, fid, url):
        """A refused upload is forgotten: its data goes away, and no file row is left."""
        self.assertEqual(self.queued("file", fid), [])
        wait_until(lambda: http("GET", url)[0] == 404, what=f"{url} is deleted")
        wait_until(lambda: not self.queued("file_on", fid) and not self.queued("file_to_delete2", fid))

    def test_one_destination(self):
        answer = self.open(class_="one")
        self.assertEqual(sorted(answer.args), ["devid", "fid", "path"])
        fid = int(answer.args["fid"])
        node = self.cluster.node_of(answer.args["path"])
        self.assertIn(int(answer.args["devid"]), node.devices)
        ten = f"{fid:010d}"
        self.assertEqual(answer.args["path"], node.url(f"/dev{answer.args['devid']}/{ten[0]}/{ten[1:4]}/{ten[4:7]}/{ten}.fid"))

    def class_of(self, fid):
        return int(self.queued("file", fid)[0][4])

    def test_a_class_that_is_gone_at_the_close(self):
        self.client.request("create_class", domain=self.name, mindevcount=1, **{"class": "short"})
        opened = self.opened(data=b"abc", class_="short")
        self.client.request("delete_class", domain=self.name, **{"class": "short"})
        self.assertOK(self.close(opened, size=3))
        self.assertEqual(self.class_of(opened["fid"]), 0)
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["class"], "default")

    def test_a_class_that_the_tracker_has_not_heard_of(self):
        opened = self.opened(data=b"abc", class_="one")
        db = self.cluster.database
        dmid = db.rows(f"SELECT dmid FROM tempfile WHERE fid = {opened['fid']}")[0][0]
        name = db.hex(b"new".hex()) if db.kind != "sqlite" else "'new'"
        db.execute(f"INSERT INTO class (dmid, classid, classname, mindevcount) VALUES ({dmid}, 200, {name}, 1)")
        db.execute(f"UPDATE tempfile SET classid = 200 WHERE fid = {opened['fid']}")
        self.assertOK(self.close(opened, size=3))
        self.assertEqual(self.class_of(opened["fid"]), 200)

    def test_several_destinations_lie_on_different_hosts(self):
        for _ in range(30):
            got = self.open(class_="two", multi_dest=1).args
            count = int(got["dev_count"])
            self.assertEqual(count, 3)
            self.assertEqual(sorted(got), sorted(["fid", "dev_count"] + [f"{k}_{i}" for i in range(1, count + 1)
                                                                         for k in ("devid", "path")]))
            hosts = {self.cluster.node_of(got[f"path_{i}"]).host for i in range(1, count + 1)}
            self.assertEqual(len(hosts), count, got)

    def test_what_open_refuses(self):
        self.assertERR(self.client.ask("create_open"), *NO_DOMAIN)
        self.assertERR(self.client.ask("create_open domain=&key=a"), *NO_DOMAIN)
        self.assertERR(self.client.ask("create_open domain=nope&key=a"), *UNREG_DOMAIN)
        self.assertERR(self.open(class_="nope"), "unreg_class")
        for no_class in (None, "", "0", "default"):
            self.assertTrue(self.open(class_=no_class).ok, no_class)

    def test_a_key_is_not_needed_to_open(self):
        self.assertTrue(self.client.call("create_open", domain=self.name).ok)

    def test_open_leaves_a_tempfile(self):
        got = self.opened("some key", class_="two")
        (row,) = self.cluster.database.rows(f"SELECT classid, dkey, devids FROM tempfile WHERE fid = {got['fid']}")
        self.assertEqual((row[0], row[2]), ("2", got["devid"]))
        self.assertEqual(row[1], "some key")

    def test_fids_go_up(self):
        fids = [int(self.opened()["fid"]) for _ in range(10)]
        self.assertEqual(fids, list(range(fids[0], fids[0] + 10)))

    def test_a_fid_of_the_clients_choice(self):
        base = int(self.opened()["fid"]) + 5000
        self.assertEqual(self.opened(fid=base)["fid"], str(base))
        self.assertERR(self.open(fid=base), "fid_in_use")
        self.assertEqual(self.opened(fid=f"{base + 2}.7")["fid"], str(base + 2))
        after = int(self.opened()["fid"])
        self.assertEqual(after, base + 3, "fids go on above the highest")
        self.assertEqual(self.open(fid="abc").code, "db")
        self.assertIn(self.open(fid="-5").code, ("db", "fid_in_use"))
        self.assertTrue(self.open(fid=0).ok)

    def test_a_fid_of_a_file_is_in_use(self):
        up = self.client.upload(self.name, "taken", b"x", "one")
        before = self.cluster.database.rows("SELECT count(*) FROM tempfile")
        self.assertERR(self.open(fid=up["fid"]), "fid_in_use")
        self.assertEqual(self.cluster.database.rows("SELECT count(*) FROM tempfile"), before, "no row is left behind")

    def test_a_fid_of_a_deleted_file_is_in_use(self):
        """Until its copies are gone: a new file would be deleted in place of the old one."""
        self.client.admin("!want 0 delete")
        self.addCleanup(self.client.admin, "!want 1 delete")
        wait_until(lambda: self.client.jobs()["delete"]["count"] == 0, what="nothing is deleted")
        up = self.client.upload(self.name, "gone", b"x", "one")
        self.client.request("delete", domain=self.name, key="gone")
        self.assertERR(self.open(fid=up["fid"]), "fid_in_use")
        given_up = self.opened()
        self.assertOK(self.client.call("create_close", domain=self.name, **given_up))
        self.assertERR(self.open(fid=given_up["fid"]), "fid_in_use")
        self.client.admin("!want 1 delete")

        def is_free():
            return "delqueue_fid" not in self.client.request("file_debug", fid=up["fid"])
        wait_until(is_free, what="its copies are gone")
        self.assertTrue(self.open(fid=up["fid"]).ok)

    def test_size_leaves_out_devices_that_are_too_small(self):
        self.assertTrue(self.open(size=1000).ok)
        self.assertTrue(self.open(size=0).ok)
        self.assertERR(self.open(size=10 ** 17), "no_devices", "No devices found to store file")

    def test_profile(self):
        got = self.opened(debug_profile=1)
        names = [got[f"prof_{i}_name"] for i in range(1, int(got["profpoints"]) + 1)]
        self.assertEqual(names[:3], ["begin", "wait_monitor", "find_deviceid"])
        for i in range(1, len(names) + 1):
            self.assertRegex(got[f"prof_{i}_time"], r"^\d+\.\d{3}$")

    def test_close(self):
        got = self.opened(data=b"x" * 1000, class_="one")
        self.assertOK(self.close(got, size=1000))
        fid = got["fid"]
        self.assertOK(self.client.call("file_info", domain=self.name, key="k"), fid=fid, domain=self.name, class_="one",
                      key="k", length=1000, devcount=1)
        self.assertEqual(self.client.paths(self.name, "k"), [got["path"]])
        self.assertEqual(http("GET", got["path"])[2], b"x" * 1000)
        self.assertEqual(self.queued("tempfile", fid), [])

    def test_close_queues_for_replication(self):
        self.client.admin("!want 0 replicate")
        try:
            wait_until(lambda: self.client.jobs()["replicate"]["count"] == 0)
            got = self.opened(data=b"x", class_="one")
            self.assertOK(self.close(got))
            (row,) = self.cluster.database.rows("SELECT fromdevid, failcount, flags FROM file_to_replicate WHERE fid = "
                                                + got["fid"])
            self.assertEqual(row, [None, "0", "0"])
        finally:
            self.client.admin("!want 2 replicate")

    def test_what_close_needs(self):
        got = self.opened(data=b"x")
        self.assertERR(self.client.ask("create_close"), *NO_DOMAIN)
        self.assertERR(self.client.ask("create_close domain=nope"), *UNREG_DOMAIN)
        for missing, code in (("fid", "no_fid"), ("devid", "no_devid"), ("path", "no_path")):
            self.assertERR(self.close({**got, missing: ""}), code)
        self.assertERR(self.close({"path": got["path"]}), "no_fid")
        for checksum in ("MD5", "MD5:", "MD5:abc", "md5:" + "a" * 32, "SHA-1:" + "a" * 32, "CRC:1", "MD5:" + "g" * 32):
            self.assertERR(self.close(got, checksum=checksum), "invalid_checksum_format")
        for path in ("foo", got["path"] + "x", got["path"].replace("/dev", "/dex"), got["path"][:-1]):
            self.assertERR(self.close({**got, "path": path}), "bogus_args")
        self.assertERR(self.close({**got, "devid": "77"}), "bogus_args")
        self.assertOK(self.close(got))

    def test_a_close_said_again(self):
        got = self.opened(data=b"x" * 10, class_="one")
        self.assertOK(self.close(got, size=10))
        before = self.cluster.database.rows(f"SELECT * FROM file WHERE fid = {got['fid']}")
        self.assertOK(self.close(got, size=10))
        self.assertOK(self.close(got))
        self.assertERR(self.close(got, size=11), *NO_TEMP_FILE)
        self.assertERR(self.close(got, "other", size=10), *NO_TEMP_FILE)
        self.assertERR(self.close(got, ""), *NO_TEMP_FILE)
        self.assertEqual(self.cluster.database.rows(f"SELECT * FROM file WHERE fid = {got['fid']}"), before)
        self.client.request("delete", domain=self.name, key="k")
        self.assertERR(self.close(got, size=10), *NO_TEMP_FILE)

    def test_no_tempfile(self):
        got = self.opened(data=b"x")
        other = f"{int(got['fid']) + 100000:010d}"
        path = got["path"].rsplit("/", 4)[0] + f"/{other[0]}/{other[1:4]}/{other[4:7]}/{other}.fid"
        self.assertERR(self.close({"fid": int(other), "devid": got["devid"], "path": path}), *NO_TEMP_FILE)

    def test_a_close_in_another_domain(self):
        self.client.request("create_domain", domain=self.name + "-b")
        got = self.opened(data=b"x", class_="two")
        answer = self.client.call("create_close", **{"key": "k", **got, "domain": self.name + "-b"})
        self.assertIn(answer.code, ("no_temp_file", "bogus_args"))
        self.assertERR(self.client.call("file_info", domain=self.name + "-b", key="k"), "unknown_key")

    def test_a_device_that_was_not_offered(self):
        got = self.opened(data=b"x")
        node = self.cluster.node_of(got["path"])
        other = next(d for d in node.devices if str(d) != got["devid"])
        path = got["path"].replace(f"/dev{got['devid']}/", f"/dev{other}/")
        self.assertERR(self.close({**got, "devid": other, "path": path}), "invalid_destdev",
                       f"File uploaded to invalid dest {other}. Valid devices were: {got['devid']}")
        self.assertERR(self.close(got), *NO_TEMP_FILE)

    def test_a_device_that_died_meanwhile(self):
        """What only a dead device has would be forgotten with it."""
        got = self.opened(data=b"x" * 5)
        # As another tracker does it: this one sees it a little later.
        execute = self.cluster.database.execute
        execute(f"UPDATE device SET status = 'dead' WHERE devid = {got['devid']}")
        try:
            self.assertERR(self.close(got, size=5), "invalid_destdev", f"File uploaded to dead device {got['devid']}")
            self.assertERR(self.close(got, size=5), *NO_TEMP_FILE)
        finally:
            execute(f"UPDATE device SET status = 'alive' WHERE devid = {got['devid']}")
            self.client.request("clear_cache")
        self.cluster.wait_writeable([int(got["devid"])])

    def test_a_close_without_key_throws_the_upload_away(self):
        got = self.opened(data=b"x" * 5)
        self.assertOK(self.close(got, "", size=5))
        self.wait_discarded(got["fid"], got["path"])

    def test_nothing_was_uploaded(self):
        got = self.opened()
        answer = self.close(got, size=10)
        self.assertEqual(answer.code, "size_verify_error")
        self.assertTrue(answer.text.startswith(f"Expected: 10; actual: 0 (missing); path: {got['path']}; error: "),
                        answer.text)
        got = self.opened()
        self.assertRegex(self.close(got).text, r"^Expected: -1; actual: 0 \(missing\); path: ")
        self.assertERR(self.client.call("get_paths", domain=self.name, key="k"), "unknown_key")

    def test_the_size_differs(self):
        got = self.opened(data=b"x" * 9)
        self.assertERR(self.close(got, size=10), "size_mismatch",
                       f"Expected: 10; actual: 9; path: {got['path']}")
        self.wait_discarded(got["fid"], got["path"])

    def test_sizes_that_are_not_checked(self):
        for i, size in enumerate((None, "", 0)):
            got = self.opened(data=b"x" * 9, class_="one")
            self.assertOK(self.close(got, f"k{i}", size=size))
            self.assertEqual(self.client.request("file_info", domain=self.name, key=f"k{i}")["length"], "9")

    def test_a_file_of_no_bytes(self):
        got = self.opened(data=b"", class_="one")
        self.assertOK(self.close(got, size=0))
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["length"], "0")
        self.assertEqual(http("GET", self.client.paths(self.name, "k")[0])[2], b"")

    def test_checksums(self):
        data = b"some bytes"
        md5, sha1 = hashlib.md5(data).hexdigest(), hashlib.sha1(data).hexdigest()
        for i, checksum in enumerate((f"MD5:{md5}", f"MD5:{md5.upper()}", f"SHA-1:{sha1}")):
            for verify in (0, 1):
                got = self.opened(data=data, class_="md")
                self.assertOK(self.close(got, f"k{i}", checksum=checksum, checksumverify=verify))
        info = self.client.request("file_info", domain=self.name, key="k1")
        self.assertEqual(info["checksum"], f"MD5:{md5}")
        self.assertEqual(self.client.request("file_debug", domain=self.name, key="k1")["checksum"], f"MD5:{md5}")
        info = self.client.request("file_info", domain=self.name, key="k2")
        self.assertEqual(info["checksum"], "MISSING", "only a checksum of the class's type is kept")

    def test_a_checksum_is_not_kept_without_hashtype(self):
        got = self.opened(data=b"x", class_="one")
        self.assertOK(self.close(got, checksum="MD5:" + hashlib.md5(b"x").hexdigest()))
        self.assertNotIn("checksum", self.client.request("file_info", domain=self.name, key="k"))
        self.assertEqual(self.client.request("file_debug", domain=self.name, key="k")["checksum"], "NONE")

    def test_a_wrong_checksum(self):
        for class_ in ("md", "one"):
            got = self.opened(data=b"x", class_=class_)
            right, wrong = hashlib.md5(b"x").hexdigest(), hashlib.md5(b"y").hexdigest()
            self.assertERR(self.close(got, checksum=f"MD5:{wrong.upper()}", checksumverify=1), "checksum_mismatch",
                           f"Expected: Checksum[f={got['fid']};MD5={wrong}]; actual: MD5:{right}; path: {got['path']}")
            self.wait_discarded(got["fid"], got["path"])

    def test_overwriting_gives_a_new_fid_and_the_old_one_goes(self):
        old = self.client.upload(self.name, "k", b"old", "one")
        new = self.client.upload(self.name, "k", b"newer", "one")
        self.assertNotEqual(old["fid"], new["fid"])
        info = self.client.request("file_info", domain=self.name, key="k")
        self.assertEqual((info["fid"], info["length"]), (new["fid"], "5"))
        self.wait_discarded(old["fid"], old["path"])
        self.assertEqual(http("GET", self.client.paths(self.name, "k")[0])[2], b"newer")

    def test_the_class_is_that_of_open(self):
        got = self.opened(data=b"x", class_="two")
        self.assertOK(self.close(got, class_="one"))
        self.assertEqual(self.client.request("file_info", domain=self.name, key="k")["class"], "two")

    def test_the_key_is_that_of_close(self):
        got = self.opened("at open", data=b"x")
        self.assertOK(self.close(got, "at close"))
        self.assertEqual(self.client.keys(self.name), ["at close"])

    def test_zero_is_a_key(self):
        self.client.upload(self.name, "0", b"zero", "one")
        self.assertEqual(self.client.request("file_info", domain=self.name, key="0")["length"], "4")

    def test_a_key_has_at_most_255_bytes(self):
        self.client.upload(self.name, "k" * 255, b"x", "one")
        answer = self.open("k" * 256)
        if answer.ok:
            http("PUT", answer.args["path"], b"x")
            answer = self.close(answer.args, "k" * 256)
        self.assertIn(answer.code, ("db", "failure"))
        self.assertEqual(self.client.keys(self.name), ["k" * 255])

    def test_an_unreachable_node(self):
        got = self.opened(data=b"x")
        node = self.cluster.node_of(got["path"])
        node.kill()
        try:
            answer = self.close(got, size=1)
            self.assertEqual(answer.code, "size_verify_error")
            self.assertTrue(re.match(r"Expected: 1; actual: 0 \(cantreach\); path: ", answer.text), answer.text)
        finally:
            node.start()
            self.cluster.wait_writeable(node.devices)


class CreateOnMariadb(Create):
    database = "mariadb"


class CreateOnPostgres(Create):
    database = "postgres"


class NoDevices(ClusterTest):
    def test_nowhere_to_store(self):
        name = self.domain()
        for multi in (0, 1):
            self.assertERR(self.client.call("create_open", domain=name, key="k", multi_dest=multi), "no_devices",
                           "No devices found to store file")


if __name__ == "__main__":
    unittest.main()
