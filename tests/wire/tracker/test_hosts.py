# SPDX-License-Identifier: MIT
"""create_host, update_host, delete_host, get_hosts."""
import unittest

from cluster import ClusterTest

NO_HOST = ("no_host", "No host provided")
UNKNOWN_STATE = ("unknown_state", "Invalid/unknown state")


class Hosts(ClusterTest):
    def setUp(self):
        super().setUp()
        for host in self.hosts():
            self.client.request("delete_host", host=host)

    def hosts(self):
        """get_hosts as {name: row}."""
        got = self.client.request("get_hosts")
        rows = [{k[len(f"host{i}_"):]: v for k, v in got.items() if k.startswith(f"host{i}_")}
                for i in range(1, int(got["hosts"]) + 1)]
        self.assertEqual(sum(map(len, rows)) + 1, len(got))
        return {row["hostname"]: row for row in rows}

    def test_none(self):
        self.client.send(b"get_hosts\r\n")
        self.assertEqual(self.client.line(), b"OK hosts=0")

    def test_create(self):
        answer = self.client.call("create_host", host="h1", ip="127.7.0.1", port=7500)
        self.assertOK(answer, hostid=1, hostname="h1")
        self.assertEqual(self.hosts()["h1"], {"hostid": "1", "status": "down", "hostname": "h1", "hostip": "127.7.0.1",
                                              "http_port": "7500", "http_get_port": "", "altip": "", "altmask": ""})

    def test_create_with_everything(self):
        self.client.request("create_host", host="h2", ip="127.7.0.2", port=7501, getport=7600, altip="127.8.0.2",
                            altmask="127.8.0.0/24", status="alive")
        self.assertEqual(self.hosts()["h2"], {"hostid": "1", "status": "alive", "hostname": "h2", "hostip": "127.7.0.2",
                                              "http_port": "7501", "http_get_port": "7600", "altip": "127.8.0.2",
                                              "altmask": "127.8.0.0/24"})

    def test_what_create_needs(self):
        self.assertERR(self.client.ask("create_host"), *NO_HOST)
        self.assertERR(self.client.ask("create_host host=0&ip=127.7.0.1&port=1"), *NO_HOST)
        self.assertERR(self.client.ask("create_host host=h1"), "no_ip", "IP required to create host")
        self.assertERR(self.client.ask("create_host host=h1&port=7500"), "no_ip", "IP required to create host")
        self.assertERR(self.client.ask("create_host host=h1&ip=127.7.0.1"), "no_port", "Port required to create host")
        self.assertERR(self.client.ask("create_host host=h1&ip=127.7.0.1&port=0"), "no_port",
                       "Port required to create host")
        self.assertERR(self.client.ask("create_host host=h1&ip=127.7.0.1&port=7500&status=flying"), *UNKNOWN_STATE)
        self.assertEqual(self.hosts(), {})

    def test_states(self):
        for i, state in enumerate(("alive", "dead", "down", "readonly")):
            self.client.request("create_host", host=f"s{i}", ip=f"127.7.1.{i + 1}", port=7500, status=state)
            self.assertEqual(self.hosts()[f"s{i}"]["status"], state)
        self.assertERR(self.client.ask("create_host host=s9&ip=127.7.1.9&port=7500&status=drain"), *UNKNOWN_STATE)

    def test_names_and_addresses_are_unique(self):
        self.client.request("create_host", host="a", ip="127.7.0.1", port=7500, altip="127.8.0.1",
                            altmask="127.8.0.0/24")
        self.assertERR(self.client.ask("create_host host=a&ip=127.7.0.2&port=7500"), "host_exists",
                       "That host already exists")
        self.assertERR(self.client.ask("create_host host=b&ip=127.7.0.1&port=7500"), "dup",
                       "Duplicate name/number used.")
        self.assertERR(self.client.ask("create_host host=b&ip=127.7.0.2&port=7500&altip=127.8.0.1"), "dup",
                       "Duplicate name/number used.")
        self.assertEqual(list(self.hosts()), ["a"], "a refused host leaves nothing behind")
        self.client.request("create_host", host="c", ip="127.7.0.3", port=7500)
        self.assertERR(self.client.ask("update_host host=c&ip=127.7.0.1"), "dup", "Duplicate name/number used.")
        self.assertERR(self.client.ask("update_host host=c&altip=127.8.0.1"), "dup", "Duplicate name/number used.")

    def test_update(self):
        self.client.request("create_host", host="u", ip="127.7.0.1", port=7500)
        self.assertOK(self.client.call("update_host", host="u", status="alive"), hostid=1, hostname="u")
        self.client.request("update_host", host="u", ip="127.7.0.9", port=7502, getport=7503, altip="127.8.0.9",
                            altmask="127.8.0.0/16")
        self.assertEqual(self.hosts()["u"], {"hostid": "1", "status": "alive", "hostname": "u", "hostip": "127.7.0.9",
                                             "http_port": "7502", "http_get_port": "7503", "altip": "127.8.0.9",
                                             "altmask": "127.8.0.0/16"})
        self.client.request("update_host", host="u", hostip="127.7.0.8", http_port="7504", http_get_port="7505")
        row = self.hosts()["u"]
        self.assertEqual((row["hostip"], row["http_port"], row["http_get_port"]), ("127.7.0.8", "7504", "7505"))

    def test_update_with_empty_values(self):
        for host, ip in (("u", "127.7.0.1"), ("v", "127.7.0.2")):
            self.client.request("create_host", host=host, ip=ip, port=7500, getport=7600, status="alive",
                                altip="127.8" + ip[5:], altmask="127.8.0.0/16")
            self.client.request("update_host", host=host, ip="", port="", status="", getport="", altip="", altmask="")
            row = self.hosts()[host]
            self.assertEqual((row["hostip"], row["http_port"], row["status"]), (ip, "7500", "alive"))
            self.assertEqual((row["http_get_port"], row["altip"], row["altmask"]), ("", "", ""))

    def test_update_of_nothing(self):
        self.client.request("create_host", host="u", ip="127.7.0.1", port=7500)
        before = self.hosts()
        self.assertOK(self.client.call("update_host", host="u"), hostid=1, hostname="u")
        self.assertEqual(self.hosts(), before)

    def test_what_update_refuses(self):
        self.client.request("create_host", host="u", ip="127.7.0.1", port=7500)
        self.assertERR(self.client.ask("update_host"), *NO_HOST)
        self.assertERR(self.client.ask("update_host host=absent&status=alive"), "host_not_found", "Host not found")
        self.assertERR(self.client.ask("update_host host=absent&status=bad"), "host_not_found", "Host not found")
        for odd in ("u%00", "%ff", "%c3"):
            self.assertERR(self.client.ask(f"update_host host={odd}&status=alive"), "host_not_found", "Host not found")
        self.assertERR(self.client.ask("update_host host=u&status=zombie"), *UNKNOWN_STATE)
        self.assertERR(self.client.ask("update_host host=u&status=drain"), *UNKNOWN_STATE)

    def test_delete(self):
        self.client.request("create_host", host="d", ip="127.7.0.1", port=7500)
        self.assertOK(self.client.call("delete_host", host="d"))
        for line in ("delete_host", "delete_host host=", "delete_host host=d", "delete_host host=%ff", "delete_host host=%00"):
            self.assertERR(self.client.ask(line), "unknown_host", "Host not found")

    def test_a_host_with_devices_stays(self):
        self.client.request("create_host", host="full", ip="127.7.0.1", port=7500)
        self.client.request("create_device", devid=71, hostname="full", state="dead")
        self.assertERR(self.client.ask("delete_host host=full"), "host_not_empty",
                       "Unable to delete host; it contains devices still")
        self.cluster.database.execute("DELETE FROM device")
        self.client.request("clear_cache")
        self.client.request("delete_host", host="full")

    def test_get_one(self):
        for i in (1, 2):
            self.client.request("create_host", host=f"g{i}", ip=f"127.7.0.{i}", port=7500)
        for wanted, names in (("2", ["g2"]), ("02", ["g2"]), ("77", []), ("", []), ("x", [])):
            got = self.client.request("get_hosts", hostid=wanted)
            self.assertEqual([v for k, v in got.items() if k.endswith("_hostname")], names, wanted)
            self.assertEqual(got["hosts"], str(len(names)))

    def test_what_does_not_fit_is_refused(self):
        self.assertERR(self.client.call("create_host", host="h" * 41, ip="127.7.0.1", port=7500), "failure",
                       "Operation failed")
        self.assertFalse(self.client.call("create_host", host="h", ip="127.127.127.1277", port=7500).ok)
        self.assertEqual(self.hosts(), {})


class HostsOnMariadb(Hosts):
    database = "mariadb"


class HostsOnPostgres(Hosts):
    database = "postgres"


if __name__ == "__main__":
    unittest.main()
