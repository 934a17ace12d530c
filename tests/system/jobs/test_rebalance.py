# SPDX-License-Identifier: MIT
"""A rebalance moves files by its policy and its limits, and gives devices their state back."""
import unittest

from cluster import ClusterTest, http, wait_until


class Rebalance(ClusterTest):
    nodes = 3
    options = {"replicate_jobs": 3}

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1)
        self.keys = []

    def tearDown(self):
        self.client.call("rebalance_stop")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "")
        for key in self.client.keys(self.name):
            self.client.request("delete", domain=self.name, key=key)
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_delete2") == [["0"]])

    def fill(self, n):
        """n files on device 1 alone."""
        for devid in (2, 3):
            self.client.request("set_state", host=f"node{devid}", device=devid, state="readonly")
        for i in range(n):
            self.client.upload(self.name, f"k{i}", b"x" * 1000, class_="one")
        for devid in (2, 3):
            self.client.request("set_state", host=f"node{devid}", device=devid, state="alive")
        self.cluster.wait_writeable([1, 2, 3])
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_replicate") == [["0"]])

    def count(self, devid):
        return int(self.cluster.database.rows(f"SELECT COUNT(*) FROM file_on WHERE devid={devid}")[0][0])

    def status(self, devid):
        return self.cluster.database.rows(f"SELECT status FROM device WHERE devid={devid}")[0][0]

    def run_policy(self, policy):
        self.client.request("rebalance_set_policy", policy=policy)
        self.client.request("rebalance_start")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "", 60, "it has ended")
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2") == [["0"]], 60,
                   "all moves are done")
        return dict(p.split("=") for p in self.client.request("rebalance_status")["state"].split(" "))

    def test_a_device_is_emptied(self):
        self.fill(20)
        state = self.run_policy("from_devices=1 to_devices=2,3")
        self.assertEqual((self.count(1), self.count(2) + self.count(3)), (0, 20))
        self.assertEqual((state["fids_queued"], state["completed_devs"]), ("20", "1"))
        self.assertEqual(self.status(1), "alive")
        for i in range(20):
            urls = self.client.paths(self.name, f"k{i}")
            self.assertEqual(http("GET", urls[0])[2], b"x" * 1000)

    def test_limit_by_count(self):
        self.fill(10)
        state = self.run_policy("from_devices=1 to_devices=2 limit_by=count limit=4")
        self.assertEqual((self.count(1), self.count(2)), (6, 4))
        self.assertEqual(state["fids_queued"], "4")

    def test_global_limit_by_size(self):
        self.fill(10)
        self.run_policy("from_devices=1 to_devices=3 limit_type=global limit_by=size limit=3k")
        self.assertEqual((self.count(1), self.count(3)), (7, 3))

    def test_a_device_that_is_drained_stays_so(self):
        self.fill(5)
        self.client.request("set_state", host="node1", device=1, state="drain")
        self.run_policy("from_devices=1 to_devices=2")
        self.assertEqual((self.count(1), self.status(1)), (0, "drain"))
        self.client.request("set_state", host="node1", device=1, state="alive")

    def test_a_tracker_that_ended_just_after_it_drained(self):
        """It had noted the device's state, and drained it, but not that this is the source now."""
        self.fill(3)
        self.client.request("set_state", host="node1", device=1, state="drain")
        self.cluster.database.execute("INSERT INTO server_settings (field, value) VALUES ('rebal_sdev_status', '1:alive')")
        self.run_policy("from_devices=1 to_devices=2")
        self.assertEqual((self.count(1), self.status(1)), (0, "alive"))

    def test_stop_gives_the_device_back(self):
        self.fill(5)
        self.client.admin("!want 0 replicate")
        self.client.request("set_server_setting", key="queue_rate_for_rebal", value="1")
        self.client.request("clear_cache")
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2")
        self.client.request("rebalance_start")
        wait_until(lambda: self.status(1) == "drain")
        self.client.request("rebalance_stop")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "")
        self.assertEqual(self.status(1), "alive")
        self.client.request("set_server_setting", key="queue_rate_for_rebal", value="500")
        self.client.admin("!want 3 replicate")
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2") == [["0"]], 60)

    def test_what_the_operator_set_meanwhile_stays(self):
        self.fill(3)
        self.client.admin("!want 0 replicate")
        self.client.request("set_server_setting", key="queue_rate_for_rebal", value="1")
        self.client.request("clear_cache")
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2")
        self.client.request("rebalance_start")
        wait_until(lambda: self.status(1) == "drain")
        self.client.request("set_state", host="node1", device=1, state="readonly")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "", 60, "it has ended")
        self.assertEqual(self.status(1), "readonly")
        self.assertEqual(self.client.request("server_setting", key="rebal_sdev_status")["value"], "")
        self.client.request("set_state", host="node1", device=1, state="alive")
        self.client.request("set_server_setting", key="queue_rate_for_rebal", value="500")
        self.client.admin("!want 3 replicate")
        wait_until(lambda: self.cluster.database.rows("SELECT COUNT(*) FROM file_to_queue WHERE type=2") == [["0"]], 60)

    def test_a_source_that_is_not_to_be_written_to_is_left_alone(self):
        """Taken out of use by the operator after the rebalance began, before its turn came."""
        self.fill(3)
        self.client.request("set_state", host="node1", device=1, state="down")
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_devices=2")
        self.cluster.database.execute("INSERT INTO server_settings (field, value) VALUES "
                                      f"('rebal_state', 'completed_devs= source_devs=1 limit=0 time_started=1')")
        self.client.request("rebalance_start")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "", 60, "it has ended")
        self.assertEqual((self.count(1), self.status(1)), (3, "down"))
        self.assertIn("dev1 cannot be drained", self.cluster.tracker.log())
        self.client.request("set_state", host="node1", device=1, state="alive")
        self.cluster.wait_writeable([1])

    def test_without_destinations_it_stops(self):
        self.fill(2)
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_percent_free=99.9999")
        self.client.request("rebalance_start")
        wait_until(lambda: self.client.request("server_setting", key="rebal_host")["value"] == "")
        self.assertEqual((self.count(1), self.status(1)), (2, "alive"))

    def test_what_would_be_moved(self):
        self.client.request("rebalance_set_policy", policy="from_devices=1 to_hosts=2")
        self.assertEqual(self.client.request("rebalance_test"), {"sdevs": "1", "ddevs": "2"})


if __name__ == "__main__":
    unittest.main()
