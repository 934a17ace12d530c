# SPDX-License-Identifier: MIT
"""The delete worker: what is queued goes from the disks and from the tables; what cannot go yet waits."""
import os
import unittest

from cluster import ClusterTest, http, wait_until


class Delete(ClusterTest):
    nodes = 2

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2)
        self.rows = self.cluster.database.rows
        self.execute = self.cluster.database.execute

    def queue(self, fid):
        return self.rows(f"SELECT nexttry, failcount FROM file_to_delete2 WHERE fid = {fid}")

    def on(self, fid):
        return [int(r[0]) for r in self.rows(f"SELECT devid FROM file_on WHERE fid = {fid} ORDER BY devid")]

    def stored(self, key):
        up = self.client.upload(self.name, key, b"data", "two")
        wait_until(lambda: self.on(up["fid"]) == [1, 2], what="two copies")
        up["urls"] = self.client.paths(self.name, key)
        return up

    def test_everything_goes(self):
        up = self.stored("k")
        self.execute(f"INSERT INTO checksum (fid, hashtype, checksum) VALUES ({up['fid']}, 1, 'xxxxxxxxxxxxxxxx')")
        self.client.request("delete", domain=self.name, key="k")
        wait_until(lambda: not self.queue(up["fid"]) and not self.on(up["fid"]), what="no row is left")
        self.assertEqual([http("GET", url)[0] for url in up["urls"]], [404, 404])
        self.assertEqual(self.rows(f"SELECT fid FROM checksum WHERE fid = {up['fid']}"), [])

    def test_a_copy_that_is_gone_already(self):
        up = self.stored("k")
        os.remove(self.cluster.node_of(up["urls"][0]).file_of(up["urls"][0]))
        self.client.request("delete", domain=self.name, key="k")
        wait_until(lambda: not self.queue(up["fid"]) and not self.on(up["fid"]), what="no row is left")

    def test_devices_that_may_not_be_deleted_from_wait(self):
        up = self.stored("k")
        self.client.request("set_state", host="node1", device=1, state="readonly")
        try:
            self.cluster.wait_observed(1, "readable")
            self.client.request("delete", domain=self.name, key="k")
            wait_until(lambda: self.on(up["fid"]) == [1], what="the other copy is gone")
            wait_until(lambda: self.queue(up["fid"])[0][1] != "0", what="it is put off")
        finally:
            self.client.request("set_state", host="node1", device=1, state="alive")
            self.cluster.wait_writeable([1])
        self.execute("UPDATE file_to_delete2 SET nexttry = 0")
        wait_until(lambda: not self.queue(up["fid"]) and not self.on(up["fid"]), what="then it goes too")

    def test_a_dead_device_is_only_forgotten(self):
        up = self.stored("k")
        url = next(u for u in up["urls"] if "/dev1/" in u)
        self.client.admin("!want 0 reaper")
        self.client.request("set_state", host="node1", device=1, state="dead")
        try:
            self.client.request("delete", domain=self.name, key="k")
            wait_until(lambda: not self.queue(up["fid"]) and not self.on(up["fid"]), what="no row is left")
            self.assertEqual(http("GET", url)[0], 200)
        finally:
            for state in ("down", "alive"):
                self.client.request("set_state", host="node1", device=1, state=state)
            self.cluster.wait_writeable([1])
            self.client.admin("!want 1 reaper")

    def test_old_queues_are_drained(self):
        up = self.stored("k")
        fid = up["fid"]
        self.execute(f"DELETE FROM file WHERE fid = {fid}")
        self.execute(f"INSERT INTO file_to_delete_later (fid, delafter) VALUES ({fid}, 1)")
        wait_until(lambda: not self.on(fid), what="the copies are gone")
        wait_until(lambda: not self.rows(f"SELECT fid FROM file_to_delete WHERE fid = {fid}"), what="the queue too")
        self.assertEqual([http("GET", url)[0] for url in up["urls"]], [404, 404])

    def test_uploads_that_were_never_closed(self):
        got = self.client.request("create_open", domain=self.name, key="k")
        self.assertIn(http("PUT", got["path"], b"x")[0], (200, 201, 204))
        fresh = self.client.request("create_open", domain=self.name, key="k")
        self.execute(f"UPDATE tempfile SET createtime = createtime - 3700 WHERE fid = {got['fid']}")
        wait_until(lambda: http("GET", got["path"])[0] == 404, what="the bytes are gone")
        wait_until(lambda: not self.queue(got["fid"]) and not self.on(got["fid"]), what="no row is left")
        self.assertEqual(self.rows(f"SELECT fid FROM tempfile WHERE fid = {got['fid']}"), [])
        self.assertEqual(len(self.rows(f"SELECT fid FROM tempfile WHERE fid = {fresh['fid']}")), 1)

    def test_an_old_row_of_an_upload_that_was_closed(self):
        up = self.stored("k")
        self.execute("INSERT INTO tempfile (fid, createtime, classid, dmid, dkey, devids) "
                     f"VALUES ({up['fid']}, 1000, 0, 1, 'k', '1')")
        wait_until(lambda: not self.rows(f"SELECT fid FROM tempfile WHERE fid = {up['fid']}"), what="the row is gone")
        self.assertEqual(self.on(up["fid"]), [1, 2])
        self.assertEqual(len(self.client.paths(self.name, "k")), 2)


class DeleteOnMariadb(Delete):
    database = "mariadb"


class DeleteOnPostgres(Delete):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
