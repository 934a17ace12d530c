# SPDX-License-Identifier: MIT
"""When the HTTP listener is there, where, and when it says that the tracker serves."""
import json
import unittest

from cluster import Cluster, wait_until
from database import SERVER
from daemon import run
from waiting import free_port, port_open
from web_case import fetch, parse_metrics


class Start(unittest.TestCase):
    def test_off_by_default_and_loopback_without_an_address(self):
        port = free_port()
        with Cluster(nodes=0, options={"http_listen": port}) as cluster:
            wait_until(lambda: fetch("127.0.0.1", port, "/readyz").status == 200)
            self.assertFalse(port_open(cluster.tracker.address, port))
            self.assertEqual(parse_metrics(fetch("127.0.0.1", port, "/metrics").text)["mogilefsd_ready"], 1)

    def test_not_ready_without_its_database(self):
        port = free_port()
        with Cluster(SERVER, nodes=0, options={"http_listen": port}) as cluster:
            wait_until(lambda: fetch("127.0.0.1", port, "/readyz").status == 200)
            with cluster.client() as client:
                client.request("create_domain", domain="d")
            cluster.database.server.halt()
            wait_until(lambda: fetch("127.0.0.1", port, "/readyz").status == 503, what="it is seen to be gone")
            self.assertEqual(fetch("127.0.0.1", port, "/healthz").status, 200)
            self.assertEqual(parse_metrics(fetch("127.0.0.1", port, "/metrics").text)["mogilefsd_database_up"], 0)
            status = fetch("127.0.0.1", port, "/api/status")
            tracker = json.loads(status.body)["trackers"][0]
            self.assertEqual((status.status, tracker["ready"]), (200, False))
            self.assertTrue(tracker["not_ready"])
            why = fetch("127.0.0.1", port, "/api/why?domain=d&key=k")
            self.assertEqual((why.status, json.loads(why.body)["error"]), (503, "db"))
            cluster.database.server.start()
            wait_until(lambda: fetch("127.0.0.1", port, "/readyz").status == 200, what="it is back")

    def test_bad_values(self):
        for options in (["--http_gateway=maybe"], ["--http_gateway_cache_control=a\r\nX: y"]):
            done = run("mogilefsd", "--skipconfig", "--check-config", *options, check=None)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertIn(b"http_gateway", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main()
