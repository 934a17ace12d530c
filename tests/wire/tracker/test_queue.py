# SPDX-License-Identifier: MIT
"""Requests that wait, clients that go, log lines between answers, and what requests have cost."""
import socket
import struct
import threading
import unittest

from cluster import ClusterTest, wait_until


class Queue(ClusterTest):
    options = {"query_jobs": 1}

    def reset(self, client):
        """Close with a reset instead of an orderly end."""
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    def test_a_waiting_request_goes_with_its_client(self):
        busy, lost, patient = (self.cluster.client() for _ in range(3))
        self.addCleanup(busy.close)
        self.addCleanup(patient.close)
        busy.send("sleep duration=8\r\n")
        wait_until(lambda: self.client.stats()["processing_queries"] == "1")
        lost.send("get_hosts lost=1\r\n")
        patient.send("get_hosts patient=1\r\n")
        wait_until(lambda: len(self.client.admin("!queue")) == 2, what="two requests wait")
        self.reset(lost)
        wait_until(lambda: [line.split(" ", 1)[1] for line in self.client.admin("!queue")] == ["get_hosts patient=1"], 6,
                   "the lost client's request is dropped")
        self.assertEqual(self.client.stats()["pending_queries"], "1")
        self.assertTrue(busy.answer().ok)
        self.assertTrue(patient.answer().ok)
        self.assertFalse([line for line in self.client.admin("!recent") if "lost=1" in line])

    def test_a_request_whose_client_closed_in_order_is_done(self):
        with self.cluster.client() as busy:
            busy.send("sleep duration=1\r\n")
            wait_until(lambda: self.client.stats()["processing_queries"] == "1")
            with self.cluster.client() as gone:
                gone.send("get_hosts orderly=1\r\n")
            self.assertTrue(busy.answer().ok)
        wait_until(lambda: [line for line in self.client.admin("!recent") if "orderly=1" in line])

    def test_log_lines_do_not_hold_up_the_next_request(self):
        """A pushed line may be what empties the buffer of an answer; the lines behind it are served all the same."""
        watcher = self.cluster.client()
        self.addCleanup(watcher.close)
        self.assertEqual(watcher.admin("!watch"), ["Added you to watcher list."])
        stop = threading.Event()

        def make_noise():
            with self.cluster.client() as c:
                while not stop.is_set():
                    c.send("!to nobody x\r\n" * 10)
                    for _ in range(20):
                        c.line()
                    c.ask("test crash=1")
        noise = threading.Thread(target=make_noise)
        noise.start()
        self.addCleanup(noise.join)
        self.addCleanup(stop.set)
        n, key = 30, b"k" * 400000
        sender = threading.Thread(target=watcher.send, args=(
            b"".join(b"server_setting key=" + key + b"%d\r\n" % i for i in range(n)),))
        sender.start()
        self.addCleanup(sender.join)
        watcher.sock.settimeout(20)
        answers = 0
        while answers < n:
            line = watcher.line()
            self.assertIsNotNone(line)
            if not line.startswith(b":: "):
                self.assertTrue(line.startswith(b"OK key=" + key + b"%d&" % answers), "answers in order")
                answers += 1


class Costs(ClusterTest):
    def test_slow_requests(self):
        self.client.request("sleep", duration=1)
        for _ in range(60):
            self.client.request("noop")
        slow = self.client.admin("!slow")
        self.assertLessEqual(len(slow), 20)
        self.assertRegex(slow[0], r"^\S+ sleep duration=1 [01]\.\d{4} [01]\.\d{4}$")
        times = [float(line.rsplit(" ", 1)[1]) for line in slow]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertTrue(self.client.admin("!help", bare_lf=True)[-2].startswith("  !slow"))

    def test_counters_of_commands(self):
        def figures(command):
            stats = self.client.stats()
            return [int(stats.get(f"query_{command}_{what}", 0)) for what in ("count", "total_us", "max_us")]
        before = figures("get_hosts")
        for _ in range(3):
            self.client.request("get_hosts")
        self.client.call("no_such_command")
        count, total, highest = figures("get_hosts")
        self.assertEqual(count, before[0] + 3)
        self.assertGreaterEqual(total, highest)
        self.assertFalse([name for name in self.client.stats() if "no_such" in name])
        self.client.request("sleep", duration=1)
        self.assertGreaterEqual(figures("sleep")[2], 900000)

    def test_query_workers_told_to_end_are_replaced(self):
        before = self.client.jobs()["queryworker"]["pids"]
        with self.cluster.client() as watcher:
            watcher.admin("!watch")
            self.assertEqual(self.client.admin("!to queryworker :shutdown"), ["Message sent to 4 children."])
            while watcher.line() != b":: Job queryworker has only 0, wants 4, making 4.":
                pass
        wait_until(lambda: self.client.jobs()["queryworker"]["count"] == 4)
        self.assertFalse(set(before) & set(self.client.jobs()["queryworker"]["pids"]))
        self.client.request("noop")


class NoJobMaster(ClusterTest):
    options = {"job_master": 0, "reaper_jobs": 0}

    def test_classes_that_never_ran_are_not_shown(self):
        self.assertEqual(sorted(self.client.jobs()), ["monitor", "queryworker"])


if __name__ == "__main__":
    unittest.main()
