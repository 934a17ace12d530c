# SPDX-License-Identifier: MIT
"""A tracker's place is taken by another process: nothing is refused, nothing is lost, and a failure changes nothing."""
import os
import shutil
import signal
import socket
import tempfile
import threading
import unittest

from cluster import Client, Node, Tracker, free_port, new_address, port_open, wait_until
from handover_case import Load, Notify, end, is_gone, read_pid, start_with_sockets

REQUESTS = 10000


class HandoverTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state")
        os.makedirs(self.state)
        self.pidfile = os.path.join(self.folder, "tracker.pid")
        self.notify = Notify(self.folder)
        self.addCleanup(self.notify.close)
        self.tracker = Tracker(self.folder, {"state_dir": self.state, "pidfile": self.pidfile, "query_jobs": 4},
                               env={"NOTIFY_SOCKET": self.notify.path})
        self.addCleanup(self.end_all)

    def end_all(self):
        if self.tracker.process is not None and self.tracker.running():
            self.tracker.kill()
        try:
            end(read_pid(self.pidfile))
        except FileNotFoundError:
            pass

    def client(self):
        return self.tracker.client()

    def take_over(self):
        """Let a new process take the place of the one in the pid file; returns its pid."""
        old = read_pid(self.pidfile)
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: read_pid(self.pidfile) != old, what="the new process serves")
        return read_pid(self.pidfile)

    def gone(self, pid):
        if pid == (self.tracker.process and self.tracker.process.pid):
            return self.tracker.process.poll() is not None
        return is_gone(pid)


class UnderLoad(HandoverTest):
    def test_no_request_is_refused_or_lost(self):
        node = Node(self.folder, "node1", [1]).start()
        self.addCleanup(node.stop)
        self.tracker.options["mogstored_stream_port"] = node.side_port
        self.tracker.start()
        with self.client() as c:
            c.request("create_host", host="node1", ip=node.address, port=node.port, status="alive")
            c.request("create_device", hostname="node1", devid=1, state="alive")
            c.request("create_domain", domain="d")
            wait_until(lambda: c.call("create_open", domain="d", key="first").ok, what="the device is writeable")
        old = self.tracker.pid
        fids, lock = set(), threading.Lock()
        kept = [self.client() for _ in range(2)]

        def work(thread, number):
            # Two keep their connections; two come anew each time.
            client = kept[thread] if thread < 2 else self.client()
            try:
                if number % 4 == 0:
                    fid = client.request("create_open", domain="d", key=f"k{number}")["fid"]
                    with lock:
                        assert fid not in fids, f"fid {fid} twice"
                        fids.add(fid)
                elif number % 4 == 1:
                    assert client.request("get_domains")["domain1"] == "d"
                else:
                    assert client.call("noop").ok
            finally:
                if thread >= 2:
                    client.close()

        load = Load(REQUESTS, 4, work).start()
        load.wait_done(1000)
        new = self.take_over()
        at = load.done
        load.wait_done(min(at + 2000, REQUESTS))
        newest = self.take_over()
        self.assertLess(load.done, REQUESTS, "both came while requests ran")
        load.finish()
        self.assertEqual(load.errors, [])
        self.assertEqual(load.done, REQUESTS)
        wait_until(lambda: self.gone(old) and self.gone(new), what="the old ones end, though clients keep connections")
        for client in kept:
            client.request("noop")
            client.close()
        self.assertEqual(self.tracker.process.returncode, 0)
        self.assertEqual(read_pid(self.pidfile), newest)
        with self.client() as c:
            self.assertEqual(len({*fids}), REQUESTS // 4)
            c.request("noop")


class Succession(HandoverTest):
    def test_what_systemd_is_told(self):
        self.tracker.start()
        old = self.tracker.pid
        wait_until(lambda: "READY=1" in self.notify.read())
        new = self.take_over()
        wait_until(lambda: f"MAINPID={new}" in self.notify.read())
        wait_until(lambda: self.gone(old))
        self.assertNotIn("STOPPING=1", self.notify.read(), "the service goes on")
        end(new)
        wait_until(lambda: "STOPPING=1" in self.notify.read())
        self.assertFalse(os.path.exists(self.pidfile))

    def test_a_change_before_is_seen_after(self):
        self.tracker.start()
        with self.client() as c:
            for i in range(5):
                c.request("create_domain", domain=f"before{i}")
                old = read_pid(self.pidfile)
                os.kill(old, signal.SIGUSR2)
                c.request("create_domain", domain=f"while{i}")
                wait_until(lambda old=old: read_pid(self.pidfile) != old)
                with self.client() as fresh:
                    wait_until(lambda fresh=fresh, i=i: f"while{i}" in fresh.request("get_domains").values(), 10)
                    self.assertIn(f"before{i}", fresh.request("get_domains").values())

    def test_a_new_process_that_fails_changes_nothing(self):
        self.tracker.start()
        old = self.tracker.pid
        with open(self.tracker.config) as f:
            good = f.read()
        with open(self.tracker.config, "w") as f:
            f.write(good + "query_jobs = many\n")
        with self.client() as kept:
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: "going on as before" in self.tracker.log())
            self.assertEqual(read_pid(self.pidfile), old)
            kept.request("create_domain", domain="d1")
            with self.client() as fresh:
                fresh.request("create_domain", domain="d2")
            # Once it is mended, it works.
            with open(self.tracker.config, "w") as f:
                f.write(good)
            new = self.take_over()
            self.assertNotEqual(new, old)
            self.assertEqual({"d1", "d2"} - set(kept.request("get_domains").values()), set())
        wait_until(lambda: self.gone(old))

    def test_a_database_that_another_holds_is_refused_still(self):
        self.tracker.start()
        old = self.tracker.pid
        new = self.take_over()
        wait_until(lambda: self.gone(old))
        other = Tracker(self.folder, {"state_dir": self.state}, label="other")
        with self.assertRaisesRegex(RuntimeError, "in use by another tracker"):
            other.start()
        end(new)
        other.start()
        other.stop()

    def test_connections_go_on_in_the_new_process(self):
        """Idle ones, one that watches, one with half a line, one whose request is in work."""
        self.tracker.start()
        old = self.tracker.pid
        with self.client() as idle, self.client() as watcher, self.client() as half, self.client() as busy:
            idle.request("create_domain", domain="d")
            self.assertEqual(watcher.admin("!watch"), ["Added you to watcher list."])
            half.request("noop")
            half.send("noop a=" + "x" * 1000)
            busy.request("noop")
            busy.send("sleep duration=3\r\nnoop\r\nget_domains\r\n")
            new = self.take_over()
            self.assertFalse(self.gone(old), "a request is in work")
            self.assertTrue(busy.answer().ok)
            wait_until(lambda: self.gone(old), 10, "the old one ends although nobody has left")
            self.assertTrue(busy.answer().ok)
            self.assertEqual(busy.answer().args["domain1"], "d")
            self.assertEqual(idle.request("get_domains")["domain1"], "d")
            half.send("\r\n")
            self.assertTrue(half.answer().ok)
            os.kill(new, signal.SIGHUP)
            wait_until(lambda: b"config: read again" in watcher.line(), what="the watcher is told")
            self.assertTrue(any("127.0.0.1 " in line for line in idle.admin("!recent")))
        end(new)

    def test_many_connections(self):
        self.tracker.start()
        old = self.tracker.pid
        clients = [self.client() for _ in range(400)]
        try:
            for client in clients:
                client.request("noop")
            self.take_over()
            wait_until(lambda: self.gone(old), 20, "the old one ends")
            for client in clients:
                client.request("noop")
        finally:
            for client in clients:
                client.close()

    def test_shutdown_on_a_kept_connection_ends_both(self):
        self.tracker.start()
        old = self.tracker.pid
        with self.client() as kept:
            kept.request("noop")
            new = self.take_over()
            kept.send("!shutdown\r\n")
            wait_until(lambda: self.gone(old) and self.gone(new), what="both end")
        self.assertFalse(port_open(self.tracker.address, self.tracker.port))


class Activation(HandoverTest):
    def start(self, sock):
        self.tracker.write_config()
        log = open(self.tracker.log_path, "wb")
        self.addCleanup(log.close)
        process = start_with_sockets("mogilefsd", [f"--config={self.tracker.config}"], [sock],
                                     {"NOTIFY_SOCKET": self.notify.path}, log)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)
        return process

    def test_socket_of_the_configured_address(self):
        with socket.socket() as sock:
            sock.bind((self.tracker.address, self.tracker.port))
            sock.listen(64)
            # Clients may come before the tracker does.
            with self.client() as early:
                early.send("noop\r\n")
                process = self.start(sock)
                self.assertTrue(early.answer().ok)
            process.terminate()
            self.assertEqual(process.wait(30), 0)
            # A restart: the socket stays, and nobody is refused.
            with self.client() as between:
                between.send("noop\r\n")
                process = self.start(sock)
                self.assertTrue(between.answer().ok)
            process.terminate()
            self.assertEqual(process.wait(30), 0)

    def test_a_port_alone(self):
        """As systemd opens ListenStream=7001: [::], for IPv4 too."""
        port = free_port("0.0.0.0")
        self.tracker.options["listen"] = f"0.0.0.0:{port}"
        with socket.socket(socket.AF_INET6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            sock.listen(64)
            process = self.start(sock)
            with Client("127.0.0.1", port) as c:
                c.request("noop")
                self.assertTrue(any("127.0.0.1 " in line for line in c.admin("!recent")), c.admin("!recent"))
            process.terminate()
            self.assertEqual(process.wait(30), 0)

    def test_a_socket_that_nobody_configured(self):
        with socket.socket() as sock:
            sock.bind((new_address(), 0))
            sock.listen(1)
            process = self.start(sock)
            wait_until(lambda: port_open(self.tracker.address, self.tracker.port))
            with self.client() as c:
                c.request("noop")
            with open(self.tracker.log_path) as f:
                self.assertIn("handed to us", f.read())
            process.terminate()
            self.assertEqual(process.wait(30), 0)

    def test_no_socket_at_all(self):
        with open(os.path.join(self.folder, "plain"), "w") as plain:
            process = self.start(plain)
            self.assertEqual(process.wait(30), 1)
            with open(self.tracker.log_path) as f:
                self.assertIn("LISTEN_FDS", f.read())


if __name__ == "__main__":
    unittest.main()
