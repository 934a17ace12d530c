# SPDX-License-Identifier: MIT
"""The same odd questions to a tracker on each database: the answers are the same, to the byte.

Left out is what a database's own types decide: PostgreSQL has no device above 32767, and no host whose name is no UTF-8;
to MariaDB h1 and H1 are one host.
"""
import unittest

from client import quote
from cluster import Cluster, wait_until
from database import KINDS

LONG = {n: "x" * n for n in (15, 16, 18, 19, 40, 41, 50, 51, 60, 255, 256, 1000)}
BYTES = [b"", b"0", b" ", b"k ", b"K", b"k", b"\0", b"k\0z", b"\xff\xfe", b"\xc3\xa9", b"\xc3", b"e\xcc\x81", b"%", b"_", b"\\",
         b"'", b'"', b"a'; DROP TABLE file; --", b"\n", b"\r", b"\t", b"!", b"k!%", "\U0001f600".encode()]
NUMBERS = ["", "0", "1", "-1", "255", "256", "32767", "32768", "65535", "65536", "16777215", "16777216", "2147483647",
           "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "1e3", "1.5", " 1", "abc"]


def is_text(name):
    try:
        return b"\0" not in name and name.decode() is not None
    except UnicodeDecodeError:
        return False


def lines():
    """All of the questions, in an order."""
    for name in [*BYTES, *(LONG[n].encode() for n in (255, 256, 1000))]:
        yield f"create_domain domain={quote(name)}"
        yield f"create_domain domain={quote(name)}"
    yield "create_domain domain=d"
    for name in [*BYTES, *(LONG[n].encode() for n in (50, 51, 255))]:
        yield f"create_class domain=d&class={quote(name)}&mindevcount=2"
        yield f"update_class domain=d&class={quote(name)}&mindevcount=3&replpolicy=MultipleHosts()"
    for n in NUMBERS:
        yield f"create_class domain=d&class=n{quote(n)}&mindevcount={quote(n)}"
        yield f"update_class domain=d&class=n1&mindevcount={quote(n)}"
    yield "get_domains"
    for name in [*(name for name in BYTES if is_text(name)), *(LONG[n].encode() for n in (40, 41))]:
        yield f"create_host host={quote(name)}&ip=127.1.1.1&port=7500"
        yield f"delete_host host={quote(name)}"
    for text in ("127.1.1.2", LONG[15], LONG[16], "", "::1", "127.1.1.2"):
        yield f"create_host host=h1&ip={quote(text)}&port=7500"
        yield f"update_host host=h1&ip={quote(text)}"
        yield f"update_host host=h1&altip={quote(text)}"
    for text in ("127.0.0.0/8", LONG[18], LONG[19], "", "nonsense"):
        yield f"update_host host=h1&altmask={quote(text)}"
    for n in NUMBERS:
        yield f"update_host host=h1&port={quote(n)}"
        yield f"update_host host=h1&getport={quote(n)}"
        yield f"set_weight host=h1&device=1&weight={quote(n)}"
        if not n.isdigit() or not 32767 < int(n) < 16777216:
            yield f"create_device devid={quote(n)}&hostname=h1"
            yield f"create_device devid={quote(n)}&hostid=1&state=down"
            yield f"set_state host=h1&device={quote(n)}&state=down"
    yield "create_host host=h2&ip=127.1.1.9&port=7500"
    yield "update_host host=h2&ip=127.1.1.2"
    yield "get_hosts"
    for key in BYTES:
        yield f"file_info domain=d&key={quote(key)}"
        yield f"get_paths domain=d&key={quote(key)}&noverify=1"
        yield f"file_debug domain=d&key={quote(key)}"
        yield f"list_keys domain=d&prefix={quote(key)}"
        yield f"list_keys domain=d&prefix={quote(key)}&after={quote(key)}&limit=2"
        yield f"list_keys domain=d&after={quote(key)}&limit=3"
    for n in NUMBERS:
        yield f"list_fids from={quote(n)}&to={quote(n)}"
        yield f"list_keys domain=d&limit={quote(n)}"
        yield f"file_debug fid={quote(n)}"
        yield f"create_open domain=d&key=k&fid={quote(n)}"
        yield f"create_close domain=d&key=k&fid={quote(n)}&devid={quote(n)}&path=http://127.1.1.2:7500/dev1/0.fid&size={quote(n)}"
    for key in BYTES:
        yield f"updateclass domain=d&key={quote(key)}&class=n2"
        yield f"rename domain=d&from_key={quote(key)}&to_key={quote(key)}"
        yield f"rename domain=d&from_key={quote(key)}&to_key={quote(key + b'-moved')}"
        yield f"rename domain=d&from_key={quote(key + b'-moved')}&to_key=k1"
        yield f"rename domain=d&from_key={quote(key + b'-moved')}&to_key={LONG[256]}"
        yield f"delete domain=d&key={quote(key)}"
        yield f"delete domain=d&key={quote(key + b'-moved')}"
    yield "list_keys domain=d"
    for key in ("slave_x", "zone_x", "memcache_ttl", "skip_devcount", "queue_" + LONG[40], "queue_" + LONG[50], "nonsense"):
        for value in (b"", b"0", b"1", b"127.0.0.0/8", b"\xc3\xa9 \xe2\x82\xac", LONG[1000].encode()):
            yield f"set_server_setting key={quote(key)}&value={quote(value)}"
            yield f"server_setting key={quote(key)}"
        yield f"set_server_setting key={quote(key)}"
    yield "server_settings"
    for n in NUMBERS:
        yield f"fsck_getlog after_logid={quote(n)}"
        yield f"fsck_reset startpos={quote(n)}"
    for name in BYTES:
        yield f"delete_class domain=d&class={quote(name)}"
        yield f"delete_domain domain={quote(name)}"
    yield "delete_domain domain=d"
    yield "get_domains"


class Parity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.clusters = {}
        cls.addClassCleanup(lambda: [cluster.stop() for cluster in cls.clusters.values()])
        for kind in KINDS:
            cls.clusters[kind] = Cluster(kind, nodes=0, options={"query_jobs": 2, "debug": 0, "delete_jobs": 0,
                                                                 "replicate_jobs": 0, "reaper_jobs": 0, "fsck_jobs": 0})

    def add_files(self, database, dmid):
        """Rows of files with all sorts of names, as an upload leaves them."""
        hexes = [key.hex() for key in BYTES[1:]]
        for i, digits in enumerate(hexes, 101):
            name = f"CAST({database.hex(digits)} AS TEXT)" if database.kind == "sqlite" else database.hex(digits)
            database.execute("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) "
                             f"VALUES ({i}, {dmid}, {name}, {i}, 0, 1)")
            database.execute(f"INSERT INTO file_on (fid, devid) VALUES ({i}, 1)")

    def test_answers(self):
        clients = {kind: cluster.client() for kind, cluster in self.clusters.items()}
        for kind, client in clients.items():
            self.addCleanup(client.close)
            client.admin("!want 0 job_master")
            wait_until(lambda c=client: c.jobs()["job_master"]["count"] == 0)
        differences, has_files, good = [], False, 0
        for line in lines():
            if line.startswith("file_info") and not has_files:
                has_files = True
                for cluster in self.clusters.values():
                    self.add_files(cluster.database, cluster.database.rows("SELECT MAX(dmid) FROM domain")[0][0])
            for client in clients.values():
                client.send(line + "\r\n")
            answers = {kind: client.line() for kind, client in clients.items()}
            good += answers["sqlite"].startswith(b"OK")
            if len(set(answers.values())) > 1:
                differences.append(line + "".join(f"\n    {kind}: {answer}" for kind, answer in answers.items()))
        self.assertGreater(good, 300, "most answers are errors")
        self.assertEqual(differences, [], "\n".join(differences))


if __name__ == "__main__":
    unittest.main()
