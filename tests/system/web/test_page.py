# SPDX-License-Identifier: MIT
"""The page about the cluster in a browser: what it shows as things happen, to all readers, and of hostile keys."""
import unittest

from cluster import wait_until
from page_case import PageTest

HOSTILE = "<img src=x onerror=window.ran=1><script>window.ran=1</script>\"'&\u202e"


class Page(PageTest):
    nodes = 2

    def test_a_device_goes_down_and_comes_back(self):
        self.open()
        self.until(self.device(2, ".share") + ".endsWith('%')", "dev2 is well")
        self.until("document.querySelector('#verdict').dataset.tone === 'good'", "all is well")
        self.assertEqual(self.browser.text("#verdict-title"), "All is well")
        node = self.cluster.nodes[1]
        node.stop()
        try:
            self.until(self.device(2, ".share") + " === 'unreachable' || "
                       "document.getElementById('host-2').parentElement.textContent.includes('unreachable')",
                       "dev2 or its host is shown as out of reach")
            self.until("document.querySelector('#verdict').dataset.tone === 'bad'", "something is to be looked at")
            self.assertIn("node2", self.browser.text("#problems"))
            self.assertEqual(self.browser.run("return document.title"), "(1) MogileFS")
            self.browser.click("#only")
            self.assertEqual(self.browser.run(
                "return [...document.querySelectorAll('.host')].filter(e => e.offsetParent).length"), 1)
        finally:
            node.start()
        self.until("document.querySelector('#verdict').dataset.tone === 'good'", "all is well again")
        self.assertEqual(self.browser.text("#hosts-empty"), "Nothing here needs attention.")
        self.browser.click("#only")
        self.assertEqual(self.complaints(), [])

    def test_the_answer_of_the_search_box(self):
        name = self.domain(two=2)
        self.client.upload(name, HOSTILE, b"x" * 1000, class_="two")
        wait_until(lambda: self.cluster.database.rows("SELECT fid FROM file_to_replicate") == [], what="it has its copies")
        self.open()
        # By keyboard alone: into the first field, on to the second, and off.
        self.browser.run("document.getElementById('domain').focus()")
        self.browser.keys(*name, "\ue004")
        self.browser.run("document.activeElement.value = arguments[0]", HOSTILE)
        self.browser.keys("\ue007")
        self.until("document.querySelectorAll('#answer tbody tr').length === 2", "two copies are shown")
        self.assertIn("2 are wanted: all is well", self.browser.text("#answer"))
        self.assertEqual(self.browser.run("return document.querySelector('#answer h3').textContent"), HOSTILE)
        self.assertEqual(self.browser.run("return document.querySelectorAll('#answer img, #answer script').length"), 0)
        self.assertIsNone(self.browser.run("return window.ran === undefined ? null : window.ran"))
        self.browser.run("document.getElementById('key').value = 'nothing'")
        self.browser.click("#why button")
        self.until("document.querySelector('#answer').textContent === 'There is no such file.'", "it is told so")
        self.assertEqual([m for m in self.complaints() if "404" not in m], [])

    def test_the_tracker_goes_away(self):
        self.open()
        self.assertEqual(self.browser.run("return document.getElementById('live').dataset.state"), "on")
        tracker = self.cluster.tracker
        tracker.stop()
        try:
            self.until("document.getElementById('gone').textContent.includes('does not answer')", "it is said plainly")
            self.assertEqual(self.browser.run("return document.getElementById('live').dataset.state"), "off")
            self.assertTrue(self.browser.run("return document.getElementById('main').classList.contains('stale')"))
        finally:
            tracker.start()
        self.until("document.getElementById('live').dataset.state === 'on'", "it goes on by itself")
        self.assertEqual(self.browser.text("#gone"), "")

    def test_for_all_readers(self):
        self.open()
        roles = self.browser.devtools("Accessibility.getFullAXTree")["nodes"]
        seen = {}
        for node in roles:
            if not node.get("ignored"):
                seen.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
        for role in ("banner", "main", "navigation", "contentinfo", "search"):
            self.assertEqual(len(seen.get(role, [])), 1, role)
        self.assertIn("Space used of dev1", seen["meter"])
        self.assertIn("I/O of dev2", seen["meter"])
        self.assertIn("Progress of the check", seen["progressIndicator"] if "progressIndicator" in seen
                      else seen.get("progressbar", []))
        for role in ("meter", "textbox", "button", "checkbox", "link", "image", "img"):
            self.assertNotIn("", seen.get(role, ["x"]), role)
        self.assertEqual(seen["heading"][0], "MogileFS")

    def test_contrast(self):
        """Each text against what is behind it: 4.5 to 1, in both colour schemes."""
        script = """
            const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
            const lum = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
            const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                if (rgb(c)[3] !== 0) return c; } return 'rgb(255,255,255)'; };
            const bad = [];
            for (const e of document.querySelectorAll('body *')) {
                if (!e.offsetParent || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
                const a = lum(getComputedStyle(e).color), b = lum(behind(e));
                const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
                if (ratio < 4.5) bad.push([e.className || e.tagName, e.textContent.slice(0, 30), ratio.toFixed(2)]);
            }
            return bad;"""
        self.addCleanup(self.browser.screen, 1280, 900)
        for dark in (False, True):
            self.browser.screen(1280, 900, dark=dark)
            self.open()
            self.assertEqual(self.browser.run(script), [], f"dark={dark}")

    def test_on_a_telephone(self):
        self.addCleanup(self.browser.screen, 1280, 900)
        self.browser.screen(390, 844)
        self.open()
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 390)


if __name__ == "__main__":
    unittest.main()
