# SPDX-License-Identifier: MIT
"""rebalance_set_policy, _test, _start, _status, _stop, _reset, and a small rebalance from end to end."""
import unittest

from cluster import ClusterTest, wait_until

STATE_KEYS = {"completed_devs", "source_devs", "sdev_current", "sdev_lastfid", "sdev_limit", "limit", "fids_queued",
              "bytes_queued", "time_started", "time_finished", "time_stopped", "time_latest_run",
              "time_latest_empty_run", "empty_runs"}


class Rebalance(ClusterTest):
    nodes = 3

    def setUp(self):
        super().setUp()
        self.cluster.database.execute("DELETE FROM server_settings WHERE field LIKE 'rebal_%'")

    def policy(self, text):
        return self.client.call("rebalance_set_policy", policy=text)

    def running(self):
        return bool(self.client.request("server_setting", key="rebal_host")["value"])

    def test_without_a_policy(self):
        for command in ("rebalance_start", "rebalance_test"):
            self.assertERR(self.client.call(command), "no_rebal_policy", "No rebalance policy available")
        self.assertERR(self.client.call("rebalance_status"), "no_rebal_state", "No available rebalance status")
        self.assertERR(self.client.call("rebalance_stop"), "rebal_not_started", "Rebalance not running")
        self.assertOK(self.client.call("rebalance_reset"))

    def test_policies(self):
        for good in ("from_devices=1 limit_by=none", "from_devices=1,2 to_devices=3", "from_hosts=1",
                     "from_percent_used=50 use_dest_devs=2 leave_in_drain_mode=1",
                     "from_devices=1 to_devices=2 limit_type=device limit_by=count limit=5",
                     "fid_age=new not_to_hosts=2 not_to_devices=3"):
            self.assertOK(self.policy(good))
            self.assertEqual(self.client.request("server_setting", key="rebal_policy")["value"], good)
        for bad in ("nonsense", "from_devices=1  limit_by=none", "nonsense=1", "from_devices=1 nonsense=2"):
            answer = self.policy(bad)
            self.assertEqual(answer.code, "bad_rebal_pol", (bad, answer))
        self.assertIn("nonsense", self.policy("nonsense=1").text)
        self.client.send(b"rebalance_set_policy policy=from_devices%3D1 limit_by%3Dnone\r\n")
        self.assertEqual(self.client.line(), b"OK ")
        self.assertOK(self.client.call("rebalance_set_policy"))
        self.assertEqual(self.client.request("server_setting", key="rebal_policy")["value"], "")

    def test_test(self):
        self.policy("from_devices=1 to_devices=2")
        self.assertOK(self.client.call("rebalance_test"), sdevs="1", ddevs="2")
        self.policy("from_devices=1")
        got = self.client.request("rebalance_test")
        self.assertEqual((got["sdevs"], sorted(got["ddevs"].split(","))), ("1", ["2", "3"]))
        self.policy("from_hosts=1,2 not_to_hosts=3")
        got = self.client.request("rebalance_test")
        self.assertEqual((sorted(got["sdevs"].split(",")), got["ddevs"]), (["1", "2"], ""))
        self.policy("from_percent_free=101")
        self.assertEqual(self.client.request("rebalance_test")["sdevs"], "")

    def test_from_end_to_end(self):
        name = self.domain(two=2)
        self.client.request("set_state", host="node3", device=3, state="readonly")
        try:
            for i in range(5):
                self.client.upload(name, f"k{i}", b"x" * (i + 1), "two")

            def on(*devids):
                return all(sorted(self.client.request("file_info", domain=name, key=f"k{i}", devices=1)["devids"]
                                  .split(",")) == list(devids) for i in range(5))
            wait_until(lambda: on("1", "2"), what="copies on 1 and 2")
            self.client.request("set_state", host="node3", device=3, state="alive")
            self.cluster.wait_writeable([3])
            self.policy("from_devices=1 to_devices=3")
            got = self.client.request("rebalance_start")
            self.assertEqual(list(got), ["state"])
            state = dict(pair.split("=", 1) for pair in got["state"].split())
            self.assertLessEqual(set(state), STATE_KEYS)
            self.assertEqual(state["source_devs"].strip(","), "1")
            self.assertGreater(int(state["time_started"]), 0)
            answer = self.client.call("rebalance_start")
            if not answer.ok:
                self.assertERR(answer, "rebal_running", "rebalance is already running")
            wait_until(lambda: on("2", "3"), what="all moved from 1 to 3")
            wait_until(lambda: not self.running(), what="the rebalance ends")
            state = dict(pair.split("=", 1) for pair in self.client.request("rebalance_status")["state"].split())
            self.assertLessEqual(set(state), STATE_KEYS)
            self.assertEqual((state["fids_queued"], state["bytes_queued"]), ("5", "15"))
            self.assertEqual(state["completed_devs"].strip(","), "1")
            wait_until(lambda: self.cluster.devices()[1]["status"] == "alive", what="the source is alive again")
            self.assertOK(self.client.call("rebalance_reset"))
            self.assertERR(self.client.call("rebalance_status"), "no_rebal_state", "No available rebalance status")
        finally:
            self.client.request("set_state", host="node3", device=3, state="alive")

    def test_while_it_runs(self):
        self.client.admin("!want 0 job_master")
        wait_until(lambda: self.client.jobs()["job_master"]["count"] == 0)
        try:
            self.policy("from_devices=1 to_devices=2")
            self.client.request("rebalance_start")
            self.assertERR(self.client.call("rebalance_start"), "rebal_running", "rebalance is already running")
            self.assertERR(self.policy("from_devices=2"), "no_set_rebal",
                           "cannot change rebalance policy while rebalance is running")
            self.assertERR(self.client.call("rebalance_reset"), "rebal_running", "rebalance is running")
            self.assertERR(self.client.call("fsck_start"), "rebal_running",
                           "rebalance running; cannot run fsck at same time")
            self.assertEqual(self.client.request("rebalance_test")["sdevs"], "1")
            self.assertOK(self.client.call("rebalance_stop"))
            self.assertEqual(self.client.request("server_setting", key="rebal_signal")["value"], "stop")
        finally:
            self.client.admin("!want 1 job_master")
        wait_until(lambda: not self.running(), what="the job master acts on the stop")
        self.assertERR(self.client.call("rebalance_stop"), "rebal_not_started", "Rebalance not running")
        self.assertOK(self.client.call("rebalance_reset"))


class RebalanceOnMariadb(Rebalance):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
