# SPDX-License-Identifier: MIT
"""A headless Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/) by what the standard library has."""
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from waiting import free_port, port_open, wait_until

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = unittest.skipUnless(CHROMIUM and CHROMEDRIVER,
                                     "there is no chromium (Debian packages chromium, chromium-driver)")
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars").split()
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window. A context manager; `flags` are Chromium's."""

    def __init__(self, width=1280, height=900, flags=()):
        self.folder = tempfile.mkdtemp(prefix="mogtest-browser-")
        self.process, self.session = None, None
        try:
            self.base = f"http://127.0.0.1:{free_port()}"
            port = int(self.base.rsplit(":", 1)[1])
            self.process = subprocess.Popen([CHROMEDRIVER, f"--port={port}", "--allowed-ips="], cwd=self.folder,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                            env={**os.environ, "HOME": self.folder, "TMPDIR": self.folder},
                                            start_new_session=True)
            wait_until(lambda: port_open("127.0.0.1", port), what="chromedriver listens")
            args = [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={self.folder}/profile", *flags]
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"binary": CHROMIUM, "args": args},
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = made["sessionId"]
        except BaseException:
            self.close()
            raise

    def call(self, method, path, body=None):
        """One command; what WebDriver calls its value. RuntimeError with what the driver says."""
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as e:
            value = json.load(e)["value"]
            raise RuntimeError(f"{value['error']}: {value['message']}") from None

    def do(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self.do("POST", "/url", {"url": url})

    def run(self, script, *args):
        """The value that `script` (the body of a function) returns."""
        return self.do("POST", "/execute/sync", {"script": script, "args": list(args)})

    def devtools(self, command, **params):
        return self.do("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def element(self, selector):
        return self.do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector):
        """What a reader sees there."""
        return self.do("GET", f"/element/{self.element(selector)}/text")

    def click(self, selector):
        self.do("POST", f"/element/{self.element(selector)}/click")

    def type(self, selector, text):
        self.do("POST", f"/element/{self.element(selector)}/value", {"text": text})

    def keys(self, *keys):
        """Press keys wherever the focus is."""
        actions = [{"type": t, "value": k} for k in keys for t in ("keyDown", "keyUp")]
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def messages(self):
        """What the console was told since the last time: errors of scripts, refusals by the policy."""
        return [entry["message"] for entry in self.do("POST", "/se/log", {"type": "browser"})]

    def screen(self, width, height, scale=1, dark=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                      mobile=width < 600)
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, whole=True):
        """A PNG of the window, or of the whole page."""
        taken = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as f:
            f.write(base64.b64decode(taken["data"]))

    def close(self):
        if self.session:
            try:
                self.do("DELETE", "")
            except (OSError, RuntimeError):
                pass
        if self.process:
            # The driver ends its browser; whatever it could not end is in its own session.
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
