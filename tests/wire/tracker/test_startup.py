# SPDX-License-Identifier: MIT
"""Starting and stopping: options, configuration files, what keeps the tracker from starting, pid files, signals."""
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile
import unittest

from cluster import Client, Tracker, free_port, new_address, port_open, program, run, wait_until

ROOT = os.getuid() == 0


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state")
        os.makedirs(self.state)
        self.address = new_address()
        self.port = free_port(self.address)

    def tracker(self, options=None, **more):
        tracker = Tracker(self.folder, {"state_dir": self.state, **(options or {})}, self.address, self.port, **more)
        self.addCleanup(tracker.kill)
        return tracker

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        return path

    def refused(self, *args, env=None):
        """Run a tracker that cannot start: what it says on standard error. It must end with a status that is not 0."""
        user = ["--user=root"] if ROOT else []
        done = run("mogilefsd", *user, *args, check=None, timeout=30, env={"STATE_DIRECTORY": self.state, **(env or {})})
        self.assertGreater(done.returncode, 0, done)
        self.assertTrue(done.stderr.strip(), "it says why")
        self.assertFalse(port_open(self.address, self.port))
        return done.stderr.decode()


class CommandLine(Base):
    def output(self):
        with open(self.path("out.log"), errors="replace") as f:
            return f.read()

    def start(self, *args, env=None, port=None):
        """Start with these options alone, and return once it answers."""
        user = ["--user=root"] if ROOT else []
        log = open(self.path("out.log"), "wb")
        process = subprocess.Popen([program("mogilefsd"), *user, *args], stdout=log, stderr=log,
                                   env={**os.environ, "STATE_DIRECTORY": self.state, **(env or {})})
        log.close()

        def stop():
            process.terminate()
            self.assertEqual(process.wait(30), 0, self.output())
        self.addCleanup(stop)
        port = port or self.port

        def listening():
            self.assertIsNone(process.poll(), self.output())
            return port_open(self.address, port)
        wait_until(listening)
        with Client(self.address, port) as c:
            c.request("noop")
        return process

    def jobs(self):
        with Client(self.address, self.port) as c:
            return c.jobs()

    def test_as_test_suites_start_it(self):
        path = self.path("named.db")
        run("mogdbsetup", "--yes", "--type=SQLite", f"--dbname={path}")
        self.start("--skipconfig", "--workers=2", f"--dsn=DBI:SQLite:{path}", "--dbuser=", "--dbpass=",
                   f"--listen={self.address}:{self.port}")
        wait_until(lambda: self.jobs()["queryworker"]["count"] == 2)

    def test_short_options(self):
        self.start("-s", "-w3", "-l", f"{self.address}:{self.port}", "-d")
        wait_until(lambda: self.jobs()["queryworker"]["count"] == 3)

    def test_every_long_option(self):
        self.start("--skipconfig", f"--listen={self.address}:{self.port}", "--debug", "--workers", "2",
                   "--max_disk_age=5", "--min_free_space=100", "--default_mindevcount=3", "--node_timeout=2",
                   "--conn_timeout=2", "--conn_pool_size=20", "--max_handles=0", f"--pidfile={self.path('pid')}",
                   "--no_schema_check", "--repl_use_get_port=0", "--local_network=127.0.0.0/8", "--no_http",
                   "--mogstored_stream_port=7501", "--job_master", "--confport=7001", "--workerport=7005")
        with Client(self.address, self.port) as c:
            c.request("create_domain", domain="d")
            self.assertEqual(c.request("get_domains")["domain1class1mindevcount"], "3")
        with open(self.path("pid")) as f:
            self.assertTrue(f.read().strip().isdigit())
        self.assertIn("--workerport is no longer needed (and has no necessary replacement)", self.output())

    def test_prefixes_and_case(self):
        self.start("--skipconf", f"--LISTEN={self.address}:{self.port}", "--default_mind=3")
        with Client(self.address, self.port) as c:
            c.request("create_domain", domain="d")
            self.assertEqual(c.request("get_domains")["domain1class1mindevcount"], "3")

    def test_no_job_master(self):
        for i, spelling in enumerate(("--no-job_master", "--nojob_master")):
            state = os.path.join(self.folder, f"state{i}")
            os.makedirs(state)
            port = free_port(self.address)
            process = self.start("--skipconfig", spelling, f"--listen={self.address}:{port}", port=port,
                                 env={"STATE_DIRECTORY": state})
            with Client(self.address, port) as c:
                wait_until(lambda c=c: c.jobs().get("reaper", {}).get("count") == 1)
                for job in ("job_master", "delete", "fsck", "replicate"):
                    self.assertEqual(c.jobs().get(job, {"count": 0})["count"], 0, job)
            self.assertIsNone(process.poll())

    def test_confport_and_several_addresses(self):
        other = new_address()
        self.start("--skipconfig", f"--confport={self.port}", f"--listen={self.address}", f"--listen={other}:{self.port}")
        with Client(other, self.port) as c:
            self.assertEqual(c.ask("noop").raw, b"OK ")

    def test_the_command_line_goes_before_the_file(self):
        config = self.path("m.conf", f"listen = {new_address()}:1\nquery_jobs = 7\ndefault_mindevcount = 5\n")
        self.start(f"--config={config}", f"--listen={self.address}:{self.port}", "--workers=2")
        wait_until(lambda: self.jobs()["queryworker"]["count"] == 2)
        with Client(self.address, self.port) as c:
            c.request("create_domain", domain="d")
            self.assertEqual(c.request("get_domains")["domain1class1mindevcount"], "5")

    def test_what_is_refused(self):
        here = f"--listen={self.address}:{self.port}"
        for args, word in ((["--nosuchoption"], "nosuchoption"), (["-Z"], "Z"), (["--workers=x"], "workers"),
                           (["--workers"], "workers"), (["--max=3"], "ambiguous"), (["--no_http=1"], "no_http"),
                           (["--listen=nonsense:port"], ""), (["--listen=127.0.0.1:99999"], "")):
            self.assertIn(word, self.refused("--skipconfig", here, *args), args)


class ConfigFile(Base):
    def test_grammar(self):
        tracker = self.tracker()
        config = (f"# a comment\n\n   # another\r\n\tlisten = {self.address}:{self.port}\r\nquery_jobs 3\n"
                  f"state_dir =  {self.state}  \n  delete_jobs  =  2\t\nunknown.key_1 = whatever # not a comment\n"
                  "reaper_jobs = 5\nreaper_jobs = 2\n" + ("user = root\n" if ROOT else "") + "replicate_jobs = 4")
        tracker.write_config = lambda: self.path("tracker.conf", config)
        tracker.start()
        with tracker.client() as c:
            want = {"queryworker": 3, "delete": 2, "reaper": 2, "replicate": 4, "fsck": 1}
            wait_until(lambda: {k: v["count"] for k, v in c.jobs().items() if k in want} == want)
        tracker.stop()

    def test_a_list_of_addresses(self):
        other = new_address()
        tracker = self.tracker({"listen": f"{self.address}, {other}:{self.port}", "conf_port": self.port}).start()
        with Client(other, self.port) as c:
            self.assertEqual(c.ask("noop").raw, b"OK ")
        tracker.stop()

    def test_the_old_name_of_query_jobs_wins(self):
        tracker = self.tracker({"query_jobs": 2, "listener_jobs": 3}).start()
        with tracker.client() as c:
            wait_until(lambda: c.jobs()["queryworker"]["count"] == 3)
        tracker.stop()

    def test_malformed_lines(self):
        for n, text in ((1, "key=v\n"), (2, "a = b\nkey= v\n"), (3, "\n# x\nloneword\n"), (1, "= v\n")):
            error = self.refused(f"--config={self.path('bad.conf', text)}", f"--listen={self.address}:{self.port}")
            self.assertIn(f"Malformed config file (line {n})", error, text)

    def test_bad_values(self):
        for text in ("query_jobs = many\n", "conf_port = 99999\n"):
            self.assertIn(text.split()[0], self.refused(f"--config={self.path('bad.conf', text)}",
                                                        f"--listen={self.address}:{self.port}"))

    def test_a_file_that_is_not_there(self):
        missing = self.path("missing.conf")
        self.assertIn(f"open: {missing}: No such file or directory", self.refused(f"--config={missing}"))

    def test_yaml(self):
        text = f"listen: ['{self.address}:{self.port}']\nquery_jobs: 3\nstate_dir: {self.state}\n"
        tracker = self.tracker()
        tracker.config = self.path("m.yaml", text + ("user: root\n" if ROOT else ""))
        tracker.args = [f"--config={tracker.config}"]
        tracker.write_config = lambda: None
        tracker.start()
        with tracker.client() as c:
            wait_until(lambda: c.jobs()["queryworker"]["count"] == 3)
        tracker.stop()


class Reload(Base):
    def test_hup(self):
        log = self.path("own.log")
        tracker = self.tracker({"query_jobs": 2, "log_file": log}).start()
        with tracker.client() as c:
            wait_until(lambda: c.jobs()["queryworker"]["count"] == 2)
            tracker.options.update(query_jobs=5, replicate_jobs=3, conf_port=7777)
            tracker.write_config()
            os.rename(log, log + ".1")
            os.kill(tracker.pid, signal.SIGHUP)
            wait_until(lambda: c.jobs()["queryworker"]["count"] == 5 and c.jobs()["replicate"]["count"] == 3)
            self.assertEqual(c.ask("noop").raw, b"OK ")
            with open(log + ".1") as f:
                self.assertRegex(f.read(), "conf_port has changed, which takes effect only after a restart")
            wait_until(lambda: os.path.exists(log), what="the log file is opened anew")
            with open(tracker.config, "a") as f:
                f.write("malformed\n")
            os.kill(tracker.pid, signal.SIGHUP)

            def complained():
                with open(log) as f:
                    return "Malformed config file" in f.read()
            wait_until(complained, what="it says that the file is malformed")
            self.assertEqual(c.jobs()["queryworker"]["count"], 5)
        tracker.stop()

    def test_check_help_version(self):
        good = self.path("good.conf", f"query_jobs = 3\nstate_dir = {self.state}\n")
        bad = self.path("bad.conf", "query_jobs = many\n")
        self.assertEqual(run("mogilefsd", "--check-config", f"--config={good}").stderr, b"")
        done = run("mogilefsd", "--check-config", f"--config={bad}", check=1)
        self.assertIn(b"query_jobs", done.stderr)
        self.assertEqual(os.listdir(self.state), [], "checking makes nothing")
        self.assertIn(b"--listen=", run("mogilefsd", "--help").stdout)
        self.assertRegex(run("mogilefsd", "--version").stdout, rb"\d+\.\d+\.\d+")


    def test_mistakes_are_named_with_file_and_line(self):
        for line, words in (("db_dsn = DBI:Oracle:x", "Unknown database type: DBI:Oracle:x (it begins with DBI:mysql:"),
                            ("db_dsn = DBI:mysql:x;port=abc", "1 to 65535"),
                            ("db_dsn = DBI:SQLite:", "no path"),
                            ("listen = 127.0.0.1, here:there", "'here:there' is not an address (host:port)"),
                            ("listen = 127.0.0.1:70000", "is not an address"),
                            ("http_listen = a:b", "'a:b' is not an address (host:port)"),
                            ("http_gateway = maybe", "'maybe' is none of off, redirect, accel, proxy"),
                            ("http_gateway_cache_control = \x01", "not a header's value"),
                            ("allow = 10.0.0.0/33", "the bits of a network are 0 to 32"),
                            ("allow = ,", "empty list"),
                            ("admin_allow = everybody", "everybody"),
                            ("plugins = Foo", "Unable to load Foo"),
                            ("local_network = here", "'here' is not a netmask (a.b.c.d/bits)"),
                            ("min_free_space = much", "'much' is not a number from 0 to 1000000000")):
            path = self.path("bad.conf", f"# a comment\n\n{line}\n")
            done = run("mogilefsd", "--check-config", f"--config={path}", check=1)
            self.assertEqual(done.stdout, b"")
            error = done.stderr.decode()
            self.assertTrue(error.startswith(f"{path} line 3: {line.split()[0]}: "), error)
            self.assertIn(words, error)
        done = run("mogilefsd", "--check-config", "--skipconfig", "--dsn=DBI:Oracle:x", check=1)
        self.assertIn(b"option --dsn: Unknown database type: DBI:Oracle:x", done.stderr)


    def test_plugins_of_the_file_and_of_the_command_line(self):
        here = self.path("here.conf", "plugins = ZoneLocal\n")
        # It needs a key, which shows that it would be loaded.
        for more in ([], ["--plugins=MultipleNetworks"], ["--plugins=HostsPerNetwork", "--plugins=MultipleNetworks"]):
            done = run("mogilefsd", "--check-config", f"--config={here}", *more, check=1)
            self.assertIn(b"ZoneLocal needs the key local_network", done.stderr)
        there = self.path("there.conf", "plugins = MultipleNetworks\n")
        done = run("mogilefsd", "--check-config", f"--config={there}", "--plugins=ZoneLocal", check=1)
        self.assertIn(b"ZoneLocal needs the key local_network", done.stderr)
        run("mogilefsd", "--check-config", f"--config={there}", "--plugins=ZoneLocal", "--local_network=10.0.0.0/8")


class Refusals(Base):
    def setUp(self):
        super().setUp()
        self.here = f"--listen={self.address}:{self.port}"

    def test_root_must_be_named(self):
        if not ROOT:
            self.skipTest("only root can see this")
        done = run("mogilefsd", "--skipconfig", self.here, check=None, env={"STATE_DIRECTORY": self.state})
        self.assertGreater(done.returncode, 0)
        self.assertIn(b"mogilefsd cannot be run as root", done.stderr)

    def test_databases(self):
        for dsn, word in (("DBI:Foo:x", "Unknown database type: DBI:Foo:x"), ("nonsense", "Unknown database type: nonsense"),
                          (f"DBI:mysql:mogilefs;host=127.0.0.1;port={free_port()}", "Failed to connect to database"),
                          (f"DBI:Pg:dbname=x;host=127.0.0.1;port={free_port()}",
                           "unable to establish connection with your MogileFS database"),
                          ("DBI:SQLite:/nonexistent/dir/x.db", "")):
            self.assertIn(word, self.refused("--skipconfig", self.here, f"--dsn={dsn}"), dsn)

    def test_a_named_database_is_never_created(self):
        path = self.path("named.db")
        self.assertIn("schema", self.refused("--skipconfig", self.here, f"--dsn=DBI:SQLite:{path}").lower())
        if os.path.exists(path):
            with sqlite3.connect(path) as db:
                tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            self.assertNotIn("file", tables)

    def test_another_schema_version(self):
        self.tracker().start().stop()
        with sqlite3.connect(os.path.join(self.state, "mogilefs.db")) as db:
            db.execute("UPDATE server_settings SET value = '16' WHERE field = 'schema_version'")
        db.close()
        error = self.refused("--skipconfig", self.here)
        self.assertIn("Server's database schema version of 16 doesn't match expected value of 17.  Halting.", error)
        self.assertIn("Please run mogdbsetup to upgrade your schema.", error)
        self.tracker({"no_schema_check": 1}).start().stop()

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind((self.address, self.port))
            other.listen()
            done = run("mogilefsd", *(["--user=root"] if ROOT else []), "--skipconfig", self.here, check=None,
                       env={"STATE_DIRECTORY": self.state})
        self.assertGreater(done.returncode, 0)
        self.assertIn(b"Error creating socket", done.stdout + done.stderr)
        self.assertIn(b"Address already in use", done.stdout + done.stderr)

    def test_a_second_tracker_on_the_embedded_database(self):
        tracker = self.tracker().start()
        with tracker.client() as c:
            other = f"--listen={self.address}:{free_port(self.address)}"
            done = run("mogilefsd", *(["--user=root"] if ROOT else []), "--skipconfig", other, check=None,
                       env={"STATE_DIRECTORY": self.state})
            self.assertGreater(done.returncode, 0)
            self.assertTrue(done.stderr.strip())
            self.assertEqual(c.ask("noop").raw, b"OK ")
        tracker.stop()

    def test_a_state_directory_that_is_not_there(self):
        self.assertTrue(self.refused("--skipconfig", self.here, env={"STATE_DIRECTORY": self.path("none")}))

    def test_a_pidfile_that_cannot_be_written(self):
        pidfile = self.path("no-folder/pid")
        done = run("mogilefsd", *(["--user=root"] if ROOT else []), "--skipconfig", self.here, f"--pidfile={pidfile}",
                   check=1, env={"STATE_DIRECTORY": self.state})
        self.assertIn(f"couldn't create pidfile '{pidfile}'".encode(), done.stdout + done.stderr)

    def test_plugins(self):
        self.assertIn("Unable to load Foo", self.refused("--skipconfig", self.here, "--plugins=Foo"))


class Ending(Base):
    def test_the_embedded_database_is_made_at_the_first_start(self):
        tracker = self.tracker().start()
        with tracker.client() as c:
            c.request("create_domain", domain="kept")
        tracker.stop()
        self.assertTrue(os.path.exists(os.path.join(self.state, "mogilefs.db")))
        tracker.start()
        with tracker.client() as c:
            self.assertEqual(c.request("get_domains")["domain1"], "kept")
        tracker.stop()

    def test_signals(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            pidfile = self.path("pid")
            tracker = self.tracker({"pidfile": pidfile}).start()
            with open(pidfile) as f:
                self.assertEqual(f.read(), f"{tracker.pid}\n")
            self.assertEqual(stat.S_IMODE(os.stat(pidfile).st_mode), 0o644)
            tracker.stop(sig)
            self.assertFalse(os.path.exists(pidfile))
            self.assertIn(f"ending run due to {sig.name}", tracker.log())
            self.assertIn("beginning run", tracker.log())

    def test_shutdown_command(self):
        pidfile = self.path("pid")
        tracker = self.tracker({"pidfile": pidfile}).start()
        with tracker.client() as c:
            c.send(b"!shutdown\r\n")
            try:
                self.assertEqual(c.file.read(), b"", "no answer is sent")
            except ConnectionError:
                pass
        tracker.wait_end()
        self.assertFalse(os.path.exists(pidfile))

    def test_it_ends_at_once_whatever_runs(self):
        tracker = self.tracker().start()
        clients = [tracker.client() for _ in range(8)]
        for c in clients:
            c.send(b"sleep duration=20\r\n")
        with tracker.client() as c:
            wait_until(lambda: c.stats()["processing_queries"] == "4")
        tracker.stop(seconds=10)
        for c in clients:
            try:
                self.assertEqual(c.file.read(), b"")
            except ConnectionError:
                pass
            c.close()

    def test_a_broken_pipe_harms_nobody(self):
        tracker = self.tracker().start()
        os.kill(tracker.pid, signal.SIGPIPE)
        with tracker.client() as c:
            self.assertEqual(c.ask("noop").raw, b"OK ")
        tracker.stop()

    def test_it_can_start_again_at_once(self):
        tracker = self.tracker()
        for _ in range(3):
            tracker.start()
            c = tracker.client()
            c.request("noop")
            tracker.stop()
            c.close()

    def test_after_a_crash(self):
        tracker = self.tracker().start()
        with tracker.client() as c:
            for i in range(20):
                c.request("create_domain", domain=f"d{i}")
        tracker.kill()
        tracker.start()
        with tracker.client() as c:
            self.assertEqual(c.request("get_domains")["domains"], "20")
        tracker.stop()

    def test_as_a_daemon(self):
        pidfile = self.path("pid")
        config = self.path("d.conf", f"daemonize = 1\npidfile = {pidfile}\nstate_dir = {self.state}\n"
                           f"listen = {self.address}:{self.port}\n" + ("user = root\n" if ROOT else ""))
        run("mogilefsd", f"--config={config}", timeout=30)
        self.assertTrue(port_open(self.address, self.port), "it listens before the command returns")
        with open(pidfile) as f:
            pid = int(f.read())
        try:
            with Client(self.address, self.port) as c:
                self.assertEqual(c.ask("noop").raw, b"OK ")
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            self.assertEqual(os.getsid(pid) != os.getsid(0), True)
            os.kill(pid, signal.SIGHUP)
            with Client(self.address, self.port) as c:
                self.assertEqual(c.ask("noop").raw, b"OK ")
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(pidfile) and not port_open(self.address, self.port), what="it ends")

    def test_a_daemon_with_relative_paths(self):
        """They begin where it was started, also when its files are read again."""
        pidfile, log = self.path("pid"), self.path("log")
        self.path("pass", "secret\n")
        self.path("d.conf", f"daemonize = 1\npidfile = {pidfile}\nlog_file = {log}\ndb_pass_file = pass\n"
                  "db_dsn = DBI:SQLite:named.db\n"
                  f"listen = {self.address}:{self.port}\n" + ("user = root\n" if ROOT else ""))
        run("mogdbsetup", "--yes", "--type=SQLite", f"--dbname={self.path('named.db')}")
        subprocess.run([program("mogilefsd"), "-c", "d.conf"], cwd=self.folder, check=True, timeout=30)
        with open(pidfile) as f:
            pid = int(f.read())
        try:
            with Client(self.address, self.port) as c:
                c.request("create_domain", domain="d")
            os.kill(pid, signal.SIGHUP)

            def heard():
                with open(log) as f:
                    return re.search("config: (not )?read again.*", f.read())
            self.assertEqual(wait_until(heard).group(0), "config: read again")
            with open(log) as f:
                self.assertNotIn("has changed", f.read())
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(pidfile))

    def test_a_daemon_that_cannot_start_says_so(self):
        with socket.socket() as other:
            other.bind((self.address, self.port))
            other.listen()
            config = self.path("d.conf", f"daemonize = 1\nstate_dir = {self.state}\n"
                               f"listen = {self.address}:{self.port}\n" + ("user = root\n" if ROOT else ""))
            done = run("mogilefsd", f"--config={config}", check=None, timeout=30)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
