# SPDX-License-Identifier: MIT
"""Lines on the tracker's port: their ends, their order, their limits, and clients that come and go."""
import socket
import struct
import time
import unittest

from cluster import ClusterTest, wait_until

UNKNOWN = b"ERR unknown_command Unknown+server+command"


class Lines(ClusterTest):
    def test_no_greeting_and_exact_ok(self):
        self.client.sock.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            self.client.sock.recv(1)
        with self.cluster.client() as c:
            c.send(b"noop\r\n")
            self.assertEqual(c.sock.recv(100), b"OK \r\n")

    def test_line_ends_may_be_mixed(self):
        self.client.send(b"noop callid=1\nnoop callid=2\r\nnoop callid=3\n")
        self.assertEqual([self.client.line() for _ in range(3)],
                         [b"OK callid=1", b"OK callid=2", b"OK callid=3"])

    def test_empty_lines_are_ignored(self):
        self.client.send(b"\n\r\n\n\r\nnoop callid=1\r\n\r\n\nnoop callid=2\n")
        self.assertEqual([self.client.line() for _ in range(2)], [b"OK callid=1", b"OK callid=2"])

    def test_blank_lines_are_not_empty(self):
        self.client.send(b"  \r\n\t\n\r\r\nnoop\r\n")
        self.assertEqual([self.client.line() for _ in range(4)], [UNKNOWN, UNKNOWN, UNKNOWN, b"OK "])

    def test_one_carriage_return_is_stripped(self):
        self.client.send(b"clear_cache a=1\r\r\n")
        self.assertEqual(self.client.line(), b"OK a=1%0D")

    def test_partial_lines(self):
        for part in (b"no", b"op call", b"id=", b"5\r", b"\nnoop callid=6\n"):
            self.client.send(part)
            time.sleep(0.02)
        self.assertEqual(self.client.line(), b"OK callid=5")
        self.assertEqual(self.client.line(), b"OK callid=6")

    def test_two_bad_requests_in_one_packet_give_two_answers(self):
        self.client.send(b"list_keys domain=\r\nlist_keys domain=\r\n")
        self.client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.file.read(), b"ERR no_domain No+domain+provided\r\n" * 2)

    def test_pipelined_answers_keep_their_order(self):
        commands = ["sleep duration=1&callid=0"]
        commands += [("noop callid=%d", "get_domains callid=%d", "bogus callid=%d")[i % 3] % i for i in range(1, 300)]
        self.client.send("".join(c + "\r\n" for c in commands))
        for i in range(300):
            answer = self.client.answer()
            self.assertEqual(answer.args.get("callid") if answer.ok else answer.callid, str(i), answer)

    def test_a_line_that_comes_in_between_does_not_wait(self):
        """Nothing else happens in the tracker: nobody but this client's third line can make it look."""
        waits = []
        for _ in range(3):
            self.client.send(b"sleep duration=1\r\nget_domains\r\n")
            with self.cluster.client() as other:
                wait_until(lambda: other.stats()["processing_queries"] == "1", what="the first is in work")
            self.client.send(b"get_domains callid=3\r\n")
            for _ in range(2):
                self.assertTrue(self.client.answer().ok)
            begun = time.monotonic()
            self.assertEqual(self.client.answer().args["callid"], "3")
            waits.append(time.monotonic() - begun)
        self.assertLess(min(waits), 0.4, waits)

    def test_who_has_an_answer_finds_it_told(self):
        def counted():
            return next(int(line.split()[1]) for line in other.admin("!stats") if line.startswith("query_get_hosts_count"))

        self.client.ask("get_hosts")
        with self.cluster.client() as other:
            before = counted()
            for i in range(500):
                self.client.ask(f"get_hosts n={i}")
                self.assertEqual(other.admin("!recent")[-1].split()[1:3], ["get_hosts", f"n={i}"])
                self.assertEqual(other.stats()["processing_queries"], "0")
            self.assertEqual(counted(), before + 500)

    def test_admin_commands_keep_their_place(self):
        self.client.send(b"sleep duration=1&callid=1\r\n!version\r\nnoop callid=2\r\n!queue\r\nnoop callid=3\r\n")
        lines = [self.client.line() for _ in range(6)]
        self.assertEqual(lines[0], b"OK callid=1")
        self.assertEqual(lines[2:], [b".", b"OK callid=2", b".", b"OK callid=3"])

    def test_half_closed_client_gets_every_answer(self):
        self.client.send(b"sleep duration=1&callid=1\nnoop callid=2\nnoop callid=3\nnoop callid=4")
        self.client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.file.read(), b"OK callid=1\r\nOK callid=2\r\nOK callid=3\r\n")

    def test_what_was_sent_before_a_close_is_done(self):
        with self.cluster.client() as c:
            c.send("create_domain domain=close-1\r\ncreate_domain domain=close-2\r\n")
        for name in ("close-1", "close-2"):
            wait_until(lambda n=name: self.client.call("create_domain", domain=n).code == "domain_exists",
                       what=f"{name} was created")

    def test_an_unterminated_line_is_dropped(self):
        with self.cluster.client() as c:
            c.send(b"create_domain domain=unterminated")
        self.assertEqual(self.client.request("create_domain", domain="unterminated"), {"domain": "unterminated"})

    def test_a_reset_harms_nobody(self):
        for _ in range(20):
            with self.cluster.client() as c:
                c.send(b"noop\r\n" * 50)
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertEqual(self.client.ask("noop").raw, b"OK ")

    def test_many_connections(self):
        clients = [self.cluster.client() for _ in range(300)]
        try:
            for i, c in enumerate(clients):
                c.send(f"noop callid={i}\r\n")
            for i, c in enumerate(clients):
                self.assertEqual(c.line(), b"OK callid=%d" % i)
        finally:
            for c in clients:
                c.close()


class Limits(ClusterTest):
    def test_long_lines_up_to_a_mebibyte(self):
        for size in (64 * 1024, 512 * 1024, 1024 * 1024 - 64):
            self.client.send(b"noop callid=1&x=" + b"y" * (size - 20) + b"\r\n")
            self.assertEqual(self.client.line(), b"OK callid=1")

    def test_a_longer_line_closes_the_connection(self):
        try:
            for _ in range(5 * 1024):
                self.client.send(b"z" * 1024)
            self.assertIsNone(self.client.line())
        except (ConnectionError, BrokenPipeError):
            pass
        with self.cluster.client() as c:
            self.assertEqual(c.ask("noop").raw, b"OK ")

    def test_a_line_without_end_does_not_fill_the_memory(self):
        before = self.cluster.tracker.memory_kib()
        clients = [self.cluster.client() for _ in range(10)]
        for c in clients:
            try:
                for _ in range(8):
                    c.send(b"z" * (1024 * 1024))
            except (ConnectionError, BrokenPipeError):
                pass
        self.assertEqual(self.client.ask("noop").raw, b"OK ")
        self.assertLess(self.cluster.tracker.memory_kib() - before, 40 * 1024)
        for c in clients:
            c.close()

    def test_a_long_answer_is_one_line(self):
        long = "v" * 900_000
        self.assertEqual(self.client.call("clear_cache", a=long).args, {"a": long})

    def test_a_client_that_does_not_read_stops_being_read(self):
        """Neither its requests nor its answers pile up in the tracker, and others do not notice."""
        with self.cluster.client() as slow:
            slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sock.settimeout(1)
            line = b"clear_cache a=" + b"v" * 60_000 + b"\r\n"
            sent, data = 0, b""
            try:
                while sent < 64 * 1024 * 1024:
                    data = data or line * 10
                    n = slow.sock.send(data)
                    sent, data = sent + n, data[n:]
            except TimeoutError:
                pass
            self.assertLess(sent, 64 * 1024 * 1024, "the tracker went on reading")
            self.assertEqual(self.client.ask("noop").raw, b"OK ")
            self.assertLess(self.cluster.tracker.memory_kib(), 400 * 1024)


class Busy(ClusterTest):
    options = {"query_jobs": 1}

    def test_others_wait_for_the_only_worker(self):
        with self.cluster.client() as busy, self.cluster.client() as second:
            busy.send(b"sleep duration=2\r\n")
            wait_until(lambda: self.client.stats()["processing_queries"] == "1", what="sleep runs")
            second.send(b"get_hosts callid=waits\r\n")
            waiting = wait_until(lambda: self.client.admin("!queue"), what="a request waits")
            self.assertEqual(waiting, [f"{second.sock.getsockname()[0]} get_hosts callid=waits"])
            self.assertEqual(self.client.stats()["pending_queries"], "1")
            self.assertGreaterEqual(int(self.client.stats()["times_out_of_qworkers"]), 1)
            self.assertEqual(busy.line(), b"OK ")
            self.assertEqual(second.answer().callid or "waits", "waits")
        self.assertEqual(self.client.admin("!queue"), [])

    def test_no_worker_wanted(self):
        self.client.admin("!want 0 queryworker")
        wait_until(lambda: self.client.jobs()["queryworker"]["count"] == 0, what="no queryworker is left")
        with self.cluster.client() as c:
            c.send(b"noop callid=1\r\n")
            wait_until(lambda: len(self.client.admin("!pending")) == 1, what="the request waits")
            self.client.admin("!want 1 queryworker")
            self.assertEqual(c.line(), b"OK callid=1")


if __name__ == "__main__":
    unittest.main()
