# SPDX-License-Identifier: MIT
"""The tracker's page in a browser."""
from browser import Browser, needs_chromium
from cluster import wait_until
from web_case import WebTest


@needs_chromium
class PageTest(WebTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.browser = Browser()
        except BaseException:
            cls.cluster.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        super().tearDownClass()

    def open(self, wait=True):
        self.browser.messages()
        self.browser.open(f"http://{self.address}:{self.port}/")
        if wait:
            self.until("!document.getElementById('main').hidden", "the page is filled")

    def until(self, expression, what):
        return wait_until(lambda: self.browser.run(f"return {expression}"), what=what, pause=0.2)

    def device(self, devid, part):
        """An expression for the text of a part of a device."""
        return (f"[...document.querySelectorAll('.device')].filter(e => e.querySelector('.name').textContent === "
                f"'dev{devid}').map(e => e.querySelector('{part}').textContent)[0]")

    def complaints(self):
        """Nothing is amiss by the browser's own account, but for requests that found nobody."""
        return [m for m in self.browser.messages() if "ERR_CONNECTION_REFUSED" not in m and "503" not in m]
