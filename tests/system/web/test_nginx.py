# SPDX-License-Identifier: MIT
"""The gateway behind an nginx with conf/nginx-gateway.conf: the tracker says where, nginx fetches."""
import os
import random
import re
import shutil
import subprocess
import unittest

from cluster import free_port, new_address, wait_until
from daemon import die_with_parent
from waiting import port_open
from web_case import GatewayTest, fetch, quote

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "conf", "nginx-gateway.conf")
FILES = 24


@unittest.skipUnless(os.path.exists(NGINX), "nginx is not installed")
class Nginx(GatewayTest):
    gateway = "accel"
    nodes = 3
    options = {"http_gateway_cache_control": "max-age=60"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.front, cls.front_port = new_address(), free_port()
        folder = cls.nginx_folder = os.path.join(cls.cluster.folder, "nginx")
        os.makedirs(folder)
        with open(SAMPLE) as f:
            sample = f.read()
        # The sample as it is, but for addresses.
        sample = re.sub(r"(?m)^    server 10\.0\.0\.1:7002;", f"server {cls.address}:{cls.port};", sample)
        sample = re.sub(r"listen 80;", f"listen {cls.front}:{cls.front_port};", sample)
        with open(os.path.join(folder, "gateway.conf"), "w") as f:
            f.write(sample)
        paths = "\n".join(f"    {name}_temp_path {folder}/{name};"
                          for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(folder, "nginx.conf"), "w") as f:
            f.write(f"""daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log info;
events {{ worker_connections 500; }}
http {{
    access_log off;
{paths}
    include {folder}/gateway.conf;
}}
""")
        cls.nginx = subprocess.Popen([NGINX, "-p", folder, "-c", os.path.join(folder, "nginx.conf"), "-e",
                                      os.path.join(folder, "error.log")], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cls.addClassCleanup(cls.end_nginx)
        wait_until(lambda: port_open(cls.front, cls.front_port), what="nginx listens")

    @classmethod
    def end_nginx(cls):
        cls.nginx.terminate()
        cls.nginx.wait()

    def front_get(self, target, **more):
        return fetch(self.front, self.front_port, target, **more)

    def get(self, key, domain="files", **more):
        return self.front_get(f"/{quote(domain)}/{quote(key)}", **more)

    def test_whole_files(self):
        for size in (0, 1, 5000, 2 << 20):
            data = random.Random(size).randbytes(size)
            key = f"/abs/f{size}.jpg"
            fid = self.put(key, data)
            reply = self.get(key)
            self.assertEqual((reply.status, reply.body == data), (200, True), size)
            self.assertEqual(reply.headers["Content-Type"], "image/jpeg")
            self.assertEqual(reply.headers.get_all("ETag"), [f'"{fid:x}"'])
            self.assertEqual(reply.headers["Cache-Control"], "max-age=60")
            self.assertTrue(reply.headers["Last-Modified"])
            self.assertFalse([name for name in reply.headers if name.startswith("X-Mogilefs")])
            head = self.get(key, method="HEAD")
            self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", str(size)))
            self.assertEqual(head.headers["Content-Type"], "image/jpeg")

    def test_ranges_and_conditions(self):
        data = random.Random(1).randbytes(100000)
        self.put("r", data)
        tag = self.get("r").headers["ETag"]
        for headers, status, body in (({"Range": "bytes=5-9"}, 206, data[5:10]),
                                      ({"Range": "bytes=-7"}, 206, data[-7:]),
                                      ({"Range": "bytes=5-9", "If-Range": tag}, 206, data[5:10]),
                                      ({"Range": "bytes=5-9", "If-Range": '"x"'}, 200, data),
                                      ({"If-None-Match": tag}, 304, b""),
                                      ({"If-None-Match": '"x"'}, 200, data),
                                      ({"If-Modified-Since": "Fri, 31 Dec 1999 23:59:59 GMT"}, 200, data),
                                      ({"If-None-Match": '"x"', "If-Modified-Since": "Sun, 01 Jan 2090 00:00:00 GMT"},
                                       200, data)):
            reply = self.get("r", headers=headers)
            self.assertEqual((reply.status, reply.body == body), (status, True), headers)
        self.assertEqual(self.get("r", headers={"Range": "bytes=100000-"}).status, 416)

    def test_what_is_not_there(self):
        self.put("here", b"x")
        self.put("here", b"x", domain="secret")
        for target in ("/files/nothing", "/secret/here", "/", "/metrics", "/healthz", "/api/status", "/app.js"):
            self.assertEqual(self.front_get(target).status, 404, target)
        inside = self.front_get("/mogilefs-copy/127.0.0.1:80/dev1/0/000/000/0000000001.fid")
        self.assertEqual(inside.status, 503)  # no copy is named but by the tracker
        for method in ("PUT", "DELETE", "POST"):
            self.assertEqual(self.get("here", method=method).status, 403, method)
        self.assertEqual(self.get("here").body, b"x")

    def test_odd_keys(self):
        for key in (b"a b", b"a%2Fb", b"a?b", b"a#b", b"\xff\xfe", b"a//b", b"x;y", b"a\"b'c", b"$copy"):
            self.put(key, b"<" + key + b">")
            reply = self.get(key)
            self.assertEqual((reply.status, reply.body), (200, b"<" + key + b">"), key)

    def test_a_dead_copy_is_replaced_by_the_next(self):
        data = random.Random(2).randbytes(50000)
        for i in range(FILES):
            self.put(f"d{i}", data)
        first = self.cluster.nodes[0]
        first.stop()
        try:
            # Before the tracker has noticed: every file must come, wherever its first copy is.
            for i in range(FILES):
                reply = self.get(f"d{i}", headers={"Range": "bytes=1-40000"})
                self.assertEqual((reply.status, reply.body == data[1:40001]), (206, True), i)
                self.assertEqual(self.get(f"d{i}", method="HEAD").status, 200)
        finally:
            first.start()
            self.cluster.wait_writeable([1, 2, 3])
        # A copy that is missing on its node counts as dead.
        for node in self.cluster.nodes[1:]:
            for at, _, names in os.walk(node.docroot):
                for name in names:
                    if name.endswith(".fid"):
                        os.remove(os.path.join(at, name))
        # Of so many files, some have no copy on the first node in all but one of 15,000 runs.
        got = [self.get(f"d{i}") for i in range(FILES)]
        self.assertEqual({r.status for r in got}, {200, 503})
        self.assertTrue(all(r.body == data for r in got if r.status == 200))


if __name__ == "__main__":
    unittest.main()
