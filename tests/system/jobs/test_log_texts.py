# SPDX-License-Identifier: MIT
"""What operators and their scripts look for in the log is worded as the original does."""
import unittest

from cluster import wait_until
from fake_cluster import FakeNodesTest


class LogTexts(FakeNodesTest):
    def expect(self, *texts):
        for text in texts:
            wait_until(lambda: text in self.cluster.tracker.log(), what=text)

    def url(self, n, path):
        return f"http://{self.fakes[n].address}:{self.fakes[n].port}{path}"

    def hang_up(self, handler):
        """Take the request, and close without an answer."""
        handler.body()
        handler.close_connection = True

    def test_sources(self):
        fid, here, _ = self.stored("two")
        unreachable = f"Fid {fid} unreachable while replicating: "
        failed = f"Failed copying fid {fid} from devid 1 to devid 2 (error type: src_error)"
        source = self.fakes[0]
        source.rule("GET", here, 500)
        self.want(1)
        self.expect(f"{unreachable}Error: Resource {self.url(0, here)} failed: HTTP 500", failed,
                    f"source_down: No devices available replicating {fid}")
        for rule, text in ((lambda h: h.reply(200, b"four"),
                            f"{unreachable}File {here} has unexpected content-length of 4, not 10"),
                           (self.hang_up,
                            f"{unreachable}Error: Resource {self.url(0, here)} failed to return an HTTP response")):
            source.rule("GET", here, rule)
            self.retry()
            self.expect(text)

    def test_destinations(self):
        fid, _, there = self.stored("two")
        failed = f"Failed copying fid {fid} from devid 1 to devid 2 (error type: dest_error)"
        self.fakes[1].rule("PUT", there, 507)
        self.want(1)
        self.expect(f"Got HTTP status code 507 PUTing to {self.url(1, there)}", failed,
                    f"policy_no_suggestions: replication policy ran out of suggestions for us replicating fid {fid}")
        self.fakes[1].rule("PUT", there, self.hang_up)
        self.retry()
        self.expect(f"Error: HTTP response line not recognized writing to {self.url(1, there)}")

    def test_deletions_and_checks(self):
        fid, here, _ = self.stored("one")
        self.fakes[0].rule("HEAD", here, 500)
        self.cluster.database.execute(f"INSERT INTO file_to_queue (fid, type, nexttry) VALUES ({fid}, 1, 0)")
        self.expect(f"Failed HEAD check for {self.url(0, here)} (500): ",
                    f"Connectivity problem reaching device 1 on host {self.fakes[0].address}")
        self.fakes[0].rule("DELETE", here, 503)
        self.client.request("delete", domain=self.name, key=self._testMethodName)
        self.expect(f"Error: unlink failure: {self.url(0, here)}: HTTP code 503")
        self.fakes[0].rules.clear()
        self.cluster.database.execute("UPDATE file_to_delete2 SET nexttry=0")
        self.cluster.database.execute("UPDATE file_to_queue SET nexttry=0")
        wait_until(lambda: self.on(fid) == [])

    def test_zones(self):
        for key, value in (("zone_here", "10.0.0.0/8"), ("zone_there", "10.0.0.0/8,127.1.0.0/16"),
                           ("network_zones", "here, there,nowhere")):
            self.client.request("set_server_setting", key=key, value=value)
        self.expect("couldn't find network_zone <<zone_nowhere>> check your server settings",
                    "duplicate netmask <10.0.0.0/8> in network zones. check your server settings")
        self.client.request("clear_cache")
        self.assertEqual(self.cluster.tracker.log().count("<<zone_nowhere>>"), 1, "said once")


if __name__ == "__main__":
    unittest.main()
