# SPDX-License-Identifier: MIT
"""Files by /DOMAIN/KEY: redirections to storage nodes, and what leads nowhere."""
import unittest

from cluster import http
from web_case import GatewayTest


class Redirect(GatewayTest):
    options = {"http_gateway_cache_control": "max-age=5"}

    def test_file(self):
        fid = self.put("a/b.jpg", b"x" * 100)
        for method in ("GET", "HEAD"):
            reply = self.get("a/b.jpg", method=method)
            self.assertEqual((reply.status, reply.body), (302, b""))
            self.assertEqual(reply.headers["ETag"], f'"{fid:x}"')
            self.assertEqual(reply.headers["Cache-Control"], "max-age=5")
            self.assertIn(reply.headers["Location"], self.client.paths("files", "a/b.jpg"))
            self.assertEqual(http("GET", reply.headers["Location"])[2], b"x" * 100)
        tag = self.get("a/b.jpg").headers["ETag"]
        for value in (tag, f'W/{tag}', f'"no", {tag}', "*"):
            self.assertEqual(self.get("a/b.jpg", headers={"If-None-Match": value}).status, 304, value)
        self.assertEqual(self.get("a/b.jpg", headers={"If-None-Match": '"no"'}).status, 302)

    def test_tag_changes_with_the_content(self):
        self.put("k", b"one")
        before = self.get("k").headers["ETag"]
        self.put("k", b"two")
        self.assertNotEqual(self.get("k").headers["ETag"], before)

    def test_dead_device_is_not_sent_to(self):
        self.put("dead", b"x")
        self.client.request("set_state", host="node1", device=1, state="down")
        try:
            for _ in range(10):
                self.assertIn("/dev2/", self.get("dead").headers["Location"])
        finally:
            self.client.request("set_state", host="node1", device=1, state="alive")
            self.cluster.wait_writeable([1, 2])

    def test_what_is_not_served(self):
        self.put("k2", b"x")
        self.put("k2", b"x", domain="secret")
        self.assertEqual(self.get("k2").status, 302)
        unknown = self.get("nothing")
        self.assertEqual(unknown.status, 404)
        for path in ("/secret/k2", "/nowhere/k2", "/Files/k2", "/files", "/files/", "//k2", "/files%00/k2",
                     "/files/" + "x" * 300, "/files/" + "x" * 2000):
            reply = self.fetch(path)
            self.assertEqual((reply.status, reply.body), (404, unknown.body), path)
        for path in ("/files/%", "/files/%4", "/files/%zz", "/%zz/k2"):
            self.assertEqual(self.fetch(path).status, 400, path)

    def test_keys_of_every_byte(self):
        self.put("a b+c", b"x", domain="with space")
        self.assertEqual(self.fetch("/with%20space/a%20b+c").status, 302)
        self.assertEqual(self.fetch("/with%20space/a+b+c").status, 404)
        # Many at once: keys that differ in one byte are different keys.
        keys = [b"byte" + bytes([c]) + b"/x" for c in range(256)]
        for i, key in enumerate(keys):
            self.client.upload("files", key, b"x" * (i + 1))
        for i, key in enumerate(keys):
            reply = self.get(key)
            self.assertEqual(reply.status, 302, key)
            self.assertEqual(len(http("GET", reply.headers["Location"])[2]), i + 1, key)
        # As browsers send them: what need not be encoded is not.
        for raw in (b"/files/byte!/x", b"/files/byte(/x", b"/files/byte&/x", b"/files/byte=/x", b"/files/byte~/x",
                    b"/files/byte;/x", b"/files/byte:/x", b"/files/byte@/x", b"/files/byte'/x", b"/files/byte%3f/x?q=1"):
            self.assertEqual(self.fetch(raw).status, 302, raw)

    def test_no_path_leads_elsewhere(self):
        self.put("/abs", b"x")
        self.assertEqual(self.fetch("/files//abs").status, 302)
        for path in ("/files/../files/k", "/files/%2e%2e/etc/passwd", "/../../etc/passwd", "/files/k%0d%0aX:%20y",
                     "/files/k%0a!shutdown%0a", "/files/&domain=secret&key=k2", "/files/%26domain%3dsecret",
                     "/!shutdown", "/files/!shutdown", "/mogilefs-copy/127.0.0.1:80/x"):
            reply = self.fetch(path)
            self.assertEqual(reply.status, 404, path)
            self.assertNotIn("X", reply.headers)
        self.assertTrue(self.cluster.tracker.running())

    def test_a_file_that_cannot_be_read(self):
        fid = self.put("gone", b"x")
        self.cluster.database.execute(f"DELETE FROM file_on WHERE fid={fid}")
        reply = self.get("gone")
        self.assertEqual(reply.status, 503)
        self.assertTrue(reply.headers["Retry-After"])

    def test_connections_are_kept(self):
        self.put("keep", b"x")
        request = f"GET /files/keep HTTP/1.1\r\nHost: {self.address}\r\n".encode()
        got = self.raw((request + b"\r\n") * 20 + request + b"Connection: close\r\n\r\n")
        self.assertEqual(got.count(b"HTTP/1.1 302 "), 21)


if __name__ == "__main__":
    unittest.main()
