# SPDX-License-Identifier: MIT
"""PUT and DELETE: framing, digests, parts of files, refusals, and what stays on the disk."""
import base64
import hashlib
import os
import threading
import unittest

from storednode import StoredTest
from waiting import wait_until


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def chunked(data, size=4096, trailer=""):
    parts = [b"%x\r\n%s\r\n" % (len(data[i:i + size]), data[i:i + size]) for i in range(0, len(data), size)]
    return b"".join(parts) + b"0\r\n" + trailer.encode() + b"\r\n"


class Writing(StoredTest):
    def put(self, target, body=b"data", headers=()):
        return self.request("PUT", target, headers, body)

    def test_put_get_delete(self):
        target = self.unique()
        answer = self.put(target, b"hello")
        self.assertEqual((answer.status, answer.body, answer.headers["content-length"]), (201, b"", "0"))
        self.assertEqual(self.node.read(target), b"hello")
        self.assertEqual(os.stat(self.node.path(target)).st_mode & 0o7777, 0o644)
        self.assertEqual(self.put(target, b"again").status, 201)
        self.assertEqual(self.request("GET", target).body, b"again")
        self.assertEqual(self.request("DELETE", target).status, 204)
        self.assertEqual(self.request("DELETE", target).status, 404)
        self.assertEqual(self.request("GET", target).status, 404)
        self.assertEqual(self.node.temporaries(), [])

    def test_sizes_and_framings(self):
        target = self.unique()
        with self.node.connect() as connection:
            for size in (0, 1, 4096, 16384, 262143, 262144, 262145, 524288, 3000000):
                data = os.urandom(size)
                self.assertEqual(connection.request("PUT", target, body=data).status, 201)
                self.assertEqual(self.node.read(target), data)
                connection.send(f"PUT {target} HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n")
                connection.send(chunked(data, 5000))
                self.assertEqual(connection.answer().status, 201)
                self.assertEqual(self.node.read(target), data)
        self.assertEqual(self.node.temporaries(), [])

    def test_no_length_is_an_empty_file(self):
        for version in ("1.0", "1.1"):
            target = self.unique()
            self.assertEqual(self.request("PUT", target, version=version).status, 201)
            self.assertEqual(self.node.read(target), b"")

    def test_expect(self):
        target = self.unique()
        with self.node.connect() as connection:
            connection.send(f"PUT {target} HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.send("abc")
            self.assertEqual(connection.answer().status, 201)
            self.assertEqual(connection.request("GET", target).body, b"abc")
        with self.node.connect() as connection:
            connection.send("PUT /dev9/x HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(connection.until(b"\r\n").startswith(b"HTTP/1.1 404 "))

    def test_content_md5(self):
        target = self.unique()
        data = os.urandom(500000)
        with self.node.connect() as connection:
            self.assertEqual(connection.request("PUT", target, {"Content-MD5": md5(data)}, data).status, 201)
            self.assertEqual(connection.request("PUT", target, {"Content-MD5": md5(b"x")[:-2]}, b"x").status, 201)
            answer = connection.request("PUT", target, {"Content-MD5": md5(b"y")}, b"z")
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.body.decode().strip(), "Content-MD5 mismatch, expected: "
                             f"{md5(b'y')[:-2]} actual: {md5(b'z')[:-2]}")
            self.assertEqual(connection.request("GET", target).body, b"x")  # kept, and the connection with it
        for bad in ("x", md5(b"x") + "=", md5(b"x")[:-3], "!" * 22):
            answer = self.put(target, b"x", {"Content-MD5": bad})
            self.assertEqual((answer.status, answer.headers["connection"]), (400, "close"), bad)
        self.assertEqual(self.node.temporaries(), [])

    def test_the_trackers_probe(self):
        with self.node.connect() as connection:
            answer = connection.request("PUT", "/dev1/test-write/test-md5",
                                        {"Content-MD5": "kDPg4wXyR8DDyA0MeEjIsw=="}, b".")
            self.assertEqual(answer.status, 400)
            self.assertEqual(connection.request("PUT", "/dev1/test-write/test-write-5", body=b"time=1 rand=5").status,
                             201)
            self.assertEqual(connection.request("GET", "/dev1/test-write/test-write-5").body, b"time=1 rand=5")
            self.assertEqual(connection.request("MKCOL", "/dev1/test-write/", body=b"").status, 400)

    def test_trailers(self):
        target = self.unique()
        data = os.urandom(20000)
        head = f"PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        for announced in ("", "Trailer: Content-MD5\r\n"):
            for trailer, status in ((f"Content-MD5: {md5(data)}\r\n", 201), (f"Content-MD5: {md5(b'x')}\r\n", 400),
                                    ("X-Other: 1\r\n", 400 if announced else 201)):
                with self.subTest(announced=announced, trailer=trailer), self.node.connect() as connection:
                    connection.send(head + announced + "\r\n")
                    connection.send(chunked(data, trailer=trailer))
                    self.assertEqual(connection.answer().status, status)
                    self.assertEqual(connection.request("GET", "/").status, 200)

    def test_two_digests(self):
        """Both count: the one in the head is not forgotten when the trailer has another."""
        target = self.unique()
        for first, second, status in ((b"abc", b"abc", 201), (b"x", b"abc", 400), (b"abc", b"x", 400)):
            with self.subTest(first=first, second=second), self.node.connect() as connection:
                connection.send(f"PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-MD5: {md5(first)}\r\n\r\n")
                connection.send(chunked(b"abc", trailer=f"Content-MD5: {md5(second)}\r\n"))
                self.assertEqual(connection.answer().status, status)
                self.assertEqual(connection.request("GET", "/").status, 200)
                connection.request("DELETE", target)

    def test_chunk_extensions(self):
        target = self.unique()
        with self.node.connect() as connection:
            connection.send(f"PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0;x\r\n\r\n")
            self.assertEqual(connection.answer().status, 201)
        self.assertEqual(self.node.read(target), b"abc")

    def test_byte_by_byte(self):
        for headers, body in (("Content-Length: 5", b"hello"),
                              ("Transfer-Encoding: chunked", chunked(b"hello", 2, "X: y\r\n"))):
            target = self.unique()
            with self.node.connect() as connection:
                for byte in f"PUT {target} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body:
                    connection.send(bytes([byte]))
                self.assertEqual(connection.answer().status, 201)
                self.assertEqual(connection.request("GET", target).body, b"hello")

    def test_pipelining(self):
        names = [self.unique() for _ in range(20)]
        stream = b"".join(f"PUT {n} HTTP/1.1\r\nContent-Length: {len(n)}\r\n\r\n{n}".encode() for n in names)
        stream += b"".join(f"GET {n} HTTP/1.1\r\n\r\n".encode() for n in names)
        with self.node.connect() as connection:
            connection.send(stream)
            self.assertEqual([connection.answer().status for _ in names], [201] * len(names))
            self.assertEqual([connection.answer().body.decode() for _ in names], names)

    def test_parts(self):
        target = self.unique()
        with self.node.connect() as connection:
            self.assertEqual(connection.request("PUT", target).status, 201)
            for first, data, total in ((5, b"world", "*"), (0, b"hello", "10"), (10, b"!", "11")):
                headers = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}"}
                self.assertEqual(connection.request("PUT", target, headers, data).status, 201)
        self.assertEqual(self.node.read(target), b"helloworld!")
        fresh = self.unique()
        self.assertEqual(self.put(fresh, b"x", {"Content-Range": "bytes 5-5/*"}).status, 201)
        self.assertEqual(self.node.read(fresh), b"\0\0\0\0\0x")
        big = os.urandom(700000)
        self.assertEqual(self.put(target, big, {"Content-Range": "bytes 100-700099/*"}).status, 201)
        self.assertEqual(self.node.read(target)[100:], big)

    def test_bad_parts_change_nothing(self):
        target = self.unique()
        self.put(target, b"whole")
        for value in ("bytes 0-1/*", "bytes 0-3/3", "bytes 0-3/4x", "bytes 3-0/*", "bytes 0-/*", "bytes -3/*", "lines 0-3/*",
                      "bytes=0-3/*", "bytes 0-3", "bytes 0-99999999999999999999/*",
                      "bytes 9223372036854775807-9223372036854775810/*", "x"):
            with self.subTest(value=value):
                answer = self.put(target, b"frag", {"Content-Range": value})
                self.assertEqual((answer.status, answer.headers["connection"]), (400, "close"))
        with self.node.connect() as connection:
            connection.send(f"PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-3/*\r\n\r\n")
            connection.send(chunked(b"frag"))
            self.assertEqual(connection.answer().status, 400)
        self.assertEqual(self.node.read(target), b"whole")

    def test_refused_targets(self):
        os.makedirs(self.node.path("/dev1/folder"), exist_ok=True)
        self.node.write("/dev1/file", b"x")
        os.symlink("/etc/passwd", self.node.path("/dev1/put-link"))
        os.symlink("/tmp", self.node.path("/dev1/put-folder"))
        os.mkfifo(self.node.path("/dev1/put-fifo"))
        table = {
            "/foo": 400, "/other/foo": 400, "/": 400, "*": 400, "/dev1": 409, "/dev1/": 409, "/dev1/x/": 400, "/dev1/x?y": 400,
            "/dev1/../x": 400, "/dev1/./x": 400, "/dev1/%2e%2e/x": 400, "/dev1/a%00": 400, "/dev1/a b": 400,
            "/dev777/foo": 404, "/dev777/foo/": 400, "/dev1/usage": 403, "/dev1/folder": 409, "/dev1/file/x": 409,
            "/dev1/put-link": 403, "/dev1/put-folder/x": 403, "/dev1/put-fifo": 403, "/dev1/.mogtmp-1-x": 400,
            "/dev1/" + "n" * 256: 400,
        }
        for target, status in table.items():
            with self.subTest(target=target[:60]), self.node.connect() as connection:
                connection.send(f"PUT {target} HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody")
                if target == "/dev1/a b":
                    self.assertEqual(connection.answer().status, status)
                    continue
                self.assertEqual(connection.answer().status, status)
                self.assertEqual(connection.request("GET", "/").status, 200)  # the body was dropped
        self.assertFalse(os.path.exists(self.node.path("/dev777")))
        self.assertEqual(self.node.temporaries(), [])

    def test_refused_deletions(self):
        os.makedirs(self.node.path("/dev1/keep"), exist_ok=True)
        self.node.write("/dev1/plain", b"x")
        os.symlink("plain", self.node.path("/dev1/delete-link"))
        table = {"/": 403, "//": 403, "/dev1": 403, "/dev1/": 403, "/dev1/keep": 403, "/dev1/keep/": 400, "/dev1/usage": 403,
                 "/dev1/../x": 400, "/dev1/x?y": 400, "/dev1/plain/x": 404, "/other/x": 404, "/dev777/x": 503,
                 "/dev1/delete-link": 403, "/dev1/no/such/folder": 404}
        with self.node.connect() as connection:
            for target, status in table.items():
                with self.subTest(target=target):
                    self.assertEqual(connection.request("DELETE", target).status, status)
        self.assertTrue(os.path.isdir(self.node.path("/dev1/keep")))
        self.assertEqual(self.node.read("/dev1/plain"), b"x")

    def test_other_methods(self):
        with self.node.connect() as connection:
            for target in ("*", "/", "/dev1/x", "/dev777/x", "/other", "/dev1/../x"):
                answer = connection.request("OPTIONS", target)
                self.assertEqual((answer.status, answer.headers["allow"]), (200, "GET, HEAD, PUT, DELETE, OPTIONS"))
            for method in ("POST", "MOVE", "PROPFIND", "TRACE", "get", "X"):
                self.assertEqual(connection.request(method, "/dev1/x").status, 501)
            self.assertEqual(connection.request("MKCOL", "/dev1/new").status, 400)
        self.assertFalse(os.path.exists(self.node.path("/dev1/new")))

    def test_broken_off(self):
        for framing, part in (("Content-Length: 100", b"x" * 50), ("Content-Length: 900000", b"x" * 500000),
                              ("Transfer-Encoding: chunked", b"a\r\n12345"),
                              ("Transfer-Encoding: chunked", b"80000\r\n" + b"x" * 400000)):
            target = self.unique()
            with self.subTest(framing=framing):
                with self.node.connect() as connection:
                    connection.send(f"PUT {target} HTTP/1.1\r\n{framing}\r\n\r\n")
                    connection.send(part)
                wait_until(lambda: f"PUT {target} failed from" in self.node.log(), what="the upload is given up")
                wait_until(lambda: not self.node.temporaries(), what="the temporary file is gone")
                self.assertFalse(os.path.exists(self.node.path(target)))

    def test_large_refused_body_closes(self):
        with self.node.connect() as connection:
            connection.send("PUT /dev777/x HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n")
            answer = connection.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (404, "close"))
            self.assertTrue(connection.ended())

    def test_usage_follows(self):
        def used():
            lines = self.request("GET", "/dev2/usage").body.decode().splitlines()
            return int(dict(line.split(": ") for line in lines)["used"])
        before = used()
        self.put(self.unique(2), bytes(8 << 20))
        self.assertGreaterEqual(used(), before + 4096)


class Unsynced(StoredTest):
    """Uploads to one folder that come at the same time are done by one thread, which keeps the folder open."""
    options = {"fsync": "off"}

    def test_many_at_once_to_one_folder(self):
        folder = self.unique()
        os.makedirs(self.node.path(f"{folder}/taken"))
        stored, wrong = {}, []

        def upload(client):
            with self.node.connect() as connection:
                for i in range(60):
                    name, data = f"{folder}/{client}-{i}", os.urandom(10 + client * i)
                    if i % 6 == 0:
                        cases = (f"{folder}/taken", 409, {}), (name, 400, {"Content-MD5": md5(b"other")})
                    else:
                        cases = (name, 201, {"Content-MD5": md5(data)} if i % 2 else {}),
                    for target, status, headers in cases:
                        got = connection.request("PUT", target, headers, data).status
                        if got != status:
                            wrong.append((target, got, status))
                        elif status == 201:
                            stored[target] = data
        threads = [threading.Thread(target=upload, args=(client,)) for client in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(len(stored), 12 * 50)
        for target, data in stored.items():
            self.assertEqual(self.node.read(target), data)
            self.assertEqual(os.stat(self.node.path(target)).st_mode & 0o7777, 0o644)
        self.assertEqual(len(os.listdir(self.node.path(folder))), 12 * 50 + 1)


class Reported200(StoredTest):
    options = {"put_status": 200}

    def test_status(self):
        self.assertEqual(self.request("PUT", self.unique(), body=b"x").status, 200)


class Readonly(StoredTest):
    options = {"readonly": 1}

    def test_refusals(self):
        self.node.write("/dev1/x", b"x")
        self.assertEqual(self.request("PUT", "/dev1/y", body=b"y").status, 403)
        self.assertEqual(self.request("DELETE", "/dev1/x").status, 403)
        self.assertEqual(self.request("GET", "/dev1/x").body, b"x")
        self.assertEqual(self.request("MKCOL", "/dev1/test-write/").status, 400)


class Allow(StoredTest):
    options = {"allow": "10.0.0.0/8,fd00::/8"}

    def setUp(self):
        self.node.write("/dev1/x", b"x")

    def test_strangers_only_read(self):
        self.assertEqual(self.request("GET", "/dev1/x").body, b"x")
        self.assertEqual(self.request("PUT", "/dev1/y", body=b"y").status, 403)
        self.assertEqual(self.request("DELETE", "/dev1/x").status, 403)
        with self.node.side() as side:
            self.assertTrue(side.ended())


if __name__ == "__main__":
    unittest.main()
