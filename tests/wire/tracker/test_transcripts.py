# SPDX-License-Identifier: MIT
"""Conversations to the byte, as they may stand in a description of the protocol, on every database.

    > what the client sends, with {names} filled in
    < what the tracker must answer: '*' is anything, (name) is anything and remembered as {name}

The arguments of an OK have no order.
"""
import hashlib
import re
import threading
import unittest

from cluster import ClusterTest, free_port, wait_until
from fake_node import FakeNode, Handler, HttpServer


def pattern(text):
    """The regular expression of an expected text."""
    out, at = "", 0
    for m in re.finditer(r"\*|\((\w+)\)", text):
        out += re.escape(text[at:m.start()]) + ("[^&]*" if m.group(1) is None else f"(?P<{m.group(1)}>[^& ]+)")
        at = m.end()
    return out + re.escape(text[at:])


class Script(ClusterTest):
    def setUp(self):
        super().setUp()
        self.names = {}

    def play(self, script):
        """Send all lines up to an expected one at once, then read the answers."""
        lines = [line.lstrip() for line in script.splitlines() if line.strip()]
        at = 0
        while at < len(lines):
            sent, wanted = [], []
            while at < len(lines) and lines[at].startswith(">"):
                sent.append(lines[at][2:].format(**self.names))
                at += 1
            while at < len(lines) and lines[at].startswith("<"):
                wanted.append(lines[at][2:])
                at += 1
            self.client.send("".join(line + "\r\n" for line in sent))
            for line in wanted:
                self.check(line.format(**self.names), self.client.line().decode("ascii"), sent)

    def check(self, wanted, got, sent):
        match = re.fullmatch(pattern(wanted), got)
        if match is None and wanted.startswith("OK ") and got.startswith("OK "):
            pairs, left = wanted[3:].split("&"), got[3:].split("&")
            self.assertEqual(len(pairs), len(left), f"{sent}\nexpected {wanted}\n     got {got}")
            for pair in pairs:
                hits = [(text, m) for text in left if (m := re.fullmatch(pattern(pair), text))]
                self.assertTrue(hits, f"{sent}\nexpected {wanted}\n     got {got}")
                left.remove(hits[0][0])
                self.names.update(hits[0][1].groupdict())
            return
        self.assertTrue(match, f"{sent}\nexpected {wanted}\n     got {got}")
        self.names.update(match.groupdict())


class Administration(Script):
    """Domains, classes, hosts and devices, in an empty database, and the console."""

    def test_first_to_last(self):
        self.play("""
            > noop
            < OK\x20
            > NOOP callid=42
            < OK callid=42
            > bogus callid=7
            < ERR unknown_command Unknown+server+command 7
            > test crash=1
            < ERR failure Operation+failed
            > list_keys domain=
            > list_keys domain=
            < ERR no_domain No+domain+provided
            < ERR no_domain No+domain+provided
            > list_keys domain=nope&callid=x
            < ERR unreg_domain Domain+name+invalid/not+found x
            > create_domain domain=testdom
            < OK domain=testdom
            > create_domain domain=testdom
            < ERR domain_exists That+domain+already+exists
            > get_domains
            < OK domains=1&domain1=testdom&domain1classes=1&domain1class1name=default&domain1class1mindevcount=2&domain1class1replpolicy=MultipleHosts%28%29&domain1class1hashtype=NONE
            > create_domain domain=a b%2F%26
            < OK domain=a+b/%26
            > create_class domain=testdom&class=c1&mindevcount=0
            < ERR invalid_mindevcount The+mindevcount+must+be+at+least+1
            > create_class domain=testdom&class=c2&mindevcount=2&replpolicy=MultipleHosts%283%29&hashtype=MD5
            < OK class=c2&mindevcount=2&domain=testdom
            > create_class domain=testdom&class=c3&mindevcount=2&hashtype=md5
            < ERR invalid_hashtype invalid_hashtype
            > delete_domain domain=testdom
            < ERR domain_has_classes domain_has_classes
            > delete_class domain=testdom&class=default
            < ERR nodel_default_class Cannot+delete+the+default+class
            > create_host host=h1&ip=127.9.0.1
            < ERR no_port Port+required+to+create+host
            > create_host host=h1&ip=127.9.0.1&port=7500
            < OK hostid=1&hostname=h1
            > get_hosts
            < OK hosts=1&host1_hostid=1&host1_status=down&host1_hostname=h1&host1_hostip=127.9.0.1&host1_http_port=7500&host1_http_get_port=&host1_altip=&host1_altmask=
            > create_host host=h9&ip=127.9.0.1&port=7500
            < ERR dup Duplicate+name/number+used.
            > update_host host=h1&status=zombie
            < ERR unknown_state Invalid/unknown+state
            > create_device devid=1&hostname=h1
            < OK\x20
            > create_device devid=1
            < ERR bad_args No+hostid/hostname+parameter
            > get_devices devid=1
            < OK devices=1&dev1_devid=1&dev1_hostid=1&dev1_status=alive&dev1_weight=100&dev1_mb_total=&dev1_mb_used=&dev1_mb_free=&dev1_mb_asof=&dev1_observed_state=*&dev1_utilization=&dev1_reject_bad_md5=
            > set_state host=h1&device=1&state=dead
            < OK\x20
            > set_state host=h1&device=1&state=alive
            < ERR state_too_high Status+cannot+go+from+dead+to+alive%3B+must+use+down
            > delete_host host=h1
            < ERR host_not_empty Unable+to+delete+host%3B+it+contains+devices+still
            > clear_cache all=1&callid=3
            < OK all=1&callid=3
            """)

    def test_operators(self):
        """The console, which needs no database."""
        self.assertEqual(len(self.client.admin("!version")), 1)
        self.assertEqual(self.client.admin("!want 1 queryworker"), ["Now desiring 1 children doing 'queryworker'."])
        jobs = [line.split(" ")[:2] for line in self.client.admin("!jobs")]
        self.assertIn(["queryworker", "desired"], jobs)
        wait_until(lambda: self.client.jobs().get("fsck", {}).get("count") == 1)
        self.assertEqual(self.client.admin("!to fsck :wake_up"), ["Message sent to 1 children."])
        self.assertEqual(self.client.admin("!queue"), [])
        with self.cluster.client() as watcher:
            self.assertEqual(watcher.admin("!watch"), ["Added you to watcher list."])
            self.client.admin("!to fsck :shutdown")
            line = watcher.line()
            while b"Job fsck has only 0, wants 1, making 1." not in line:
                line = watcher.line()
            self.assertTrue(line.startswith(b":: "), line)


class Files(Script):
    """Files on two hosts, one of which serves readers at another port."""

    side_port = free_port()
    options = {"mogstored_stream_port": side_port, "replicate_jobs": 0, "delete_jobs": 0, "fsck_jobs": 0}

    @classmethod
    def setUpClass(cls):
        cls.fakes = [FakeNode(cls.side_port) for _ in range(2)]
        cls.get_port = free_port(cls.fakes[1].address)
        cls.readers = HttpServer((cls.fakes[1].address, cls.get_port), Handler)
        cls.readers.node = cls.fakes[1]
        threading.Thread(target=cls.readers.serve_forever, args=(0.05,), daemon=True).start()
        super().setUpClass()
        with cls.cluster.client() as c:
            c.request("create_domain", domain="d")
            c.request("create_class", domain="d", mindevcount=1, **{"class": "c1"})
            c.request("create_class", domain="d", mindevcount=2, hashtype="MD5", **{"class": "md"})
            c.request("create_host", host="h1", ip=cls.fakes[0].address, port=cls.fakes[0].port, status="alive")
            c.request("create_host", host="h2", ip=cls.fakes[1].address, port=cls.fakes[1].port, getport=cls.get_port,
                      altip="127.251.1.2", altmask="127.251.1.0/24", status="alive")
            for devid, host in (1, "h1"), (2, "h2"), (3, "h2"):
                c.request("create_device", devid=devid, hostname=host)
            c.admin("!want 0 job_master")
            wait_until(lambda: c.jobs()["job_master"]["count"] == 0)
        cls.cluster.wait_writeable([1, 2, 3])

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            for fake in cls.fakes:
                fake.close()
            cls.readers.shutdown()
            cls.readers.server_close()

    def setUp(self):
        super().setUp()
        h1, h2 = self.fakes
        self.names = {"h1": f"{h1.address}:{h1.port}", "h2": f"{h2.address}:{h2.port}",
                      "get": f"{h2.address}:{self.get_port}", "alt": f"127.251.1.2:{h2.port}"}
        for table in "file", "file_on", "tempfile", "file_to_replicate", "file_to_delete2", "server_settings":
            self.cluster.database.execute(f"DELETE FROM {table}" +
                                          (" WHERE field <> 'schema_version'" if table == "server_settings" else ""))

    def put(self, path, data):
        """Let the node of a URL have these bytes."""
        host, name = re.fullmatch(r"http://([^/]+)(/.*)", path).groups()
        self.fakes[host != self.names["h1"]].files[name] = data

    def store(self, key, fid, data, class_="c1"):
        """A file with this number; its device is {dev}."""
        got = self.client.request("create_open", domain="d", key=key, fid=fid, **{"class": class_})
        self.put(got["path"], data)
        self.client.request("create_close", **got, domain="d", key=key, size=len(data))
        self.names["dev"] = got["devid"]

    def test_opening_and_closing(self):
        self.play("""
            > create_open domain=d&class=zz&key=k1
            < ERR unreg_class unreg_class
            > create_open domain=d&key=k1&multi_dest=0
            < OK fid=(fid)&devid=(dev)&path=(path)
            > create_open domain=d&class=c1&key=k1&fid=514&multi_dest=1
            < OK fid=514&dev_count=3&devid_1=(dev1)&path_1=(path1)&devid_2=*&path_2=(path2)&devid_3=*&path_3=*
            > create_open domain=d&key=k&zone=alt&fid=505
            < OK fid=505&devid=*&path=http://*:*/dev*/0/000/000/0000000505.fid
            > create_close domain=d&fid=514&devid={dev1}&key=k1&size=12&path=foo
            < ERR bogus_args bogus_args
            """)
        hosts = {self.names[f"path{n}"].split("/")[2] for n in (1, 2)}
        self.assertEqual(hosts, {self.names["h1"], self.names["h2"]})
        self.assertRegex(self.names["path1"], r"^http://[\d.]+:\d+/dev[123]/0/000/000/0000000514\.fid$")
        self.put(self.names["path1"], b"twelve bytes")
        self.play("""
            > create_close domain=d&fid=514&devid={dev1}&key=k1&size=12&path={path1}
            < OK\x20
            > create_close domain=d&fid=514&devid={dev1}&key=k1&size=12&path={path1}
            < OK\x20
            > create_open domain=d&key=k1&fid=513
            < OK fid=513&devid=(dev)&path=(path)
            """)
        self.put(self.names["path"], b"twelve bytes")
        self.play("""
            > create_close domain=d&fid=513&devid={dev}&key=k1&size=10&path={path}
            < ERR size_mismatch Expected:+10%3B+actual:+12%3B+path:+{path}
            > create_open domain=d&key=k1&fid=511
            < OK fid=511&devid=(dev)&path=(path)
            > create_close domain=d&fid=511&devid={dev}&key=k1&path={path}
            < ERR size_verify_error Expected:+-1%3B+actual:+0+%28missing%29%3B+path:+{path}%3B+error:+
            > create_open domain=d&key=k2&fid=516&class=c1
            < OK fid=516&devid=(dev)&path=(path)
            """)
        self.names["other"], self.names["at"] = (3, "{h2}") if self.names["dev"] != "3" else (1, "{h1}")
        self.names["wrong"] = "http://{at}/dev{other}/0/000/000/0000000516.fid".format(**self.names).format(**self.names)
        self.play("""
            > create_close domain=d&fid=516&devid={other}&key=k2&path={wrong}
            < ERR invalid_destdev File+uploaded+to+invalid+dest+{other}.+Valid+devices+were:+{dev}
            > create_open domain=d&key=ck&fid=527&class=md
            < OK fid=527&devid=(dev)&path=(path)
            """)
        self.put(self.names["path"], b"bytes")
        self.names["md5"] = hashlib.md5(b"bytes").hexdigest()
        self.play("""
            > create_close domain=d&fid=527&devid={dev}&key=ck&size=5&checksumverify=1&checksum=MD5:d41d8cd98f00b204e9800998ecf8427e&path={path}
            < ERR checksum_mismatch Expected:+Checksum%5Bf%3D527%3BMD5%3Dd41d8cd98f00b204e9800998ecf8427e%5D%3B+actual:+MD5:{md5}%3B+path:+{path}
            """)

    def test_the_other_address(self):
        """Only the second host can take it, so its other address is what a client of that zone is given."""
        self.client.request("set_state", host="h1", device=1, state="readonly")
        try:
            self.play("""
                > create_open domain=d&key=k&zone=alt&fid=506&class=c1
                < OK fid=506&devid=(dev)&path=http://{alt}/dev*/0/000/000/0000000506.fid
                """)
        finally:
            self.client.request("set_state", host="h1", device=1, state="alive")
            self.cluster.wait_writeable([1])

    def test_what_there_is(self):
        self.store("k", 700, b"in three places")
        self.cluster.database.execute("DELETE FROM file_on WHERE fid = 700")
        for devid, host in (1, "h1"), (2, "h2"), (3, "h2"):
            self.cluster.database.execute(f"INSERT INTO file_on (fid, devid) VALUES (700, {devid})")
            self.put(f"http://{self.names[host]}/dev{devid}/0/000/000/0000000700.fid", b"in three places")
        self.play("""
            > get_paths domain=d&key=zz
            < ERR unknown_key unknown_key
            > get_paths domain=d&key=k&pathcount=3
            < OK paths=3&path*=http://{get}/dev3/0/000/000/0000000700.fid&path*=http://{h1}/dev1/0/000/000/0000000700.fid&path*=http://{get}/dev2/0/000/000/0000000700.fid
            """)
        self.cluster.database.execute("DELETE FROM file_on WHERE fid = 700")
        self.play("""
            > get_paths domain=d&key=k&noverify=1
            < OK paths=0
            """)
        self.store("ck", 726, b"bytes", "md")
        self.names["at"] = self.names["h1"] if self.names["dev"] == "1" else self.names["get"]
        self.play("""
            > file_info domain=d&key=ck&devices=1
            < OK fid=726&domain=d&class=md&key=ck&length=5&devcount=1&checksum=MISSING&devids={dev}
            > file_debug fid=99999
            < OK checksum=NONE
            > file_debug domain=d&key=ck
            < OK fid_fid=726&fid_dmid=1&fid_dkey=ck&fid_length=5&fid_classid=2&fid_devcount=1&fid_domain=d&fid_class=md&replqueue_fid=726&replqueue_nexttry=0&replqueue_fromdevid=&replqueue_failcount=0&replqueue_flags=0&devids={dev}&devpath_{dev}=http://{at}/dev{dev}/0/000/000/0000000726.fid&checksum=NONE
            """)

    def test_lists_and_changes(self):
        for fid, key in (801, "under_score"), (802, "underXscore"), (803, "per%cent"), (804, "permille"), (805, "a"), \
                (806, "b"):
            self.store(key, fid, b"x")
        self.store("z z", 811, b"x" * 811, "default")
        self.play("""
            > list_keys domain=d&prefix=under_
            < OK key_count=1&key_1=under_score&next_after=under_score
            > list_keys domain=d&prefix=per%25
            < OK key_count=1&key_1=per%25cent&next_after=per%25cent
            > list_keys domain=d&prefix=ab&after=zz
            < ERR after_mismatch Pattern+does+not+match+the+after-value%3F
            > list_keys domain=d&prefix=zzz
            < ERR none_match No+keys+match+that+pattern+and+after-value+%28if+any%29.
            > list_fids from=810&to=1
            < OK fid_count=1&fid_1_fid=811&fid_1_domain=d&fid_1_class=default&fid_1_key=z+z&fid_1_length=811&fid_1_devcount=1
            > rename domain=d&from_key=a&to_key=b
            < ERR key_exists Target+key+name+already+exists%3B+can%27t+overwrite.
            > updateclass domain=d&key=nope&class=c1
            < ERR invalid_key invalid_key
            > delete domain=d&key=nope
            < ERR unknown_key unknown_key
            """)

    def test_settings_and_background(self):
        self.store("last", 900, b"x")
        self.cluster.database.execute("DELETE FROM file_to_replicate")
        self.play("""
            > set_server_setting key=skip_devcount&value=zzz
            < ERR invalid_format Unknown+format
            > set_server_setting key=schema_version&value=1
            < ERR not_writable not_writable
            > server_setting key=nope
            < OK key=nope&value=
            > fsck_start
            < OK\x20
            > fsck_start
            < ERR fsck_running fsck+is+already+running
            > fsck_status
            < OK running=1&host=(host)&max_fid_checked=0&policy_only=0&end_fid=900&start_time=(start)&stop_time=0&current_time=(now)&max_logid=0
            > fsck_stop
            < OK\x20
            """)
        self.assertLessEqual(int(self.names["start"]), int(self.names["now"]))
        for n in 1, 2:
            self.cluster.database.execute(
                f"INSERT INTO fsck_log (utime, fid, evcode, devid) VALUES ({1700000001 + n}, {3 + n}, 'MISS', {n})")
        self.play("""
            > fsck_getlog after_logid=1
            < OK row_count=1&row_1_logid=2&row_1_utime=1700000003&row_1_fid=5&row_1_evcode=MISS&row_1_devid=2
            > rebalance_set_policy policy=from_devices%3D1 limit_by%3Dnone
            < OK\x20
            > rebalance_test
            < OK sdevs=1&ddevs=(targets)
            > rebalance_stop
            < ERR rebal_not_started Rebalance+not+running
            > replicate_now
            < OK count=0
            """)
        self.assertEqual(sorted(self.names["targets"].split(",")), ["2", "3"])


class AdministrationOnMariadb(Administration):
    database = "mariadb"


class FilesOnMariadb(Files):
    database = "mariadb"


class AdministrationOnPostgres(Administration):
    database = "postgres"


class FilesOnPostgres(Files):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
