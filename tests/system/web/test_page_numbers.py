# SPDX-License-Identifier: MIT
"""The page about the cluster in a browser: a queue that grows and shrinks, and five hundred devices."""
import time
import unittest

from page_case import PageTest


class Queue(PageTest):
    options = {"job_master": 0}

    def test_a_queue_grows_and_shrinks(self):
        """Nobody works here."""
        self.open()
        length = "Number(document.querySelector('#queue-delete .big span').textContent)"
        self.until(f"{length} === 0 && document.querySelector('#queue-delete .curve').getAttribute('d') !== ''",
                   "the queue is empty, and has a curve")
        execute, later = self.cluster.database.execute, int(time.time()) + 5000
        execute("INSERT INTO file_to_delete2 (fid, nexttry) VALUES " + ",".join(f"({i + 1}, {later})" for i in range(40)))
        self.until(f"{length} === 40", "forty are seen")
        self.assertIn("peak 40", self.browser.text("#queue-delete"))
        execute("DELETE FROM file_to_delete2 WHERE fid > 3")
        self.until(f"{length} === 3", "three are left")
        label = self.browser.run("return document.querySelector('#queue-delete svg').getAttribute('aria-label')")
        self.assertIn("at most 40, now 3", label)
        self.assertEqual(self.complaints(), [])


class Many(PageTest):
    hosts, each = 25, 20

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        execute = cls.cluster.database.execute
        execute("INSERT INTO host (hostid, status, http_port, hostname, hostip) VALUES " + ",".join(
            f"({i}, 'down', 7500, '{'<b>host' if i == 1 else 'host'}{i}', '127.9.9.{i}')" for i in range(1, cls.hosts + 1)))
        execute("INSERT INTO device (devid, hostid, status, weight, mb_total, mb_used, mb_asof) VALUES " + ",".join(
            f"({i}, {(i - 1) // cls.each + 1}, 'alive', 100, 4000000, {i * 7000}, 1)"
            for i in range(1, cls.hosts * cls.each + 1)))
        with cls.cluster.client() as client:
            client.request("clear_cache")

    def test_five_hundred_devices(self):
        started = time.monotonic()
        self.open()
        self.until(f"document.querySelectorAll('.device').length === {self.hosts * self.each}", "all are shown")
        self.assertLess(time.monotonic() - started, 30)
        # A round that changes every device, as often as it takes to tell the page from the rest of the machine.
        took = self.browser.run("""
            return (async () => {
                const doc = await (await fetch('api/status')).json(), took = [];
                for (let i = 0; i < 9; i++) {
                    for (const d of doc.devices) d.mb_used = (d.mb_used + 123456) % d.mb_total;
                    const start = performance.now();
                    show(doc);
                    document.body.offsetHeight;
                    took.push(performance.now() - start);
                }
                return Math.min(...took);
            })()""")
        self.assertLess(took, 500)
        self.assertEqual(self.browser.run("return document.querySelector('.host h3').textContent"), "<b>host1")
        self.assertEqual(self.browser.run("return document.querySelectorAll('#hosts b').length"), 0)
        self.assertEqual(self.complaints(), [])

    def test_what_they_cost_the_tracker(self):
        for target in ("/api/status", "/metrics"):
            self.assertCheap(target)


if __name__ == "__main__":
    unittest.main()
