# SPDX-License-Identifier: MIT
"""create_device, set_state, set_weight, get_devices, and what the monitor sees of real devices."""
import unittest

from cluster import ClusterTest, wait_until

BAD_PARAMS = ("bad_params", "Invalid parameters to command; please see documentation")
NO_DEVICE = ("no_device", "Device not found")
MISMATCH = ("host_mismatch", "The device specified doesn't belong to the host specified")


class Devices(ClusterTest):
    def setUp(self):
        super().setUp()
        self.cluster.database.execute("DELETE FROM device")
        self.cluster.database.execute("DELETE FROM host")
        self.client.request("clear_cache")
        self.client.request("create_host", host="h1", ip="127.7.0.1", port=7500)
        self.client.request("create_host", host="h2", ip="127.7.0.2", port=7500)

    def device(self, devid):
        return self.cluster.devices()[devid]

    def test_create(self):
        self.assertOK(self.client.call("create_device", devid=1, hostname="h1"))
        self.assertOK(self.client.call("create_device", devid=2, hostid=1, state="down"))
        self.assertOK(self.client.call("get_devices", devid=1), devices=1, dev1_devid=1, dev1_hostid=1,
                      dev1_status="alive", dev1_weight=100, dev1_mb_total="", dev1_mb_used="", dev1_mb_free="",
                      dev1_mb_asof="", dev1_observed_state="", dev1_utilization="", dev1_reject_bad_md5="")
        self.assertEqual(self.device(2)["status"], "down")

    def test_what_create_refuses(self):
        self.client.request("create_device", devid=1, hostname="h1")
        for args, code, text in (
                ("hostname=h1", "invalid_devid", None), ("devid=x&hostname=h1", "invalid_devid", None),
                ("devid=0&hostname=h1", "invalid_devid", None), ("devid=1x&hostname=h1", "invalid_devid", None),
                ("devid=-3&hostname=h1", "invalid_devid", None),
                ("devid=3", "bad_args", "No hostid/hostname parameter"),
                ("devid=3&hostname=absent", "unknown_host", "Host not found"),
                ("devid=3&hostid=99", "unknown_hostid", None), ("devid=3&hostid=40000", "unknown_hostid", None),
                ("devid=3&hostid=4294967295", "unknown_hostid", None),
                ("devid=3&hostid=4294967297", "unknown_hostid", None),
                ("devid=3&hostname=%ff%00", "unknown_host", "Host not found"),
                ("devid=3&hostname=h1&state=sleepy", "invalid_state", None),
                ("devid=x&state=sleepy", "invalid_state", None),
                ("devid=1&hostname=h2", "existing_devid", None)):
            self.assertERR(self.client.ask("create_device " + args), code, text)
        self.assertEqual(list(self.cluster.devices()), [1])

    def test_set_state(self):
        self.client.request("create_device", devid=1, hostname="h1")
        for state in ("down", "readonly", "drain", "dead", "down", "alive"):
            self.assertOK(self.client.call("set_state", host="h1", device=1, state=state))
            self.assertEqual(self.device(1)["status"], state)
        self.client.request("set_state", host="h1", device=1, state="dead")
        self.assertERR(self.client.call("set_state", host="h1", device=1, state="alive"), "state_too_high",
                       "Status cannot go from dead to alive; must use down")
        self.client.request("set_state", host="h1", device=1, state="readonly")
        self.client.request("set_state", host="h1", device=1, state="alive")

    def test_what_set_state_refuses(self):
        self.client.request("create_device", devid=1, hostname="h1")
        for args, error in (("host=h1&device=1", BAD_PARAMS), ("device=1&state=alive", BAD_PARAMS),
                            ("host=h1&state=alive", BAD_PARAMS), ("host=h1&device=x&state=alive", BAD_PARAMS),
                            ("host=h1&device=1&state=bogus", BAD_PARAMS), ("host=h1&device=55&state=alive", NO_DEVICE),
                            ("host=h1&device=1.5&state=dead", NO_DEVICE), ("host=h1&device=-1&state=dead", NO_DEVICE),
                            ("host=h1&device=1e99&state=dead", NO_DEVICE),
                            ("host=absent&device=55&state=alive", NO_DEVICE), ("host=h2&device=1&state=alive", MISMATCH)):
            self.assertERR(self.client.ask("set_state " + args), *error)
        self.assertEqual(self.device(1)["status"], "alive")
        for device in ("01", "1.0", "1x", "+1"):
            self.assertOK(self.client.call("set_state", host="h1", device=device, state="down"))

    def test_set_weight(self):
        self.client.request("create_device", devid=1, hostname="h1")
        for weight in (50, 0, 300, 100):
            self.assertOK(self.client.call("set_weight", host="h1", device=1, weight=weight))
            self.assertEqual(self.device(1)["weight"], str(weight))
        self.assertOK(self.client.call("set_weight", host="h1", device=1))
        self.assertEqual(self.device(1)["weight"], "0")
        for args, error in (("host=h1&device=1&weight=-1", BAD_PARAMS), ("device=1&weight=10", BAD_PARAMS),
                            ("host=h1&device=1&weight=1e999", BAD_PARAMS), ("host=h1&device=1&weight=-1e999", BAD_PARAMS),
                            ("host=h1&weight=10", BAD_PARAMS), ("host=h1&device=99&weight=10", NO_DEVICE),
                            ("host=h2&device=1&weight=10", MISMATCH)):
            self.assertERR(self.client.ask("set_weight " + args), *error)

    def test_get_one(self):
        for devid in (3, 12):
            self.client.request("create_device", devid=devid, hostname="h1")
        for wanted, ids in (("12", ["12"]), ("012", ["12"]), ("55", []), ("", []), ("x", [])):
            got = self.client.request("get_devices", devid=wanted)
            self.assertEqual([v for k, v in got.items() if k.endswith("_devid")], ids, wanted)
        self.assertEqual(list(self.cluster.devices()), [3, 12])

    def test_an_unknown_status_in_the_database_is_down(self):
        if self.cluster.database.kind != "sqlite":
            self.skipTest("the column has an enumerated type")
        self.client.request("create_device", devid=1, hostname="h1")
        self.cluster.database.execute("UPDATE device SET status = 'asleep'")
        self.client.request("clear_cache")
        self.assertEqual(self.client.request("get_devices")["devices"], "1")
        self.assertOK(self.client.call("set_state", host="h1", device=1, state="alive"))


class DevicesOnMariadb(Devices):
    database = "mariadb"


class DevicesOnPostgres(Devices):
    database = "postgres"


class Observed(ClusterTest):
    nodes, devices = 2, 2

    def test_everything_is_known_of_a_healthy_device(self):
        for devid in (1, 2, 3, 4):
            row = self.cluster.devices()[devid]
            self.assertEqual(row["observed_state"], "writeable", devid)
            total, used, free = (int(row[k]) for k in ("mb_total", "mb_used", "mb_free"))
            self.assertEqual(free, total - used)
            self.assertEqual(row["mb_asof"], "")
            self.assertIn(row["reject_bad_md5"], ("1", "0", ""))
            self.assertTrue(row["utilization"] == "" or float(row["utilization"]) >= 0, row)

    def test_a_lost_node(self):
        node = self.cluster.nodes[1]
        node.kill()
        for devid in node.devices:
            self.cluster.wait_observed(devid, "unreachable", "")
        self.cluster.wait_observed(1, "writeable")
        node.start()
        for devid in node.devices:
            self.cluster.wait_observed(devid, "writeable")

    def test_a_readonly_device_is_only_readable(self):
        self.client.request("set_state", host="node1", device=1, state="readonly")
        self.cluster.wait_observed(1, "readable")
        self.client.request("set_state", host="node1", device=1, state="alive")
        self.cluster.wait_observed(1, "writeable")

    def test_a_device_without_its_folder(self):
        self.client.request("create_device", devid=99, hostname="node1")
        self.cluster.wait_observed(99, "unreachable")
        self.cluster.wait_observed(1, "writeable")
        wait_until(lambda: self.cluster.devices()[2]["observed_state"] == "writeable")


if __name__ == "__main__":
    unittest.main()
