# SPDX-License-Identifier: MIT
"""A storage node's place is taken by another process: nothing is refused, nothing is lost."""
import os
import shutil
import signal
import socket
import tempfile
import unittest

from faults import Faults
from handover_case import Load, Notify, end, is_gone, read_pid, start_with_sockets
from storednode import StoredNode
from waiting import wait_until

REQUESTS = 10000


class HandoverTest(unittest.TestCase):
    extra = ()

    def setUp(self):
        self.node = StoredNode((1, 2))
        self.addCleanup(shutil.rmtree, self.node.folder, True)
        self.pidfile = os.path.join(self.node.folder, "pid")
        self.notify = Notify(self.node.folder)
        self.addCleanup(self.notify.close)
        self.node.args += [f"--pidfile={self.pidfile}", *self.extra]
        self.node.env = {**self.node.env, "NOTIFY_SOCKET": self.notify.path}
        self.addCleanup(self.end_all)

    def end_all(self):
        if self.node.running():
            self.node.kill()
        try:
            end(read_pid(self.pidfile))
        except FileNotFoundError:
            pass

    def take_over(self):
        old = read_pid(self.pidfile)
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: read_pid(self.pidfile) != old, what="the new process serves")
        return read_pid(self.pidfile)

    def gone(self, pid):
        if self.node.process is not None and pid == self.node.process.pid:
            return self.node.process.poll() is not None
        return is_gone(pid)


class SlowChild(HandoverTest):
    def test_connections_that_end_while_the_new_process_is_on_its_way(self):
        """Between fork and exec the child has a copy of every connection: those that end meanwhile must be forgotten."""
        folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, folder, True)
        faults = Faults(folder)
        self.node.env.update(faults.env)
        self.node.start()
        kept = [self.node.connect() for _ in range(50)]
        for connection in kept:
            self.assertEqual(connection.request("GET", "/").status, 200)
        faults.set("exec mogstored delay 2000")
        os.kill(self.node.pid, signal.SIGUSR2)
        wait_until(lambda: any(call.startswith("exec ") for call in faults.calls()), what="a child has been made")
        for connection in kept:
            self.assertEqual(connection.request("GET", "/", {"Connection": "close"}).status, 200)
        for connection in kept:  # they are still open in the child, so all of this comes in
            connection.send(b"GET /dev1/usage HTTP/1.1\r\n\r\n")
            connection.close()
        for _ in range(50):
            self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        self.assertTrue(self.node.running(), "it has ended")
        faults.set()
        old = self.node.pid
        wait_until(lambda: read_pid(self.pidfile) != old, what="the new process serves")
        wait_until(lambda: self.gone(old), what="the old one ends")
        self.assertEqual(self.node.process.returncode, 0)


class UnderLoad(HandoverTest):
    def test_no_request_is_refused_or_lost(self):
        self.node.start()
        old = self.node.pid
        kept = {}

        def ask(thread, method, path, body=None):
            """Two threads keep their connection as long as the server does; two come anew each time."""
            c = kept.pop(thread, None) or self.node.connect()
            answer = c.request(method, path, body=body)
            if thread < 2 and answer.headers.get("connection") != "close":
                kept[thread] = c
            else:
                c.close()
            return answer

        def work(thread, number):
            path = f"/dev{1 + number % 2}/0/000/{number // 1000:03}/{number // 3}.fid"
            data = b"%d" % (number // 3)
            if number % 3 == 0:
                assert ask(thread, "PUT", path, data * 500).status == 201
            elif number % 3 == 1:
                assert ask(thread, "GET", f"/dev{1 + number % 2}/usage").status == 200
            else:
                with self.node.side() as side:
                    side.send(f"size /dev1/missing{number}\r\n")
                    assert side.line() == f"/dev1/missing{number} -1\r\n"

        load = Load(REQUESTS, 4, work).start()
        load.wait_done(1000)
        new = self.take_over()
        self.assertLess(load.done, REQUESTS, "it came while requests ran")
        load.wait_done(min(load.done + 2000, REQUESTS))
        newest = self.take_over()
        self.assertLess(load.done, REQUESTS, "it came while requests ran")
        load.finish()
        for c in kept.values():
            c.close()
        self.assertEqual(load.errors, [])
        self.assertEqual(load.done, REQUESTS)
        wait_until(lambda: self.gone(old) and self.gone(new), what="the old ones end")
        self.assertEqual(self.node.process.returncode, 0)
        self.assertEqual(read_pid(self.pidfile), newest)
        self.assertFalse(os.path.exists(self.pidfile + ".oldbin"))
        for number in range(0, REQUESTS, 3):
            path = f"dev{1 + number % 2}/0/000/{number // 1000:03}/{number // 3}.fid"
            with open(os.path.join(self.node.docroot, path), "rb") as f:
                self.assertEqual(f.read(), b"%d" % (number // 3) * 500, path)


class Succession(HandoverTest):
    def test_what_has_begun_is_finished(self):
        """An upload and a download that last over the change, and an upload that is half done when the old one leaves."""
        self.node.start()
        old = self.node.pid
        big = os.urandom(1 << 20) * 32
        with open(os.path.join(self.node.docroot, "dev1", "big"), "wb") as f:
            f.write(big)
        with self.node.connect() as down, self.node.connect() as up, self.node.side() as watcher:
            watcher.send("watch\r\n")
            watcher.line()
            down.send("GET /dev1/big HTTP/1.1\r\nHost: x\r\n\r\n")
            down.until(b"\r\n\r\n")
            up.send("PUT /dev2/half HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + "a" * 100000)
            new = self.take_over()
            wait_until(lambda: os.path.exists(self.pidfile + ".oldbin"))
            self.assertEqual(read_pid(self.pidfile + ".oldbin"), old)
            self.assertFalse(self.gone(old))
            while watcher.fill():
                pass  # watchers are sent away: they come back to the new process
            self.assertEqual(down.exactly(len(big)), big)
            up.send("a" * 100000)
            answer = up.answer()
            self.assertEqual((answer.status, answer.headers.get("connection")), (201, "close"))
        wait_until(lambda: self.gone(old), what="the old one ends")
        self.assertFalse(os.path.exists(self.pidfile + ".oldbin"))
        self.assertEqual(os.path.getsize(os.path.join(self.node.docroot, "dev2", "half")), 200000)
        wait_until(lambda: f"MAINPID={new}" in self.notify.read())
        self.assertNotIn("STOPPING=1", self.notify.read(), "the service goes on")

    def test_a_new_process_that_fails_changes_nothing(self):
        config = os.path.join(self.node.folder, "mogstored.conf")
        with open(config, "w") as f:
            f.write("put_status = 200\n")
        self.node.args.remove("--skipconfig")
        self.node.args.append(f"--config={config}")
        self.node.start()
        old = self.node.pid
        with open(config, "w") as f:
            f.write("put_status = many\n")
        with self.node.connect() as c:
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: "going on as before" in self.node.log())
            self.assertEqual(read_pid(self.pidfile), old)
            self.assertFalse(os.path.exists(self.pidfile + ".oldbin"))
            self.assertEqual(c.request("PUT", "/dev1/x", body=b"x").status, 200)
        with open(config, "w") as f:
            f.write("put_status = 201\n")
        new = self.take_over()
        wait_until(lambda: self.gone(old))
        self.assertEqual(self.node.request("PUT", "/dev1/x", body=b"x").status, 201)
        self.assertEqual(read_pid(self.pidfile), new)

    def test_shutdown_told_to_the_old_one_ends_both(self):
        self.node.start()
        old = self.node.pid
        with self.node.side() as side:
            side.send("size /dev1/x\r\n")
            side.line()
            new = self.take_over()
            side.send("shutdown\r\n")
            wait_until(lambda: self.gone(old) and self.gone(new), what="both end")

    def test_shutdown_in_the_moment_in_which_the_new_one_serves(self):
        """Before the old one looks what has become of it."""
        self.node.start()
        self.node.wait_running()
        old = self.node.pid
        with self.node.side() as side:
            side.send("size /dev1/x\r\n")
            side.line()
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: self.node.log().count("Running.\n") == 2, what="the new process serves", pause=0.001)
            side.send("shutdown\r\n")
            new = read_pid(self.pidfile)
            wait_until(lambda: self.gone(old) and self.gone(new), what="both end")


class Activation(HandoverTest):
    def test_sockets_of_the_configured_addresses(self):
        with socket.socket() as http, socket.socket() as side:
            http.bind((self.node.address, self.node.port))
            side.bind((self.node.address, self.node.side_port))
            for sock in (http, side):
                sock.listen(64)
            for _ in range(2):  # a restart: the sockets stay, and nobody is refused
                with self.node.connect() as early, self.node.side() as early_side:
                    early.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    early_side.send("size /dev1/x\r\n")
                    process = start_with_sockets("mogstored", self.node.args, [side, http],
                                                 {"NOTIFY_SOCKET": self.notify.path})
                    try:
                        self.assertEqual(early.answer().status, 200)
                        self.assertEqual(early_side.line(), "/dev1/x -1\r\n")
                    finally:
                        process.terminate()
                        self.assertEqual(process.wait(30), 0)
            self.assertIn("READY=1", self.notify.read())


if __name__ == "__main__":
    unittest.main()
