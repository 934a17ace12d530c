# SPDX-License-Identifier: MIT
"""Allow lists: who may connect, and who may administer."""
import os
import re
import shutil
import signal
import tempfile
import unittest

from cluster import Client, Tracker, TrackerError, run, wait_until

NOT_ALLOWED = ("not_allowed", "Not allowed from this address")
OURS, THEIRS, ADMINS = "127.9.1.1", "127.9.2.1", "127.9.3.1"

# What changes the cluster, shows its settings, or is for testing.
FOR_ADMINS = """create_domain delete_domain create_class update_class delete_class create_host update_host delete_host
create_device set_state set_weight set_server_setting server_setting server_settings fsck_start fsck_stop fsck_reset
fsck_clearlog rebalance_set_policy rebalance_test rebalance_start rebalance_stop rebalance_reset replicate_now httpcopy
sleep test""".split()
FOR_ALL = """noop get_paths create_open create_close file_info file_debug delete rename updateclass list_keys list_fids
get_domains get_hosts get_devices clear_cache do_monitor_round fsck_getlog fsck_status rebalance_status""".split()


class Access(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, **options):
        self.tracker = Tracker(self.folder, {"state_dir": self.folder, **options})
        self.addCleanup(self.tracker.kill)
        self.tracker.start(wait=False)
        self.tracker.wait_listening(self.tracker.address, self.tracker.port)

    def from_(self, source):
        client = Client(self.tracker.address, self.tracker.port, source=source)
        self.addCleanup(client.close)
        return client

    def assertRefused(self, source):
        with self.assertRaises((AssertionError, OSError)):
            self.from_(source).request("noop")

    def assertERR(self, answer, code, text):
        self.assertEqual((answer.ok, answer.code, answer.text), (False, code, text), answer)

    def test_everybody_by_default(self):
        self.start()
        client = self.from_(THEIRS)
        client.request("create_domain", domain="d")
        self.assertIn("uptime", client.stats())
        self.assertIn("admin_allow is not set: every client that can connect may administer", self.tracker.log())
        self.tracker.stop()

    def test_who_may_connect(self):
        self.start(allow="127.9.1.0/24, 127.0.0.0/16")
        self.from_(OURS).request("noop")
        self.assertRefused(THEIRS)
        self.assertRefused(ADMINS)
        wait_until(lambda: f"client {THEIRS}: not in a network that may connect (allow)" in self.tracker.log())
        self.tracker.stop()

    def test_administrators_may_connect_too(self):
        self.start(allow="127.9.1.1", admin_allow="127.9.3.1")
        self.from_(ADMINS).request("create_domain", domain="d")
        self.from_(OURS).request("noop")
        self.assertRefused(THEIRS)
        self.tracker.stop()

    def test_every_command(self):
        self.start(admin_allow="127.9.3.0/24")
        client = self.from_(OURS)
        for command in FOR_ADMINS:
            self.assertERR(client.ask(command + " domain=d&callid=7"), *NOT_ALLOWED)
            self.assertEqual(client.ask(command.upper() + " callid=7").callid, "7")
        for command in FOR_ALL:
            self.assertNotEqual(client.ask(command).code, NOT_ALLOWED[0], command)
        with self.assertRaises(TrackerError):
            client.request("create_domain", domain="d")
        self.assertEqual(self.from_(ADMINS).request("get_domains")["domains"], "0")
        wait_until(lambda: f"client {OURS}: a command for administrators" in self.tracker.log())
        self.tracker.stop()

    def test_admin_console(self):
        self.start(admin_allow="127.9.3.0/24")
        client = self.from_(OURS)
        for command in ("!stats", "!jobs", "!want 0 delete", "!to delete :shutdown", "!recent", "!queue", "!watch",
                        "!version", "!shutdown", "!help", "!"):
            self.assertEqual(client.admin(command), ["ERROR: not allowed from this address"], command)
        client.request("noop")
        admin = self.from_(ADMINS)
        self.assertIn("uptime", admin.stats())
        self.assertEqual(admin.admin("!watch"), ["Added you to watcher list."])
        self.tracker.stop()

    def test_reload(self):
        """A new list holds for those who are connected, too."""
        self.start()
        client, other = self.from_(OURS), self.from_(THEIRS)
        client.request("noop")
        other.admin("!watch")
        self.tracker.options.update(allow="127.9.1.0/24,127.0.0.0/8", admin_allow="127.0.0.1")
        self.tracker.write_config()
        os.kill(self.tracker.pid, signal.SIGHUP)
        wait_until(lambda: client.call("create_domain", domain="d").code == "not_allowed", what="the list is in force")
        self.assertEqual(client.admin("!stats"), ["ERROR: not allowed from this address"])
        self.tracker.options.update(allow="127.9.1.0/24")
        self.tracker.write_config()
        os.kill(self.tracker.pid, signal.SIGHUP)
        wait_until(lambda: self.refused(THEIRS), what="the list is in force")
        client.request("noop")
        # A list that cannot be read changes nothing.
        self.tracker.options.update(allow="everybody")
        self.tracker.write_config()
        os.kill(self.tracker.pid, signal.SIGHUP)
        wait_until(lambda: re.search(r"everything stays as it is: .* line \d+: allow: ", self.tracker.log()))
        self.assertRefused(THEIRS)
        self.tracker.stop()

    def refused(self, source):
        try:
            self.from_(source).request("noop")
            return False
        except (AssertionError, OSError):
            return True

    def test_lists_that_are_none(self):
        root = ["--user=root"] if os.getuid() == 0 else []
        for key in ("allow", "admin_allow"):
            for text in ("10.0.0.0/33", "everybody", "10.0.0.1/", ",", "::1/129"):
                done = run("mogilefsd", "--skipconfig", "--check-config", f"--{key}={text}", *root, check=None)
                self.assertEqual(done.returncode, 1, text)
                self.assertIn(f"{key}", done.stderr.decode())
            run("mogilefsd", "--skipconfig", "--check-config", f"--{key}=10.0.0.0/8,::1,fd00::/8", *root)


if __name__ == "__main__":
    unittest.main()
