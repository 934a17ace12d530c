# SPDX-License-Identifier: MIT
"""The check of files: every code that it logs, and what it leaves behind, on SQLite and MariaDB."""
import contextlib
import hashlib
import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from cluster import ClusterTest, http, wait_until


class NothingHere(BaseHTTPRequestHandler):
    """Answers 404 to everything."""

    def do_GET(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


class Fsck(ClusterTest):
    nodes = 2
    devices = 2  # dev1, dev2 on node1; dev3, dev4 on node2
    options = {"fsck_jobs": 2, "replicate_jobs": 0, "reaper_jobs": 0}  # files stay where they are put

    def setUp(self):
        super().setUp()
        self.name = self.domain()
        self.client.request("set_server_setting", key="fsck_checksum", value="class")

    def device_file(self, devid, fid):
        node = self.cluster.nodes[(devid - 1) // 2]
        pad = f"{int(fid):010d}"
        return os.path.join(node.docroot, f"dev{devid}", pad[0], pad[1:4], pad[4:7], pad + ".fid")

    def put(self, devid, fid, data):
        path = self.device_file(devid, fid)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def place(self, data, files, rows, devcount=None, class_=None, checksum=None):
        """A file whose bytes lie on the devices of `files` ({devid: data or None}) and whose rows name `rows`."""
        db = self.cluster.database
        key = self.id()
        fid = self.client.upload(self.name, key, data, class_=class_)["fid"]
        db.execute(f"DELETE FROM file_to_replicate WHERE fid={fid}")
        db.execute(f"DELETE FROM file_on WHERE fid={fid}")
        for devid in (1, 2, 3, 4):
            if os.path.exists(self.device_file(devid, fid)):
                os.unlink(self.device_file(devid, fid))
        for devid, content in files.items():
            self.put(devid, fid, data if content is None else content)
        for devid in rows:
            db.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, {devid})")
        db.execute(f"UPDATE file SET devcount={len(rows) if devcount is None else devcount} WHERE fid={fid}")
        if checksum:
            algorithm, digest = checksum
            db.execute(f"INSERT INTO checksum (fid, hashtype, checksum) VALUES ({fid}, {algorithm}, {db.hex(digest)})")
        return fid

    def check(self, fid, policy_only=0):
        """Run a check of everything; the codes logged for this fid."""
        c = self.client
        c.request("fsck_clearlog")
        c.request("fsck_reset", policy_only=policy_only)
        c.request("fsck_start")
        wait_until(lambda: c.request("fsck_status")["running"] == "0", what="all fids are queued")
        db = self.cluster.database
        wait_until(lambda: db.rows(f"SELECT COUNT(*) FROM file_to_queue WHERE type=1 AND failcount=0 AND fid={fid}")
                   == [["0"]], what=f"fid {fid} is checked")
        got, after = [], 0
        while True:
            log = c.request("fsck_getlog", after_logid=after)
            n = int(log["row_count"])
            if n == 0:
                return got
            for i in range(1, n + 1):
                after = log[f"row_{i}_logid"]
                if log.get(f"row_{i}_fid") == str(fid):
                    devid = log.get(f"row_{i}_devid")
                    got.append(log[f"row_{i}_evcode"] + (f"({devid})" if devid else ""))

    def on(self, fid):
        return [int(r[0]) for r in self.cluster.database.rows(f"SELECT devid FROM file_on WHERE fid={fid} ORDER BY devid")]

    def devcount(self, fid):
        return int(self.cluster.database.rows(f"SELECT devcount FROM file WHERE fid={fid}")[0][0])

    def queued(self, fid):
        return self.cluster.database.rows(f"SELECT COUNT(*) FROM file_to_replicate WHERE fid={fid}") == [["1"]]

    def tearDown(self):
        for key in self.client.keys(self.name):
            self.client.request("delete", domain=self.name, key=key)

    # ---- sizes and policy ----

    def expect(self, fid, codes, on, devcount, repl):
        self.assertEqual(self.check(fid), codes)
        self.assertEqual(self.on(fid), on)
        self.assertEqual(self.devcount(fid), devcount)
        self.assertEqual(self.queued(fid), repl)

    def test_all_is_well(self):
        self.expect(self.place(b"12345", {1: None, 3: None}, [1, 3]), [], [1, 3], 2, False)

    def test_wrong_devcount(self):
        self.expect(self.place(b"12345", {1: None, 3: None}, [1, 3], devcount=9), ["BCNT"], [1, 3], 2, False)

    def test_missing_copy(self):
        self.expect(self.place(b"12345", {1: None}, [1, 3]), ["MISS(3)", "REPL"], [1], 1, True)

    def test_wrong_length(self):
        fid = self.place(b"12345", {1: None, 3: b"1234"}, [1, 3])
        self.expect(fid, ["BLEN(3)", "REPL"], [1], 1, True)
        self.assertFalse(os.path.exists(self.device_file(3, fid)), "the bad copy is still on the disk")

    def test_wrong_length_of_all_there_is(self):
        """Who says so may be wrong: the copy stays, and is found to be good again later."""
        fid = self.place(b"12345", {3: b"1234"}, [1, 3])
        self.assertEqual(self.check(fid), ["MISS(1)", "BLEN(3)", "SRCH", "GONE"])
        self.assertEqual((self.on(fid), self.devcount(fid)), ([3], 1))
        with open(self.device_file(3, fid), "wb") as f:
            f.write(b"12345")
        self.expect(fid, ["POVI", "REPL"], [3], 1, True)

    def test_too_few_copies(self):
        self.expect(self.place(b"12345", {1: None}, [1]), ["POVI", "REPL"], [1], 1, True)

    def test_too_many_copies(self):
        self.expect(self.place(b"12345", {1: None, 3: None, 4: None}, [1, 3, 4]), ["POVI", "REPL"], [1, 3, 4], 3, True)

    def test_lost_rows_are_found_on_disk(self):
        self.expect(self.place(b"12345", {4: None}, []), ["NOPA", "SRCH", "FOND", "REPL"], [4], 1, True)

    def test_gone(self):
        self.expect(self.place(b"12345", {}, []), ["NOPA", "SRCH", "GONE"], [], 0, False)

    def test_all_recorded_copies_missing(self):
        fid = self.place(b"12345", {}, [1, 3])
        self.assertEqual(self.check(fid), ["MISS(1)", "MISS(3)", "SRCH", "GONE"])
        self.assertEqual((self.on(fid), self.devcount(fid)), ([], 0))

    def test_policy_only_looks_at_no_disk(self):
        fid = self.place(b"12345", {1: None}, [1, 3])
        self.assertEqual(self.check(fid, policy_only=1), [])
        self.assertEqual(self.on(fid), [1, 3])

    def test_a_device_without_its_usage_file_is_not_believed(self):
        """Something that answers 404 to everything in a node's place must not cost a file its rows."""
        fid = self.place(b"12345", {3: None}, [3])
        node, db = self.cluster.nodes[1], self.cluster.database
        self.client.admin("!want 0 monitor")  # which would see it, sooner or later
        wait_until(lambda: self.client.jobs()["monitor"]["count"] == 0, what="nobody watches the devices")
        node.stop()
        liar = HTTPServer((node.address, node.port), NothingHere)
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        try:
            db.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
            wait_until(lambda: db.rows(f"SELECT failcount FROM file_to_queue WHERE fid={fid}") == [["1"]],
                       what="the check waits for better times")
            self.assertEqual(self.on(fid), [3])
        finally:
            liar.shutdown()
            liar.server_close()
            node.start()
            self.client.admin("!want 1 monitor")
        self.cluster.wait_writeable([1, 2, 3, 4])

        def checked():
            db.execute(f"UPDATE file_to_queue SET nexttry=0 WHERE fid={fid}")
            return db.rows(f"SELECT fid FROM file_to_queue WHERE fid={fid}") == []
        wait_until(checked, what="the check is done", pause=0.5)
        self.assertEqual(self.on(fid), [3])

    def test_copies_on_a_dead_device_do_not_count(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3])
        self.client.request("set_state", host="node2", device=3, state="dead")
        try:
            self.assertEqual(self.check(fid, policy_only=1), ["POVI", "REPL"], "policy_only sees it too")
            self.cluster.database.execute(f"DELETE FROM file_on WHERE fid={fid}")
            for devid in (1, 3):
                self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({fid}, {devid})")
            self.expect(fid, ["POVI", "REPL"], [1], 1, True)
        finally:
            for state in ("down", "alive"):
                self.client.request("set_state", host="node2", device=3, state=state)
            self.cluster.wait_writeable([3])

    # ---- a device that is away for a while ----

    @contextlib.contextmanager
    def node2_away(self, fid, text):
        """The check looks at the file, says so in the log, and finds nothing else to tell; then the node comes back."""
        node, db = self.cluster.nodes[1], self.cluster.database
        before = self.cluster.tracker.log().count(text)
        node.stop()
        try:
            self.cluster.wait_observed(3, "unreachable")
            self.client.request("fsck_clearlog")
            db.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
            wait_until(lambda: self.cluster.tracker.log().count(text) > before, what=text)
            self.assertEqual(db.rows(f"SELECT evcode FROM fsck_log WHERE fid={fid}"), [])
            yield
        finally:
            node.start()
        self.cluster.wait_writeable([3, 4])

    def check_again(self, fid):
        """The codes that are logged when its time has come."""
        db = self.cluster.database
        self.assertEqual(len(db.rows(f"SELECT fid FROM file_to_queue WHERE fid={fid}")), 1, "it was to wait")
        db.execute(f"UPDATE file_to_queue SET nexttry=0 WHERE fid={fid}")
        wait_until(lambda: db.rows(f"SELECT fid FROM file_to_queue WHERE fid={fid}") == [], what="it is checked again")
        return db.rows(f"SELECT evcode, devid FROM fsck_log WHERE fid={fid} ORDER BY logid")

    def test_what_was_not_told_before_is_told(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3])
        with self.node2_away(fid, "Connectivity problem reaching device 3"):
            os.unlink(self.device_file(3, fid))
        self.assertEqual(self.check_again(fid), [["MISS", "3"], ["REPL", None]])

    # ---- digests ----

    MD5 = hashlib.md5(b"12345").hexdigest()
    SHA1 = hashlib.sha1(b"12345").hexdigest()

    def class_with(self, hashtype):
        self.client.request("create_class", domain=self.name, **{"class": "k"}, mindevcount=2, hashtype=hashtype)
        return "k"

    def checksum(self, fid):
        return self.cluster.database.rows(f"SELECT hashtype FROM checksum WHERE fid={fid}")

    def test_new_checksum(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3], class_=self.class_with("MD5"))
        self.expect(fid, ["NSUM"], [1, 3], 2, False)
        got = self.client.request("file_info", domain=self.name, key=self.id())
        self.assertEqual(got["checksum"], f"MD5:{self.MD5}")

    def test_copies_differ_without_a_row(self):
        fid = self.place(b"12345", {1: None, 3: b"54321"}, [1, 3], class_=self.class_with("MD5"))
        self.expect(fid, ["BSUM"], [1, 3], 2, False)
        self.assertEqual(self.checksum(fid), [])

    def test_the_first_checksum_waits_for_all_copies(self):
        """One that cannot be asked may be the good one, and would be thrown away by what the other one has."""
        fid = self.place(b"12345", {1: b"54321", 3: None}, [1, 3], class_=self.class_with("MD5"))
        with self.node2_away(fid, f"Fsck stalled for fid FID[f={fid}]"):
            self.assertEqual(self.checksum(fid), [])
        self.assertEqual(self.check_again(fid), [["BSUM", None]])
        self.assertEqual((self.on(fid), self.checksum(fid)), ([1, 3], []))

    def test_digests_of_a_device_that_is_away_are_not_left_out(self):
        self.client.request("set_server_setting", key="fsck_checksum", value="MD5")
        fid = self.place(b"12345", {1: None, 3: b"54321"}, [1, 3])
        with self.node2_away(fid, f"Fsck stalled for fid FID[f={fid}]"):
            pass
        self.assertEqual(self.check_again(fid), [["MSUM", None]])

    def test_checksum_is_right(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3], class_=self.class_with("MD5"), checksum=(1, self.MD5))
        self.expect(fid, [], [1, 3], 2, False)

    def test_one_copy_differs(self):
        fid = self.place(b"12345", {1: None, 3: b"54321"}, [1, 3], class_=self.class_with("MD5"),
                         checksum=(1, self.MD5))
        self.expect(fid, ["REPL"], [1], 1, True)

    def test_both_copies_are_wrong(self):
        fid = self.place(b"12345", {1: b"54321", 3: b"54321"}, [1, 3], class_=self.class_with("MD5"),
                         checksum=(1, self.MD5))
        self.assertEqual(self.check(fid), ["SRCH", "BSUM"])
        self.assertEqual(self.on(fid), [1, 3])

    def test_a_good_copy_is_found_when_the_known_ones_are_wrong(self):
        fid = self.place(b"12345", {1: b"54321", 2: None}, [1], class_=self.class_with("MD5"), checksum=(1, self.MD5))
        self.assertEqual(self.check(fid), ["POVI", "SRCH", "FOND", "REPL"])
        self.assertEqual(self.on(fid), [2])

    def test_row_of_another_algorithm(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3], class_=self.class_with("SHA-1"), checksum=(1, self.MD5))
        self.expect(fid, ["BALG"], [1, 3], 2, False)
        self.assertEqual(self.checksum(fid), [["2"]], "the copies had the old checksum: they get one of the class's")
        self.expect(fid, [], [1, 3], 2, False)

    def test_wrong_row_of_another_algorithm(self):
        fid = self.place(b"12345", {1: None, 3: None}, [1, 3], class_=self.class_with("SHA-1"),
                         checksum=(1, hashlib.md5(b"other").hexdigest()))
        self.expect(fid, ["BALG"], [1, 3], 2, False)
        self.assertEqual(self.checksum(fid), [["1"]])

    def test_mode_for_all_classes(self):
        self.client.request("set_server_setting", key="fsck_checksum", value="MD5")
        fid = self.place(b"12345", {1: None, 3: b"54321"}, [1, 3])
        self.client.request("clear_cache")
        self.expect(fid, ["MSUM"], [1, 3], 2, False)

    def test_mode_off(self):
        self.client.request("set_server_setting", key="fsck_checksum", value="off")
        fid = self.place(b"12345", {1: None, 3: b"54321"}, [1, 3], class_=self.class_with("MD5"))
        self.client.request("clear_cache")
        self.expect(fid, [], [1, 3], 2, False)


class FsckOnMariadb(Fsck):
    database = "mariadb"

    def test_a_file_deleted_meanwhile_is_left_alone(self):
        """While the check waits for the file's lock, the file goes: nothing is logged, queued or forgotten."""
        fid, db = self.place(b"12345", {1: None}, [1]), self.cluster.database
        with db.session() as other:
            with db.held(f"mgfs:fid:{fid}:replicate"):
                db.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
                wait_until(lambda: other.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE STATE='User lock'"),
                           what="the check waits for the lock", pause=0.01)
                other.rows(f"DELETE FROM file WHERE fid={fid}")
            wait_until(lambda: db.rows(f"SELECT fid FROM file_to_queue WHERE fid={fid}") == [], what="it is checked")
        self.assertEqual(db.rows(f"SELECT evcode FROM fsck_log WHERE fid={fid}"), [])
        self.assertEqual((self.on(fid), self.queued(fid)), ([1], False))
        db.execute(f"DELETE FROM file_on WHERE fid={fid}")


if __name__ == "__main__":
    unittest.main()
