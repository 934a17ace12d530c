# SPDX-License-Identifier: MIT
"""Requests that wait at the same time go to the database together: each has the answer that it has alone."""
import select
import signal
import threading
import unittest

from client import Answer, http
from cluster import ClusterTest, wait_until
from lookup_cases import LookupCases
from waiting import freeze


class Together(LookupCases, ClusterTest):
    database = "threads"
    options = {"query_jobs": 1}
    nodes = 1

    def occupy(self, seconds):
        """Give the only worker something to do, and wait until it does it."""
        self.client.send(f"sleep duration={seconds}\r\n")
        with self.cluster.client() as other:
            wait_until(lambda: other.stats()["processing_queries"] == "1", what="the worker is at it")

    def both_ways(self, lines):
        """The answers alone, and those after waiting together behind one that sleeps."""
        alone = [self.client.ask(line).raw for line in lines]
        clients = [self.cluster.client() for _ in lines]
        for c in clients:
            self.addCleanup(c.close)
        self.occupy(2)
        for c, line in zip(clients, lines):
            c.send(line + b"\r\n")
        with self.cluster.client() as other:
            wait_until(lambda: len(other.admin("!queue")) == len(lines), what="all wait")
        self.assertTrue(self.client.answer().ok)
        return alone, [c.answer().raw for c in clients]

    def test_a_client_that_goes_meanwhile(self):
        with self.cluster.client() as gone, self.cluster.client() as stays:
            self.occupy(2)
            gone.send("file_info domain=one&key=a\r\n")
            stays.send("file_info domain=one&key=b\r\n")
            with self.cluster.client() as other:
                wait_until(lambda: len(other.admin("!queue")) == 2, what="both wait")
            gone.close()
            self.assertTrue(self.client.answer().ok)
            self.assertEqual(stays.answer().args["key"], "b")


    def rows(self):
        """{fid: (key, class id, devices)} of all uploads that are not closed."""
        got = self.cluster.database.rows("SELECT fid, HEX(dkey), classid, devids FROM tempfile")
        return {int(fid): (bytes.fromhex(key or ""), int(classid), devids) for fid, key, classid, devids in got}

    def test_uploads(self):
        self.client.call("create_class", domain="one", mindevcount=1, **{"class": "copies"})
        lines = [b"create_open domain=one&key=n%d&multi_dest=1&class=copies" % i for i in range(23)]
        odd = [b"create_open domain=one&key=x&class=unknown", b"create_open domain=none&key=x", b"create_open key=x",
               b"create_open domain=one&key=" + b"k" * 5000, b"create_open domain=one&key=x&fid=-3"]
        plain = [b"create_open domain=two&key=odd%00%FF", b"create_open domain=one", b"create_open domain=one&key=p&callid=9",
                 b"create_open domain=one&key=explicit&fid=7000", b"create_open domain=one&key=q&debug_profile=1"]
        before = set(self.rows())
        alone, together = self.both_ways(lines + odd + plain)
        n, m = len(lines), len(lines) + len(odd)
        self.assertEqual(alone[n:m], together[n:m])
        self.assertTrue(together[m + 3].startswith(b"ERR fid_in_use") or b"fid=7000" in together[m + 3], together[m + 3])
        oks = [Answer(a).args for a in together[:n] + together[m:m + 3] + together[m + 4:]]
        fids = [int(a["fid"]) for a in oks]
        self.assertEqual(len(set(fids)), len(fids))
        self.assertFalse(before & set(fids))
        self.assertEqual(oks[n + 2]["callid"], "9")
        self.assertIn("profpoints", oks[n + 3])
        rows = self.rows()
        for i in range(n):
            self.assertEqual(rows[fids[i]], (b"n%d" % i, 1, oks[i]["devid_1"]))
            self.assertEqual(oks[i]["dev_count"], "1")
        self.assertEqual([rows[f][0] for f in fids[n:]], [b"odd\0\xff", b"", b"p", b"q"])

    def test_an_upload_that_went_with_others_is_stored(self):
        lines = [b"create_open domain=one&key=stored%d" % i for i in range(9)]
        _, together = self.both_ways(lines)
        for i, opened in enumerate(Answer(a).args for a in together):
            self.assertEqual(http("PUT", opened["path"], b"bytes of %d" % i)[0], 201)
            self.client.request("create_close", domain="one", key=f"stored{i}", fid=opened["fid"], devid=opened["devid"],
                                path=opened["path"], size=10)
            (url,) = self.client.paths("one", f"stored{i}")
            self.assertEqual(http("GET", url)[2], b"bytes of %d" % i)


class TogetherOnMariadb(Together):
    database = "mariadb"

    def inserts(self):
        return int(self.cluster.database.rows("SHOW GLOBAL STATUS LIKE 'Com_insert'")[0][1])

    def test_uploads_share_statements(self):
        lines = [b"create_open domain=one&key=shared%d" % i for i in range(20)]
        before = self.inserts()
        self.both_ways(lines)
        alone, together = 20, self.inserts() - before - 20
        self.assertGreater(together, 0)
        self.assertLess(together, alone / 4)


class Slow(ClusterTest):
    database = "threads"
    options = {"query_jobs": 1, "node_timeout": 20}
    nodes = 1

    def test_nobody_waits_for_a_verification(self):
        self.client.request("create_domain", domain="d")
        self.client.upload("d", "k", b"some bytes")
        clients = [self.cluster.client() for _ in range(5)]
        for c in clients:
            self.addCleanup(c.close)
        slow, others = clients[0], clients[1:]
        node = self.cluster.nodes[0].process
        self.client.send("sleep duration=30\r\n")
        freeze(node.pid)
        self.addCleanup(node.send_signal, signal.SIGCONT)
        slow.send("get_paths domain=d&key=k&anything=noverify=1\r\n")
        for c in others:
            c.send("file_info domain=d&key=k\r\n")
        with self.cluster.client() as other:
            wait_until(lambda: len(other.admin("!queue")) == len(clients), what="all wait")
            other.admin("!want 3 queryworker")
        for c in others:
            self.assertEqual(c.answer().args["length"], "10")
        self.assertEqual(select.select([slow.sock], [], [], 0)[0], [])
        node.send_signal(signal.SIGCONT)
        self.assertEqual(slow.answer().args["paths"], "1")


class Storm(ClusterTest):
    """Many ask at once, some leave before they are answered, and query threads come and go."""
    options = {"query_jobs": 5}
    nodes = 1
    clients, rounds = 16, 12

    def setUp(self):
        super().setUp()
        self.client.request("create_domain", domain="d")
        for i in range(4):
            self.client.upload("d", f"k{i}", b"x" * (10 + i))
        self.opened, self.failures, self.lock = {}, [], threading.Lock()

    def storm(self, number):
        for i in range(self.rounds):
            with self.cluster.client() as c:
                key = f"key-{number}-{i}"
                c.send(f"create_open domain=d&key={key}\r\nfile_info domain=d&key=k{i % 4}\r\n")
                if (number + i) % 3 == 0:
                    continue
                opened, info = c.answer(), c.answer()
                with self.lock:
                    self.opened[int(opened.args["fid"])] = key
                    if info.args["length"] != str(10 + i % 4) or info.args["key"] != f"k{i % 4}":
                        self.failures.append(info)

    def run_storm(self, number):
        try:
            self.storm(number)
        except Exception as e:  # told by the test itself
            with self.lock:
                self.failures.append(e)

    def test_each_has_its_own_answer(self):
        threads = [threading.Thread(target=self.run_storm, args=(n,)) for n in range(self.clients)]
        for t in threads:
            t.start()
        with self.cluster.client() as admin:
            for n in [0, 3, 1, 0, 5] * 4:
                admin.admin(f"!want {n} queryworker")
                threads[0].join(0.02)
        for t in threads:
            t.join(120)
        self.assertFalse(any(t.is_alive() for t in threads))
        self.assertEqual(self.failures, [])
        self.assertGreater(len(self.opened), self.clients * self.rounds // 2)
        got = self.cluster.database.rows("SELECT fid, HEX(dkey) FROM tempfile")
        rows = {int(fid): bytes.fromhex(key).decode() for fid, key in got}
        self.assertEqual({fid: rows.get(fid) for fid in self.opened}, self.opened)
        with self.cluster.client() as c:
            wait_until(lambda: not c.admin("!queue"), what="all is done")


class StormOnMariadb(Storm):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
