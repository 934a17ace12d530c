# SPDX-License-Identifier: MIT
"""mogadm against a scripted tracker: requests, output, help pages and exit status."""
import json
import os
import unittest

from adm_case import AdmCase as Case, devices, domains, hosts, settings
from daemon import run
from fake_tracker import CLOSE, ERR, FakeNode, FakeTracker, OK, tool_env
from waiting import free_port


class CommandLine(Case):
    def test_global_usage(self):
        for args in ([], ["--help"], ["bogus"], ["--bogus", "host", "list"]):
            done = self.adm(*args, check=1)
            self.assertIn(b"\n  mogadm check                     Check trackers", done.stdout)
            self.assertIn(b"\n  mogadm host ...\n         host add ...", done.stdout)
            self.assertIn(b"\n         fsck start                Start", done.stdout)
            self.assertTrue(done.stdout.endswith(b"\n\n"))
        self.assertEqual(self.tracker.requests, [])

    def test_topic_and_verb_help(self):
        for args in (["host"], ["host", "bogus"]):
            out = self.out(*args, check=1)
            self.assertTrue(out.startswith("Help for 'host' command:\n"), out)
            self.assertIn("\n  mogadm host mark <hostname> <status>               Change", out)
        for args, error in ((["host", "delete"], "Missing argument 'hostname'"),
                            (["host", "mark", "h"], "Missing argument 'status'"),
                            (["host", "add", "--ip=1.2.3.4"], "Unexpected option.  Expected argument 'hostname'"),
                            (["host", "delete", "a", "b"], "Unexpected extra argument."),
                            (["device", "next", "x"], "Unexpected arguments when expecting none."),
                            (["device", "add", "h", "x"], "devid should be numeric")):
            self.tracker.answers["get_hosts"] = hosts()
            out = self.out(*args, check=1)
            self.assertTrue(out.startswith(f"\nERROR: {error}\n\nHelp for '{args[0]}-{args[1]}' command:\n\n"), out)
        self.assertIn("      <hostname>           name of the host\n", self.out("host", "add", check=1))
        self.assertIn("      --ip=s               IP address", self.out("host", "add", check=1))

    def test_bad_options(self):
        self.assertIn(b"Unknown option: bogus", self.adm("host", "add", "h", "--bogus=1", check=1).stderr)
        self.assertIn(b'Value "x" invalid for option port (number expected)',
                      self.adm("host", "modify", "h", "--port=x", check=1).stderr)
        self.tracker.answers["get_devices"] = devices()
        self.tracker.answers["get_hosts"] = hosts()
        self.adm("device", "list", "--all", "junk")

    def test_stats_is_gone(self):
        self.assertEqual(self.adm("stats", check=1).stderr,
                         b"mogadm stats is deprecated by new 'mogstats' utility\n")

    def test_tracker_from_configuration(self):
        with open(os.path.join(self.folder, ".mogilefs.conf"), "w") as f:
            f.write(f"trackers = {self.tracker.hostport}\nverbose = 1\n")
        self.tracker.answers["create_domain"] = OK(domain="d")
        done = run("mogadm", "domain", "add", "d", check=0, env=tool_env(self.folder))
        self.assertEqual(done.stdout, b"Domain created.\n")

    def test_unreachable(self):
        done = self.adm("domain", "list", trackers=f"127.0.0.1:{free_port()}", check=1)
        self.assertTrue(done.stderr.endswith(b"Unable to retrieve domains from tracker(s).\n\n"))


class Host(Case):
    def test_list(self):
        self.tracker.answers["get_hosts"] = hosts(
            {"hostid": 10, "hostname": "hostb", "status": "down"},
            {"hostid": 2, "hostname": "hosta", "altip": "192.168.0.2", "altmask": "192.168.0.0/24",
             "http_get_port": 7600})
        self.assertEqual(self.out("host", "list"), """\
hosta [2]: alive
  IP:       127.0.0.1:7500
  Alt IP:   192.168.0.2
  Alt Mask: 192.168.0.0/24
  GET Port: 7600

hostb [10]: down
  IP:       127.0.0.1:7500

""")
        got = self.json("host", "list")
        self.assertEqual([(h["hostid"], h["hostname"], h["getport"]) for h in got],
                         [(2, "hosta", 7600), (10, "hostb", None)])

    def test_add(self):
        self.tracker.answers.update(get_hosts=hosts({"hostname": "old"}), create_host=OK(hostid=2, hostname="new"))
        self.adm("host", "add", "new", "--ip=10.0.0.1", "--altip=1.2.3.4", "--getport=7600")
        self.assertEqual(self.tracker.requests[1:], [
            ("create_host", {"host": "new", "ip": "10.0.0.1", "port": "7500", "status": "down", "altip": "1.2.3.4",
                             "getport": "7600"})])
        self.adm("host", "add", "localhost")
        self.assertEqual(self.tracker.args_of("create_host")[1]["ip"], "127.0.0.1")
        self.assertEqual(self.adm("host", "add", "old", check=1).stderr, b"Host already exists.\n\n")
        self.assertIn(b"mogadm host add <hostname> --ip=", self.adm("host", "add", "no..name", check=1).stderr)

    def test_changes(self):
        self.tracker.answers.update(update_host=OK(), delete_host=ERR("unknown_host", "Host not found"))
        self.assertEqual(self.out("host", "modify", "h", "--ip=1.1.1.1", "--altip="), "")
        self.assertEqual(self.out("host", "mark", "h", "down", globals_=["--verbose"]), "Host status updated.\n")
        self.assertEqual(self.tracker.requests, [("update_host", {"host": "h", "ip": "1.1.1.1", "altip": ""}),
                                                 ("update_host", {"host": "h", "status": "down"})])
        self.assertEqual(self.adm("host", "delete", "h", check=1).stderr,
                         b"Failure deleting host: unknown_host Host not found\n")


class Device(Case):
    def setUp(self):
        super().setUp()
        self.tracker.answers.update(
            get_hosts=hosts({"hostname": "hosta"}, {"hostname": "hostb"}),
            get_devices=devices({"devid": 10, "status": "drain", "weight": 5, "mb_total": 100, "mb_used": 50},
                                {"devid": 1, "mb_total": 953869, "mb_used": 123455},
                                {"devid": 2, "hostid": 2, "status": "dead"}))

    def test_list(self):
        self.assertEqual(self.out("device", "list"), """\
hosta [1]: alive
                    used(G)    free(G)   total(G)  weight(%)
   dev1:   alive    120.562    810.951    931.513        100
  dev10:   drain      0.049      0.049      0.098          5

hostb [2]: alive
                    used(G)    free(G)   total(G)  weight(%)

""")
        self.assertIn("dev2:    dead      0.000      0.000      0.000        100\n", self.out("device", "list", "--all"))
        self.assertNotIn("hosta", self.out("device", "list", "--hostname=hostb"))
        self.adm("device", "list", "--hostname=nobody", check=1)
        self.assertEqual([d["devid"] for d in self.json("device", "list")], [1, 10])

    def test_summary(self):
        self.assertEqual(self.out("device", "summary"), """\
Hostname        HostID  Status   used(G)  free(G) total(G)    %Used
hosta           [   1]:  alive   120.610  811.000  931.610    12.95
hostb           [   2]:  alive     0.000    0.000    0.000 \n""")
        self.assertIn("   0.049    0.049    0.098    50.00\n", self.out("device", "summary", "--status=drain"))
        self.assertEqual(self.json("device", "summary")[0]["devices"], 2)

    def test_next(self):
        self.assertEqual(self.out("device", "next"), "11\n")
        self.tracker.answers["get_devices"] = devices()
        self.assertEqual(self.out("device", "next"), "1\n")

    def test_changes(self):
        self.tracker.answers.update(create_device=OK(), set_state=OK(), set_weight=OK())
        self.adm("device", "add", "hosta", "dev5")
        self.adm("device", "mark", "hosta", "5", "down")
        self.assertTrue(self.out("device", "mark", "hosta", "5", "drain").startswith("***NOTE***: As of server "))
        self.adm("device", "modify", "hosta", "dev5", "--status=alive", "--weight=0")
        self.adm("device", "modify", "hosta", "dev5")
        self.assertEqual(self.tracker.requests[1:], [
            ("create_device", {"hostname": "hosta", "devid": "5", "state": "alive"}),
            ("set_state", {"host": "hosta", "device": "5", "state": "down"}),
            ("set_state", {"host": "hosta", "device": "5", "state": "drain"}),
            ("set_state", {"host": "hosta", "device": "5", "state": "alive"}),
            ("set_weight", {"host": "hosta", "device": "5", "weight": "0"})])
        self.tracker.answers["set_state"] = ERR("state_too_high", "Status cannot go from dead to alive; must use down")
        self.assertEqual(self.adm("device", "mark", "hosta", "5", "alive", check=1).stderr,
                         b"Error updating device: state_too_high Status cannot go from dead to alive; must use down\n")


class Domain(Case):
    def test_list(self):
        self.tracker.answers["get_domains"] = domains(zdom={"default": {}}, adom={"two": {"mindevcount": 3},
                                                                                   "one": {"hashtype": "MD5"}})
        text = (" domain               class                mindevcount   replpolicy   hashtype\n"
                "-------------------- -------------------- ------------- ------------ -------\n"
                " adom                 one                       2        MultipleHosts() MD5    \n"
                " adom                 two                       3        MultipleHosts() NONE   \n"
                "\n"
                " zdom                 default                   2        MultipleHosts() NONE   \n"
                "\n")
        self.assertEqual(self.out("domain", "list"), text)
        self.assertEqual(self.out("class", "list"), text)
        self.assertEqual(self.json("domain", "list")[1], {"domain": "zdom", "classes": [
            {"class": "default", "mindevcount": 2, "replpolicy": "MultipleHosts()", "hashtype": "NONE"}]})

    def test_changes(self):
        self.tracker.answers.update(create_domain=OK(domain="d"),
                                    delete_domain=ERR("domain_has_files", "Domain still has files, unable to delete"))
        self.adm("domain", "add", "d")
        self.assertEqual(self.adm("domain", "delete", "d", check=1).stderr,
                         b"Error deleting domain: domain_has_files Domain still has files, unable to delete\n")

    def test_classes(self):
        self.tracker.answers.update(create_class=OK(), update_class=OK(), delete_class=OK(),
                                    get_domains=domains(d={"default": {}, "c": {"mindevcount": 3}}))
        self.adm("class", "add", "d", "c")
        self.adm("class", "add", "d", "c", "--mindevcount=5", "--replpolicy=MultipleHosts(3)", "--hashtype=MD5")
        self.adm("class", "delete", "d", "c")
        self.assertEqual(self.tracker.requests, [
            ("create_class", {"domain": "d", "class": "c", "mindevcount": "2", "replpolicy": ""}),
            ("create_class", {"domain": "d", "class": "c", "mindevcount": "5", "replpolicy": "MultipleHosts(3)",
                              "hashtype": "MD5"}),
            ("delete_class", {"domain": "d", "class": "c"})])

    def test_modify_changes_nothing_else(self):
        self.tracker.answers.update(update_class=OK(), get_domains=domains(d={"c": {"mindevcount": 3}}))
        self.adm("class", "modify", "d", "c", "--hashtype=MD5")
        self.adm("class", "modify", "d", "c", "--mindevcount=4")
        self.assertEqual(self.tracker.args_of("update_class"), [
            {"domain": "d", "class": "c", "mindevcount": "3", "hashtype": "MD5"},
            {"domain": "d", "class": "c", "mindevcount": "4"}])
        self.assertIn(b"class_not_found", self.adm("class", "modify", "d", "x", "--hashtype=MD5", check=1).stderr)
        self.assertIn(b"domain_not_found", self.adm("class", "modify", "x", "c", "--hashtype=MD5", check=1).stderr)


class Settings(Case):
    def test_list(self):
        self.tracker.answers["server_settings"] = settings(schema_version=17, memcache_ttl=5, rebal_policy="p")
        self.assertEqual(self.out("settings", "list"), "             memcache_ttl = 5\n"
                                                       "           schema_version = 17\n")
        self.assertEqual(self.json("settings", "list"), {"memcache_ttl": "5", "schema_version": "17"})
        everything = self.out("settings", "list", "--all")
        self.assertIn("     queue_rate_for_fsck = 1000 ", everything)
        self.assertIn("   slave_connect_timeout = 1 ", everything)
        self.assertIn("slave_dead_retry_timeout = 15 ", everything)
        self.tracker.answers["server_settings"] = CLOSE
        self.assertTrue(self.adm("settings", "list", check=1).stderr.endswith(b"can't get settings\n\n"))

    def test_unset_fsck_checksum(self):
        # A tracker takes no value as a bad one here.
        self.tracker.answers["set_server_setting"] = lambda args: OK() if args.get("value") == "class" else \
            ERR("invalid_format", "Not a valid checksum algorithm")
        self.adm("settings", "unset", "fsck_checksum")

    def test_set(self):
        self.tracker.answers["set_server_setting"] = [OK(), OK(), OK(), ERR("not_writable")]
        self.adm("settings", "set", "memcache_ttl", "5")
        self.adm("settings", "set", "memcache_servers", "")
        self.adm("settings", "unset", "memcache_servers")
        self.assertEqual(self.adm("settings", "set", "x", "5", check=1).stderr, b"not_writable not_writable\n")
        self.assertEqual(self.tracker.args_of("set_server_setting")[:3], [
            {"key": "memcache_ttl", "value": "5"}, {"key": "memcache_servers", "value": ""},
            {"key": "memcache_servers"}])


class Slave(Case):
    def setUp(self):
        super().setUp()
        self.stored = {}

        def get(args):
            return OK(key=args["key"], value=self.stored.get(args["key"], ""))

        def put(args):
            if args.get("value"):
                self.stored[args["key"]] = args["value"]
            else:
                self.stored.pop(args["key"], None)
            return OK()
        self.tracker.answers.update(server_setting=get, set_server_setting=put)

    def test_life(self):
        self.assertEqual(self.out("slave", "list"), "")
        self.adm("slave", "add", "b", "--dsn=DBI:mysql:m:host=2", "--username=u", "--password=p")
        self.adm("slave", "add", "a", "--dsn=DBI:mysql:m:host=1")
        self.assertEqual(self.stored, {"slave_keys": "b,a", "slave_b": "DBI:mysql:m:host=2|u|p",
                                       "slave_a": "DBI:mysql:m:host=1||"})
        self.assertEqual(self.out("slave", "list"),
                         "a --dsn=DBI:mysql:m:host=1 --username= --password=\n"
                         "b --dsn=DBI:mysql:m:host=2 --username=u --password=p\n")
        self.assertEqual(self.json("slave", "list")[1], {"key": "b", "dsn": "DBI:mysql:m:host=2", "username": "u",
                                                         "password": "p"})
        server_setting = self.tracker.answers["server_setting"]
        self.tracker.answers["server_setting"] = lambda args: ERR("failure") if args["key"] == "slave_b" else \
            server_setting(args)
        self.assertEqual(self.adm("slave", "list", "--json", check=1).stdout, b"")
        self.tracker.answers["server_setting"] = server_setting
        self.assertTrue(self.adm("slave", "add", "a", check=1).stderr.startswith(b"Slave failed to be added"))
        self.adm("slave", "modify", "b", "--dsn=x")
        self.assertEqual(self.stored["slave_b"], "x||")
        self.adm("slave", "modify", "c", "--dsn=x", check=1)
        self.adm("slave", "delete", "b")
        self.assertEqual(self.stored, {"slave_keys": "a", "slave_a": "DBI:mysql:m:host=1||"})
        self.assertNotIn("value", self.tracker.args_of("set_server_setting")[-2])
        self.assertTrue(self.adm("slave", "delete", "b", check=1).stderr.startswith(b"Slave delete failed"))

    def test_what_the_settings_cannot_hold(self):
        for args in (["a,b"], ["a=5"], ["a b"], [""], ["a", "--password=x|y"], ["a", "--dsn=x|y"], ["a", "--username=|"]):
            done = self.adm("slave", "add", *args, check=1)
            self.assertRegex(done.stderr, rb"\ASlave failed to be added\n[^\n]+ of a slave [^\n]+\.\n\Z")
        self.adm("slave", "add", "a")
        self.adm("slave", "modify", "a", "--password=x|y", check=1)
        self.assertEqual(self.stored, {"slave_keys": "a", "slave_a": "||"})

    def test_weights_are_kept(self):
        self.stored.update(slave_keys="a=1, b=5,c")
        self.adm("slave", "add", "d")
        self.assertEqual(self.stored["slave_keys"], "a,b=5,c,d")


class Fsck(Case):
    status = OK(running=1, host="t1", max_fid_checked=5000, policy_only=0, end_fid=20000, start_time=1000,
                stop_time=0, current_time=1100, max_logid=30, num_MISS=3)

    def test_status(self):
        self.tracker.answers.update(fsck_status=self.status, server_setting=OK(key="fsck_start_fid", value="0"))
        self.assertEqual(self.out("fsck", "status"), """
    Running: Yes (on t1)
     Status: 5000 / 20000 (25.00%)
       Time: 1m (50 fids/s; 5m remain)
 Check Type: Normal (check policy + files)

 [num_MISS]: 3

""")
        self.tracker.answers["server_setting"] = OK(key="fsck_start_fid", value="4000")
        got = self.json("fsck", "status")
        self.assertEqual((got["fids_per_s"], got["remaining_s"], got["events"]), (10, 1500, {"MISS": 3}))
        self.tracker.answers["fsck_status"] = OK(running=0, host="", max_fid_checked=0, policy_only=1, end_fid=0,
                                                 start_time=0, stop_time=0, current_time=5, max_logid=0)
        out = self.out("fsck", "status")
        self.assertIn("    Running: No\n     Status: 0 / 0 (0.00%)\n       Time: 0s (0 fids/s; 0s remain)\n", out)
        self.assertIn("Repl policy only (skip file checks)", out)
        self.tracker.answers["fsck_status"] = ERR("failure")
        self.assertTrue(self.adm("fsck", "status", check=1).stderr.endswith(b"can't get fsck status\n\n"))

    def test_commands(self):
        self.tracker.answers.update(fsck_start=ERR("fsck_running", "fsck is already running"), fsck_stop=OK(),
                                    fsck_reset=OK(), fsck_clearlog=OK())
        self.assertEqual(self.adm("fsck", "start", check=1).stderr, b"fsck_running fsck is already running\n")
        self.assertEqual(self.out("fsck", "stop", globals_=["--verbose"]), "fsck stopped\n")
        self.adm("fsck", "reset", "--policy-only", "--startpos=7")
        self.adm("fsck", "reset")
        self.adm("fsck", "clearlog")
        self.assertEqual(self.tracker.args_of("fsck_reset"), [{"policy_only": "1", "startpos": "7"}, {}])

    def test_log(self):
        rows = [(i, 1700000000 + i, i * 10, "MISS" if i % 2 else "POVI", i if i % 2 else None) for i in range(1, 251)]

        def getlog(args):
            page = [r for r in rows if r[0] > int(args["after_logid"])][:100]
            out = OK(row_count=len(page))
            for n, (logid, utime, fid, code, devid) in enumerate(page, 1):
                out.update({f"row_{n}_logid": logid, f"row_{n}_utime": utime, f"row_{n}_fid": fid,
                            f"row_{n}_evcode": code, **({f"row_{n}_devid": devid} if devid else {})})
            return out
        self.tracker.answers["fsck_getlog"] = getlog
        lines = self.out("fsck", "printlog").splitlines()
        self.assertEqual(len(lines), 251)
        self.assertEqual(lines[0], "unixtime             event           fid      devid")
        self.assertEqual(lines[1], "1700000001            MISS            10          1")
        self.assertEqual(lines[2], "1700000002            POVI            20          -")
        self.assertEqual([a["after_logid"] for a in self.tracker.args_of("fsck_getlog")], ["0", "100", "200", "250"])
        self.assertEqual(len(self.out("fsck", "printlog", "--event=POVI").splitlines()), 126)
        row = {"unixtime": 1700000002, "event": "POVI", "fid": 20, "devid": None}
        self.assertEqual(self.json("fsck", "printlog", "--fid=20"), [row])

        def getlog_once(args):
            return getlog(args) if args["after_logid"] == "0" else ERR("failure")
        self.tracker.answers.update(fsck_getlog=getlog_once, fsck_status=OK(max_logid=20))
        done = self.adm("fsck", "taillog", "--json", "--fid=20", check=1)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], [row])
        done = self.adm("fsck", "printlog", "--json", check=1)
        self.assertEqual(done.stdout, b"", "a part would look like the whole")


class Rebalance(Case):
    def test_policy(self):
        self.tracker.answers.update(rebalance_set_policy=OK(), rebalance_start=OK(state="x"), rebalance_stop=OK(),
                                    rebalance_reset=OK())
        self.adm("rebalance", "policy", "--options=from_devices=1 limit_by=none")
        self.adm("rebalance", "policy")
        self.assertEqual(self.tracker.args_of("rebalance_set_policy"), [{"policy": "from_devices=1 limit_by=none"},
                                                                        {}])
        for verb, text in (("start", "started"), ("stop", "stopped"), ("reset", "reset")):
            self.assertEqual(self.out("rebalance", verb, globals_=["--verbose"]), f"rebalance {text}\n")

    def test_settings_and_status(self):
        self.tracker.answers.update(
            server_settings=settings(rebal_policy="from_devices=1", rebal_host="t1", rebal_state="x", memcache_ttl=1),
            rebalance_status=[OK(state="fids_queued=5 completed_devs= sdev_current=1"),
                              OK(state="fids_queued=5"), ERR("no_rebal_state", "No available rebalance status")])
        self.assertEqual(self.out("rebalance", "settings"), "               rebal_host = t1\n"
                                                            "             rebal_policy = from_devices=1\n")
        self.assertEqual(self.out("rebalance", "status"), """\
Rebalance is running
Rebalance status:
           completed_devs = 
              fids_queued = 5
             sdev_current = 1
""")
        self.assertEqual(self.json("rebalance", "status"), {"running": True, "fids_queued": "5"})
        self.assertEqual(self.adm("rebalance", "status", check=1).stderr,
                         b"no_rebal_state No available rebalance status\n")

    def test_test(self):
        self.tracker.answers.update(
            rebalance_test=OK(sdevs="1", ddevs="3,2"), server_settings=settings(rebal_policy="from_devices=1"),
            get_hosts=hosts({"hostname": "hosta"}), get_devices=devices({"mb_total": 2048, "mb_used": 1024}))
        self.assertEqual(self.out("rebalance", "test"), """\
Tested rebalance policy...
Policy: from_devices=1

Source devices:
 - 1  (hosta, 1.000 of 2.000 G used)
Destination devices:
 - 2
 - 3
""")
        self.assertEqual(self.json("rebalance", "test")["sources"],
                         [{"devid": 1, "hostname": "hosta", "mb_free": 1024}])


class Check(Case):
    def setUp(self):
        super().setUp()
        self.node = FakeNode({"/": b"hello"})
        self.addCleanup(self.node.close)
        usage = "available: {}\r\ndevice: /dev/sda1\r\ndisk: /mnt\r\ntotal: {}\r\nused: {}\r\ntime: 1\r\n"
        self.node.files["//dev1/usage"] = usage.format(850000000, 976762584, 126418000).encode()
        self.node.files["//dev3/usage"] = usage.format(0, 0, 0).encode()
        self.node.files["//dev4/usage"] = b""
        self.node.files["//dev5/usage"] = b"total: 5\ndevice: x\ndisk: y\n"
        self.tracker.answers.update(
            get_hosts=hosts({"hostname": "hosta", "http_port": self.node.port},
                            {"hostname": "hostb", "status": "down"},
                            {"hostid": 10, "hostname": "hostc", "http_port": free_port()}),
            get_devices=devices({"utilization": "3.21"}, {"status": "dead"}, {"observed_state": ""}, {}, {}, {},
                                {"hostid": 10}))

    def test_all(self):
        port = self.node.port
        dead = self.tracker.answers["get_hosts"]["host3_http_port"]
        gone = f"127.0.0.1:{free_port()}"
        out = self.out("check", trackers=f"{gone},{self.tracker.hostport}")
        self.assertEqual(out, f"""\
Checking trackers...
  {gone} ... REQUEST FAILURE (is the tracker up?)
  {self.tracker.hostport} ... OK

Checking hosts...
  [ 1] hosta ... OK
  [ 2] hostb ... skipping; status = down
  [10] hostc ... REQUEST FAILURE FETCHING: http://127.0.0.1:{dead}/

Checking devices...
  host device         size(G)    used(G)    free(G)   use%   ob state   I/O%
  ---- ------------ ---------- ---------- ---------- ------ ---------- -----
  [ 1] dev1           931.513    120.562    810.623  12.98%  writeable   3.2
  [ 1] dev3             0.000      0.000      0.000   0.00%  ?         N/A
  [ 1] dev4    USAGE FILE BROKEN OR EMPTY: http://127.0.0.1:{port}/dev4/usage
  [ 1] dev5    MISSING FIELD (available) FROM USAGE FILE: http://127.0.0.1:{port}/dev5/usage
  [ 1] dev6    REQUEST FAILURE FETCHING: http://127.0.0.1:{port}/dev6/usage
  ---- ------------ ---------- ---------- ---------- ------
             total:   931.513    120.562    810.623  12.98%
""")
        self.adm("check", "--strict", check=1)
        got = self.json("check")
        self.assertEqual((got["ok"], len(got["hosts"]), len(got["devices"])), (False, 3, 5))

    def test_good(self):
        self.tracker.answers.update(get_hosts=hosts({"http_port": self.node.port}), get_devices=devices({}))
        self.adm("check", "--strict")
        self.assertTrue(self.json("check")["ok"])

    def test_a_tracker_without_its_database(self):
        """It tells of hosts and devices from memory all the same."""
        self.tracker.answers.update(get_hosts=hosts({"http_port": self.node.port}), get_devices=devices({}),
                                    fsck_status=ERR("failure", "Operation failed"))
        self.assertIn(f"{self.tracker.hostport} ... DATABASE FAILURE (the tracker is up; see its log)\n", self.out("check"))
        self.adm("check", "--strict", check=1)
        got = self.json("check")
        self.assertEqual((got["ok"], got["trackers"][0]["ok"], got["trackers"][0]["error"]),
                         (False, False, "its database does not answer"))
        self.tracker.answers.update(fsck_status=ERR("not_allowed"))
        self.adm("check", "--strict")

    def test_nothing_there(self):
        done = self.adm("check", trackers=f"127.0.0.1:{free_port()}", check=1)
        self.assertEqual(done.stderr, b"Unable to retrieve host information from tracker(s).\n\n")
        self.tracker.answers["get_hosts"] = hosts()
        self.assertEqual(self.adm("check", check=1).stderr, b"No devices found on tracker(s).\n\n")
        done = self.adm("check", "--json", check=1)
        self.assertEqual(done.stderr, b"No devices found on tracker(s).\n\n")
        self.assertFalse(json.loads(done.stdout)["ok"])
        self.assertEqual(self.adm("check", "more", check=1).stderr,
                         b"Unknown options/arguments to 'check' command.\n")


class Tracker(Case):
    def test_admin_lines(self):
        self.tracker.admin.update({"!stats": "uptime 5\nqueries 7\n", "!version": "3.0.0",
                                   "!want": "Now desiring 3 children doing 'fsck'.", "!to": "Message sent to 1 children."})
        out = self.out("tracker", "stats")
        self.assertEqual(out, f"{self.tracker.hostport}\n  uptime 5\n  queries 7\n")
        self.assertEqual(self.json("tracker", "version"), [{"tracker": self.tracker.hostport, "lines": ["3.0.0"]}])
        self.adm("tracker", "want", "3", "fsck")
        self.adm("tracker", "to", "fsck", ":wake_up")
        self.adm("tracker", "want", "x", "fsck", check=1)
        self.assertEqual(self.tracker.commands(), ["!stats", "!version", "!want 3 fsck", "!to fsck :wake_up"])
        self.tracker.admin["!want"] = "ERROR: Invalid class 'x'."
        self.adm("tracker", "want", "3", "x", check=1)
        self.adm("tracker", "stats", trackers=f"127.0.0.1:{free_port()},{self.tracker.hostport}", check=1)

    def test_refresh(self):
        self.tracker.answers["clear_cache"] = OK()
        with FakeTracker({"clear_cache": OK()}) as other:
            self.adm("tracker", "refresh", trackers=f"{self.tracker.hostport},{other.hostport}")
            self.assertEqual((self.tracker.commands(), other.commands()), (["clear_cache"], ["clear_cache"]))


if __name__ == "__main__":
    unittest.main()
