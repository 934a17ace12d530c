# SPDX-License-Identifier: MIT
"""Running: usage, mounts, reloading, the access log, metrics."""
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from storednode import Connection, StoredNode, StoredTest
from waiting import free_port, new_address, wait_until


def fields(text):
    return dict(line.split(": ") for line in text.splitlines())


class Usage(StoredTest):
    def test_answer_and_file(self):
        answer = self.request("GET", "//dev1/usage")
        served = fields(answer.body.decode())
        self.assertEqual(list(served), sorted(served))
        self.assertLessEqual({"available", "device", "disk", "time", "total", "use", "used"}, set(served))
        self.assertEqual(served["disk"], self.node.path("/dev1"))
        self.assertEqual(int(served["total"]), int(served["used"]) + int(served["available"]))
        self.assertGreaterEqual(int(served["used"]), 1)
        self.assertEqual(served["use"], f"{-(-100 * int(served['used']) // int(served['total']))}%")
        self.assertLess(abs(int(served["time"]) - time.time()), 30)
        vfs = os.statvfs(self.node.path("/dev1"))
        measured = (vfs.f_blocks - vfs.f_bfree) * vfs.f_frsize // 1024
        self.assertLess(abs(int(served["used"]) - measured), 1 << 20)
        self.assertEqual(set(fields(self.node.read("/dev1/usage").decode())), set(served))
        self.assertEqual(self.request("HEAD", "/dev1/usage").headers["content-length"], str(len(answer.body)))

    def test_time_advances(self):
        first = int(fields(self.node.read("/dev1/usage").decode())["time"])
        wait_until(lambda: int(fields(self.node.read("/dev1/usage").decode())["time"]) > first)

    def test_served_from_memory(self):
        os.chmod(self.node.path("/dev1/usage"), 0)
        os.unlink(self.node.path("/dev1/usage"))
        self.assertEqual(self.request("GET", "/dev1/usage").status, 200)
        wait_until(lambda: os.path.exists(self.node.path("/dev1/usage")), what="it is written again")

    def test_device_that_goes(self):
        os.mkdir(self.node.path("/dev7"))
        self.node.write("/dev7/x", b"x")
        self.assertEqual(self.request("GET", "/dev7/x").status, 200)
        os.rename(self.node.path("/dev7"), self.node.path("/gone"))
        wait_until(lambda: self.request("GET", "/dev7/usage").status == 503, what="its absence is noticed")
        self.assertEqual(self.request("GET", "/dev7/x").status, 503)
        self.assertEqual(self.request("PUT", "/dev7/y", body=b"y").status, 404)
        self.assertFalse(os.path.exists(self.node.path("/dev7")))
        os.rename(self.node.path("/gone"), self.node.path("/dev7"))
        wait_until(lambda: self.request("GET", "/dev7/x").status == 200, what="it is back")

    def test_unusable_usage_file(self):
        os.mkdir(self.node.path("/dev8"))
        os.mkdir(self.node.path("/dev8/usage"))
        os.mkdir(self.node.path("/dev8/usage/x"))
        self.assertEqual(self.request("GET", "/dev8/usage").status, 200)
        wait_until(lambda: "cannot write dev8/usage" in self.node.log())
        self.assertEqual(self.node.log().count("cannot write dev8/usage"), 1)


@unittest.skipUnless(os.getuid() == 0, "needs root to mount")
class Mounts(unittest.TestCase):
    def mount(self, path, *options):
        done = subprocess.run(["mount", "-t", "tmpfs", *options, "none", path], capture_output=True)
        if done.returncode != 0:
            self.skipTest("cannot mount here: " + done.stderr.decode())
        self.addCleanup(subprocess.run, ["umount", "-l", path], capture_output=True)

    def put_on_new_mount(self, node, body):
        wait_until(lambda: "none" in node.request("GET", "/dev2/usage").body.decode(), what="the mount is seen")
        # Who looked in just that moment may have found another file system than was measured: it is measured again at once.
        wait_until(lambda: node.request("PUT", "/dev2/x", body=body).status == 201, what="it takes files")

    def test_unmounted(self):
        with StoredNode((1, 2)) as node:
            self.mount(node.path("/dev2"))
            self.put_on_new_mount(node, b"x")
            # Nothing of ours keeps the file system busy.
            wait_until(lambda: subprocess.run(["umount", node.path("/dev2")], capture_output=True).returncode == 0,
                       what="it can be unmounted")
            for method in ("GET", "HEAD", "DELETE", "PUT"):
                self.assertEqual(node.request(method, "/dev2/x", body=b"y" if method == "PUT" else None).status, 503)
            began = time.monotonic()
            wait_until(lambda: node.request("GET", "/dev2/usage").status == 503)
            self.assertEqual(os.listdir(node.path("/dev2")), ["usage"] if "usage" in os.listdir(node.path("/dev2")) else [])
            self.assertLess(time.monotonic() - began, 10)
            self.mount(node.path("/dev2"))
            wait_until(lambda: node.request("GET", "/dev2/x").status == 404, what="it is mounted again")
            self.assertEqual(node.request("GET", "/dev1/usage").status, 200)
            subprocess.run(["umount", "-l", node.path("/dev2")], check=True)

    def test_full_and_readonly(self):
        with StoredNode((1, 2)) as node:
            self.mount(node.path("/dev2"), "-o", "size=2m")
            self.put_on_new_mount(node, b"keep")
            for headers in ({}, {"Transfer-Encoding": "chunked"}, {"Content-Range": f"bytes 0-{(3 << 20) - 1}/*"}):
                body = bytes(3 << 20)
                target = "/dev2/part" if "Content-Range" in headers else "/dev2/x"
                if "Transfer-Encoding" in headers:
                    body = b"300000\r\n" + body + b"\r\n0\r\n\r\n"
                try:
                    with node.connect() as connection:
                        self.assertEqual(connection.request("PUT", target, headers, body).status, 507)
                except ConnectionError:
                    pass  # the answer came while we were still sending
            with open(node.path("/dev2/filler"), "wb", buffering=0) as f, self.assertRaises(OSError):
                while True:
                    f.write(bytes(4096))
            before = int(fields(node.read("/dev2/usage").decode().strip())["time"])
            wait_until(lambda: int(fields(node.read("/dev2/usage").decode().strip())["time"]) > before,
                       what="the usage file of a full disk is written")
            self.assertEqual(int(fields(node.request("GET", "/dev2/usage").body.decode())["available"]), 0)
            self.assertEqual(node.request("GET", "/dev2/x").body, b"keep")
            os.remove(node.path("/dev2/filler"))
            self.assertEqual(node.request("DELETE", "/dev2/part").status, 204)
            self.assertEqual(node.request("GET", "/dev2/x").body, b"keep")
            wait_until(lambda: not node.temporaries())
            subprocess.run(["mount", "-o", "remount,ro", node.path("/dev2")], check=True)
            self.assertEqual(node.request("PUT", "/dev2/x", body=b"y").status, 403)
            self.assertEqual(node.request("DELETE", "/dev2/x").status, 403)
            self.assertEqual(node.request("GET", "/dev2/x").body, b"keep")
            self.assertEqual(node.request("GET", "/dev2/usage").status, 200)
            subprocess.run(["umount", "-l", node.path("/dev2")], check=True)

    def test_strict_mounts(self):
        with StoredNode((1, 2), {"strict_mounts": 1}) as node:
            self.assertEqual(node.request("GET", "/dev2/usage").status, 503)
            self.mount(node.path("/dev2"))
            wait_until(lambda: node.request("GET", "/dev2/usage").status == 200)
            self.assertEqual(node.request("GET", "/dev1/usage").status, 503)
            subprocess.run(["umount", "-l", node.path("/dev2")], check=True)


def text_of(path):
    with open(path) as f:
        return f.read()


class Reload(unittest.TestCase):
    def test_reload(self):
        with StoredNode((1,)) as node:
            node.stop()
            config = os.path.join(node.folder, "mogstored.conf")
            log = os.path.join(node.folder, "access.log")

            def configure(**more):
                with open(config, "w") as f:
                    for key, value in {**node.options, "access_log": log, **more}.items():
                        f.write(f"{key} = {value}\n")
            configure()
            node.args = [f"--config={config}"]
            node.start()

            def reload(expected):
                count = node.log().count(expected)
                node.process.send_signal(signal.SIGHUP)
                wait_until(lambda: node.log().count(expected) > count, what=expected)
            self.assertEqual(node.request("PUT", "/dev1/x", body=b"x").status, 201)
            configure(put_status=200, readonly=0, maxconns=77, device_threads=3)
            reload("reload: done")
            self.assertEqual(node.request("PUT", "/dev1/x", body=b"x").status, 200)
            self.assertIn("reload: put_status has changed\n", node.log())
            self.assertIn("reload: maxconns has changed, which takes effect at the next start", node.log())
            configure(readonly=1)
            reload("reload: done")
            self.assertEqual(node.request("PUT", "/dev1/x", body=b"x").status, 403)
            configure(allow="10.0.0.0/8")
            reload("reload: done")
            self.assertEqual(node.request("PUT", "/dev1/x", body=b"x").status, 403)
            with node.side() as side:
                self.assertTrue(side.ended())
            configure(nonsense=1)
            reload("(nothing is changed)")
            self.assertEqual(node.request("GET", "/dev1/x").status, 200)
            configure()
            reload("reload: done")
            self.assertEqual(node.request("PUT", "/dev1/x", body=b"x").status, 201)

            wait_until(lambda: text_of(log).count("PUT /dev1/x") == 5, what="the access log")
            line = text_of(log).splitlines()[0]
            self.assertRegex(line, r'^127\.[0-9.]+:\d+ - - \[[^]]+\] "PUT /dev1/x" 201 1 \d+\.\d{6}$')
            os.rename(log, log + ".1")
            for sig in (signal.SIGUSR1, signal.SIGHUP):
                node.process.send_signal(sig)
                wait_until(lambda: os.path.exists(log), what="the access log is opened anew")
                node.request("GET", "/dev1/x?a=\x01\"")
                wait_until(lambda: '"GET /dev1/x?a=\\x01\\x22" 200 1 ' in text_of(log))
                os.remove(log)

    def test_what_was_too_much_is_no_change(self):
        node = StoredNode((1,), {"maxconns": 1000000})
        node.nofile = 1500
        with node:
            self.assertIn("maxconns = 1000000 is too much for", node.log())
            node.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "reload: done" in node.log())
            self.assertNotIn("has changed", node.log())


class Metrics(unittest.TestCase):
    def test_metrics(self):
        address = new_address()
        port = free_port(address)
        with StoredNode((1, 2), {"http_metrics_listen": f"{address}:{port}"}) as node:
            node.request("PUT", "/dev1/x", body=b"hello")
            for _ in range(3):
                node.request("GET", "/dev1/x")
            node.request("GET", "/dev2/none")
            node.request("GET", "/dev9/none")

            def scrape():
                with Connection(address, port) as connection:
                    answer = connection.request("GET", "/metrics")
                    self.assertEqual(answer.status, 200)
                    self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
                    return answer.body.decode()

            def complete():
                return 'mogstored_requests_total{device="-",method="GET",status="503"} 1' in scrape()
            wait_until(complete)
            text = scrape()
            for line in text.splitlines():
                self.assertRegex(line, r'^(# (HELP|TYPE) mogstored_\w+ .+|mogstored_\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+)$')
            names = re.findall(r"^# TYPE (\w+)", text, re.M)
            self.assertEqual(len(names), len(set(names)))
            for line in ('mogstored_requests_total{device="dev1",method="GET",status="200"} 3',
                         'mogstored_requests_total{device="dev1",method="PUT",status="201"} 1',
                         'mogstored_requests_total{device="dev2",method="GET",status="404"} 1',
                         'mogstored_sent_bytes_total{device="dev1"} 15', 'mogstored_received_bytes_total{device="dev1"} 5',
                         'mogstored_request_seconds_count{device="dev1",method="GET"} 3',
                         'mogstored_request_seconds_bucket{device="dev1",method="GET",le="+Inf"} 3',
                         'mogstored_sync_seconds_count{device="dev1"} 1',
                         'mogstored_device_health{device="dev1",state="healthy"} 1',
                         'mogstored_device_health{device="dev1",state="unhealthy"} 0',
                         'mogstored_device_queued{device="dev1"} 0', 'mogstored_device_errors_total{device="dev1"} 0'):
                self.assertIn(line + "\n", text)
            self.assertGreater(int(re.search(r'device_bytes\{device="dev1",kind="available"\} (\d+)', text).group(1)), 0)
            with Connection(address, port) as connection:
                self.assertEqual(connection.request("GET", "/other").status, 404)
                self.assertEqual(connection.request("POST", "/metrics", body=b"x").status, 405)
                self.assertEqual(connection.request("HEAD", "/metrics").status, 200)


if __name__ == "__main__":
    unittest.main()
