# SPDX-License-Identifier: MIT
"""The ! commands: exact lines, prefixes, worker counts, watching."""
import re
import unittest

from cluster import Cluster, ClusterTest, wait_until

JOBS = ["delete", "fsck", "job_master", "monitor", "queryworker", "reaper", "replicate"]
MAX_PID = 4194304


class Admin(ClusterTest):
    nodes = 1

    def raw(self, line):
        """The bytes of an answer up to and with its last line."""
        self.client.send(line)
        out = b""
        while not out.endswith(b".\r\n") or not (out == b".\r\n" or out.endswith(b"\n.\r\n")):
            out += self.client.file.readline()
        return out

    def test_version(self):
        self.assertRegex(self.raw(b"!version\r\n"), rb"^\d+\.\d+[^\r\n]*\r\n\.\r\n$")
        for line in (b"!version\n", b"!versionfoo\r\n", b"!version \r\n", b"!version x y\r\n"):
            self.assertEqual(self.raw(line), self.raw(b"!version\r\n"), line)

    def test_nothing_to_say_is_a_dot(self):
        self.assertEqual(self.raw(b"!queue\r\n"), b".\r\n")
        self.assertEqual(self.raw(b"!pending\r\n"), b".\r\n")

    def test_case_and_prefixes(self):
        help_ = self.client.admin("!help", bare_lf=True)
        self.assertEqual(help_[0], "Mogilefsd admin commands:")
        for line in ("!STATS", "!statsx", "!stat", "!Version", "!bogus", "!queries", "!replication", "!stop",
                     "!verify", "!x"):
            self.assertEqual(self.client.admin(line, bare_lf=True), help_, line)
        for line in ("!totally", "!to"):
            self.assertEqual(self.client.admin(line), ["ERROR: usage: !to <jobclass> <message>"], line)
        for line in ("!jobsx", "!jobs ", "!jobs"):
            self.assertEqual(self.client.admin(line)[0].split()[:2], ["delete", "count"], line)

    def test_stats(self):
        self.client.request("noop")
        names = [line.split(" ")[0] for line in self.client.admin("!stats")]
        self.assertEqual(names[:5], ["uptime", "pending_queries", "processing_queries", "bored_queryworkers", "queries"])
        self.assertEqual(names[4:], sorted(names[4:]))
        for line in self.client.admin("!stats"):
            self.assertRegex(line, r"^[a-z_0-9]+ \d+$")
        before = int(self.client.stats()["queries"])
        for _ in range(5):
            self.client.request("noop")
        self.assertEqual(int(self.client.stats()["queries"]), before + 5)
        self.assertEqual(self.client.stats()["pending_queries"], "0")

    def test_jobs(self):
        wait_until(lambda: sorted(self.client.jobs()) == JOBS, what="every class has run")
        lines = self.client.admin("!jobs")
        self.assertEqual([tuple(line.split(" ")[:2]) for line in lines],
                         [(job, field) for job in JOBS for field in ("count", "desired", "pids")])
        wait_until(lambda: all(j["count"] == j["desired"] for j in self.client.jobs().values()))
        jobs = self.client.jobs()
        self.assertEqual({j: jobs[j]["count"] for j in JOBS}, {
            "delete": 1, "fsck": 1, "job_master": 1, "monitor": 1, "queryworker": 4, "reaper": 1, "replicate": 2})
        every = [pid for job in jobs.values() for pid in job["pids"]]
        self.assertEqual(len(every), len(set(every)))
        self.assertGreater(min(every), MAX_PID, "no number may look like a process that one could kill")
        for job in jobs.values():
            self.assertEqual(len(job["pids"]), job["count"])
            self.assertEqual(job["pids"], sorted(job["pids"]))

    def test_want(self):
        for n in (5, 1, 4):
            self.assertEqual(self.client.admin(f"!want {n} queryworker"),
                             [f"Now desiring {n} children doing 'queryworker'."])
            self.assertEqual(self.client.jobs()["queryworker"]["desired"], n)
            wait_until(lambda n=n: self.client.jobs()["queryworker"]["count"] == n, what=f"{n} query workers")
            self.client.request("noop")

    def test_every_class_to_0_and_back(self):
        for job in JOBS:
            if job == "queryworker":
                continue
            wanted = self.client.jobs()[job]["desired"]
            self.client.admin(f"!want 0 {job}")
            wait_until(lambda j=job: self.client.jobs()[j]["count"] == 0, what=f"no {job}")
            self.assertIn(f"{job} pids ", self.client.admin("!jobs"))
            self.client.admin(f"!want {wanted} {job}")
            wait_until(lambda j=job, n=wanted: self.client.jobs()[j]["count"] == n, what=f"{wanted} {job}")
        wait_until(lambda: all(j["count"] == j["desired"] for j in self.client.jobs().values()), what="all run again")

    def test_what_want_refuses(self):
        usage = ["ERROR: usage: !want <count> <jobclass>"]
        for line in ("!want", "!want 3", "!want queryworker", "!want x queryworker", "!want queryworker 3"):
            self.assertEqual(self.client.admin(line), usage, line)
        self.assertEqual(self.client.admin("!want 3 nonsense"), [
            "ERROR: Invalid class 'nonsense'.  Valid classes: " + ", ".join(JOBS)])

    def test_limits_of_want(self):
        self.assertEqual(self.client.admin("!want 501 delete"), ["Now desiring 500 children doing 'delete'."])
        self.client.admin("!want 1 delete")
        for job in ("monitor", "job_master"):
            self.assertEqual(self.client.admin(f"!want 3 {job}"), [f"Now desiring 3 children doing '{job}'."])
            self.assertEqual(self.client.jobs()[job]["desired"], 1)
        wait_until(lambda: self.client.jobs()["delete"]["count"] == 1, what="one delete worker")

    def test_some_jobs_need_the_job_master(self):
        self.client.admin("!want 0 job_master")
        for job in ("delete", "fsck", "replicate"):
            wait_until(lambda j=job: self.client.jobs()[j]["count"] == 0, what=f"{job} ends with the job master")
        self.assertEqual(self.client.jobs()["reaper"]["count"], 1)
        self.client.admin("!want 1 job_master")
        for job in ("delete", "fsck", "replicate"):
            wait_until(lambda j=job: self.client.jobs()[j]["count"] > 0, what=f"{job} comes back")

    def test_to(self):
        wait_until(lambda: self.client.jobs()["queryworker"]["count"] == 4)
        self.assertEqual(self.client.admin("!to queryworker :wake_up"), ["Message sent to 4 children."])
        self.assertEqual(self.client.admin("!to nonsense :wake_up"), ["Message sent to 0 children."])
        self.assertEqual(self.client.admin("!to fsck :wake_up"), ["Message sent to 1 children."])
        self.assertEqual(self.client.admin("!to monitor :refresh_monitor"), ["Message sent to 1 children."])
        for line in ("!to", "!to queryworker"):
            self.assertEqual(self.client.admin(line), ["ERROR: usage: !to <jobclass> <message>"])

    def test_a_worker_told_to_end_is_replaced(self):
        with self.cluster.client() as watcher:
            self.assertEqual(watcher.admin("!watch"), ["Added you to watcher list."])
            before = self.client.jobs()["fsck"]["pids"]
            self.client.admin("!to fsck :shutdown")
            watcher.sock.settimeout(30)
            while watcher.line() != b":: Job fsck has only 0, wants 1, making 1.":
                pass
            wait_until(lambda: self.client.jobs()["fsck"]["pids"] not in ([], before), what="a new worker")

    def test_recent(self):
        self.client.send(b"noop  x=%41&secret=y\r\n")
        self.client.line()
        last = self.client.admin("!recent")[-1]
        ip = re.escape(self.client.sock.getsockname()[0])
        self.assertRegex(last, rf"^{ip} noop  x=%41&secret=y \d+\.\d{{4}} \d+\.\d{{4}}$")
        for i in range(60):
            self.client.request("noop", n=i)
        recent = self.client.admin("!recent")
        self.assertEqual(len(recent), 50)
        self.assertEqual([re.search(r"n=(\d+)", line).group(1) for line in recent], [str(i) for i in range(10, 60)])

    def test_watch(self):
        with self.cluster.client() as watcher:
            self.assertEqual(watcher.admin("!watch"), ["Added you to watcher list."])
            self.client.call("test", crash=1)
            watcher.sock.settimeout(30)
            line = watcher.line()
            self.assertTrue(line.startswith(b":: "), line)
        with self.cluster.client() as both:
            both.send(b"!watch\r\n!watch\r\n")
            lines = []
            while lines[-2:] != [b"Removed you from watcher list.", b"."]:
                lines.append(both.line())
            both.send(b"noop\r\n")
            self.assertEqual(both.line(), b"OK ")

    def test_answers_keep_their_order_at_a_watcher(self):
        with self.cluster.client() as watcher:
            watcher.admin("!watch")
            watcher.send("".join(f"test crash=1&callid={i}\r\nnoop callid=n{i}\r\n" for i in range(30)))
            got = []
            while len(got) < 60:
                line = watcher.line()
                if not line.startswith(b":: "):
                    got.append(line.rsplit(b" ", 1)[-1].replace(b"callid=", b"").decode())
            self.assertEqual(got, [x for i in range(30) for x in (str(i), f"n{i}")])


class BeforeTheFirstRound(unittest.TestCase):
    """Administration is answered at once; commands wait for the monitor, and are then answered."""

    def test_start(self):
        with Cluster(nodes=0) as cluster:
            tracker = cluster.tracker
            tracker.stop()
            tracker.start(wait=False)
            tracker.wait_listening(tracker.address, tracker.port)
            with tracker.client() as c:
                c.send(b"noop callid=early\r\n!version\r\n")
                self.assertEqual(c.line(), b"OK callid=early")
            with tracker.client() as c:
                self.assertRegex(c.admin("!version")[0], r"^\d")


if __name__ == "__main__":
    unittest.main()
