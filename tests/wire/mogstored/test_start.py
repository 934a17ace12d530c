# SPDX-License-Identifier: MIT
"""Starting: options, configuration files, what is wrong with them, the background, pid files, signals."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from daemon import program, run
from storednode import Connection, StoredNode
from waiting import free_port, new_address, wait_until

# The system's log, in a file.
SYSLOG = b"""
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
static void put(const char *format, va_list arguments)
{
    FILE *f = fopen(getenv("MOG_SYSLOG"), "a");
    vfprintf(f, format, arguments);
    fputc('\\n', f);
    fclose(f);
}
void syslog(int priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(format, arguments);
    va_end(arguments);
}
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(format, arguments);
    va_end(arguments);
}
"""


class Refusals(unittest.TestCase):
    """One clear line, and an exit status."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.address = new_address()
        self.listen = [f"--httplisten={self.address}:{free_port(self.address)}",
                       f"--mgmtlisten={self.address}:{free_port(self.address)}"]

    def refused(self, *args, status=1, says=""):
        done = run("mogstored", *args, check=status, timeout=20)
        lines = [line for line in done.stderr.decode().splitlines() if "running as root" not in line]
        self.assertEqual(len(lines), 1, lines)
        for word in (says,) if isinstance(says, str) else says:
            self.assertIn(word, lines[0])
        self.assertEqual(done.stdout, b"")

    def test_options(self):
        self.refused("--nonsense", status=2, says="--nonsense")
        self.refused("-x", status=2, says="-x")
        self.refused("rest", status=2, says="rest")
        self.refused("--maxconns=many", status=2, says=("maxconns", "many"))
        self.refused("--maxconns", status=2, says="maxconns")
        self.refused("--put_status=404", status=2, says="put_status")
        for server in ("apache", "lighttpd", "nginx", "xnginxy"):
            self.refused("-s", f"--server={server}", says=("server", server), status=2)

    def test_docroot(self):
        self.refused("-s", *self.listen, f"--docroot={self.folder}/none", says=(f"{self.folder}/none", "No such file"))
        open(os.path.join(self.folder, "file"), "w").close()
        self.refused("-s", *self.listen, f"--docroot={self.folder}/file", says=(f"{self.folder}/file", "Not a directory"))

    @unittest.skipUnless(os.getuid() == 0, "needs root to become somebody else")
    def test_docroot_without_permission(self):
        docroot = os.path.join(self.folder, "docroot")
        os.mkdir(docroot, 0o700)
        os.chmod(self.folder, 0o755)
        self.refused("-s", *self.listen, f"--docroot={docroot}", "--user=nobody", says=(docroot, "Permission denied"))
        self.refused("-s", *self.listen, f"--docroot={docroot}", "--user=no-such-user", says="no-such-user")
        self.refused("-s", *self.listen, f"--docroot={docroot}", "--group=no-such-group", says="no-such-group")

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind((self.address, 0))
            taken.listen()
            there = f"{self.address}:{taken.getsockname()[1]}"
            for option, other in (("httplisten", self.listen[1]), ("mgmtlisten", self.listen[0])):
                for more in ((), ("--daemonize",)):
                    self.refused("-s", other, f"--{option}={there}", f"--docroot={self.folder}", *more,
                                 says=(option, there, "Address already in use"))

    def test_addresses(self):
        for value in ("localhost:7500", "1.2.3.4.5:7500", "1.2.3.4:x", "1.2.3.4:70000", "0", "x"):
            self.refused("-s", f"--httplisten={value}", f"--docroot={self.folder}", says=("httplisten", value),
                         status=2)

    def config(self, text, name="mogstored.conf"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return f"--config={path}"

    def test_configuration_files(self):
        table = {
            "maxconns = 10\nnonsense = 1\n": ("line 2", "nonsense"),
            "\n# c\nmaxconns\n": ("line 3", "maxconns"),
            "maxconns = ten\n": ("line 1", "maxconns", "ten"),
            "maxconns = \n": ("line 1", "maxconns"),
            "fsync = perhaps\n": ("line 1", "fsync"),
            "skipconfig = 1\n": ("line 1", "skipconfig"),
            "SERVER max_connections = 10000\n": ("line 1", "Perlbal"),
            "CREATE SERVICE mogstored\n": ("line 1", "Perlbal"),
            "docroot = /tm\0p\n": ("line 1", "NUL"),
            "allow = 10.0.0.0/40\n": ("line 1: allow: ", "10.0.0.0/40"),
            "# c\nallow = ,\n": ("line 2: allow: ", "empty list"),
            "# c\nserver = apache\n": ("line 2: server: ", "'apache' is neither perlbal", "nor none"),
            "# c\nhttplisten = here\n": ("line 2: httplisten: ", '"here"', "a.b.c.d:port"),
            "# c\nmgmtlisten = 1.2.3.4\n": ("line 2: mgmtlisten: ", "a.b.c.d:port"),
            "# c\nhttpgetlisten = localhost:1\n": ("line 2: httpgetlisten: ", "a.b.c.d:port"),
            "# c\nhttp_metrics_listen = 1.2.3.4:0\n": ("line 2: http_metrics_listen: ", "a.b.c.d:port"),
        }
        for text, says in table.items():
            with self.subTest(text=text):
                self.refused(self.config(text), says=says)
        self.refused("--allow=,", says=("--allow", "names no network"), status=2)
        self.refused(self.config("- a\n- b\n", "m.yaml"), says="m.yaml")
        self.refused(f"--config={self.folder}/none", says=f"Config file {self.folder}/none doesn't exist.")

    def test_help_and_version(self):
        text = run("mogstored", "--help").stdout.decode()
        for word in ("--httplisten", "--docroot", "--fsync"):
            self.assertIn(word, text)
        self.assertRegex(run("mogstored", "--version").stdout.decode(), r"^mogstored \d+\.\d+\.\d+\n$")


class Files(unittest.TestCase):
    def setUp(self):
        self.node = StoredNode((1,))
        self.addCleanup(shutil.rmtree, self.node.folder, True)
        self.addCleanup(self.node.kill)

    def start_with(self, text, name="mogstored.conf", *args):
        path = os.path.join(self.node.folder, name)
        with open(path, "w") as f:
            f.write(text)
        self.node.args = [f"--config={path}", *args]
        self.node.start()

    def test_classic(self):
        self.start_with(f"# a comment\n\n  maxconns=20 # more\nhttplisten = {self.node.address}:{self.node.port}\n"
                        f"mgmtlisten\t=\t{self.node.address}:{self.node.side_port}\nserverbin = /usr/sbin/httpd\n"
                        f"docroot = {self.node.docroot}/", "mogstored.conf")
        self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        self.assertIn("serverbin is ignored", self.node.log())
        self.node.wait_running()
        self.node.stop()

    def test_yaml(self):
        self.start_with(f"httplisten: {self.node.address}:{self.node.port}\nmgmtlisten: "
                        f"{self.node.address}:{self.node.side_port}\ndocroot: {self.node.docroot}\n"
                        "allow: [127.0.0.0/8, 10.0.0.0/8]\nput_status: 200\n", "mogstored.yaml")
        self.assertEqual(self.node.request("PUT", "/dev1/x", body=b"").status, 200)
        self.node.stop()

    def test_the_file_wins(self):
        self.start_with(f"httplisten = {self.node.address}:{self.node.port}\nmgmtlisten = "
                        f"{self.node.address}:{self.node.side_port}\ndocroot = {self.node.docroot}\nput_status = 200\n",
                        "mogstored.conf", "--put_status=201", "-docroot", "/tmp")
        self.assertEqual(self.node.request("PUT", "/dev1/x", body=b"").status, 200)
        self.assertIn("put_status in", self.node.log())
        self.assertIn("overrides the option --docroot", self.node.log())
        self.node.stop()

    def test_server_none(self):
        reading = free_port(self.node.address)
        self.node.args += ["--server=none", f"--httpgetlisten={self.node.address}:{reading}"]
        self.node.start()
        for port in (self.node.port, reading):
            with self.assertRaises(ConnectionRefusedError):
                Connection(self.node.address, port)
        wait_until(lambda: os.path.exists(self.node.path("/dev1/usage")), what="the usage file is there")
        self.node.stop()

    def test_reading_port(self):
        port = free_port(self.node.address)
        self.node.args.append(f"--httpgetlisten={self.node.address}:{port}")
        self.node.start()
        self.node.write("/dev1/x", b"x")
        self.node.port = port
        with self.node.connect() as connection:
            for method in ("DELETE", "MKCOL"):
                answer = connection.request(method, "/dev1/x")
                self.assertEqual((answer.status, answer.headers["connection"].lower()), (405, "keep-alive"))
            self.assertEqual(connection.request("GET", "/dev1/x").body, b"x")
            self.assertEqual(connection.request("OPTIONS", "/dev1/x").headers["allow"], "GET, HEAD, OPTIONS")
            answer = connection.request("PUT", "/dev1/x", body=b"y")
            self.assertEqual((answer.status, answer.headers["connection"]), (405, "close"))
        self.node.stop()

    def test_limits_of_the_system(self):
        """Too few descriptors are a warning and fewer connections, never a refusal."""
        import resource
        self.node.args = [a for a in self.node.args if "maxconns" not in a] + ["--maxconns=1000000"]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wrapped = subprocess.Popen(["prlimit", "--nofile=512:512", program("mogstored"), *self.node.args],
                                   env={**self.node.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.node.process = wrapped
            self.node.wait_listening(self.node.address, self.node.port)
            self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        finally:
            wrapped.terminate()
            self.assertEqual(wrapped.wait(20), 0)
            self.node.process = None
        self.assertEqual((soft, hard), resource.getrlimit(resource.RLIMIT_NOFILE))

    @unittest.skipUnless(os.getuid() == 0, "needs root to become somebody else")
    def test_user(self):
        os.chmod(self.node.folder, 0o755)
        shutil.chown(self.node.path("/dev1"), "nobody")
        self.node.args.append("--user=nobody")
        self.node.start()
        self.assertEqual(self.node.request("PUT", "/dev1/0/x", body=b"x").status, 201)
        self.assertNotEqual(os.stat(self.node.path("/dev1/0/x")).st_uid, 0)
        self.node.write("/dev1/secret", b"x")
        os.chmod(self.node.path("/dev1/secret"), 0o600)
        os.mkdir(self.node.path("/dev1/closed"), 0o700)
        self.assertEqual(self.node.request("GET", "/dev1/secret").status, 403)
        self.assertEqual(self.node.request("PUT", "/dev1/closed/x", body=b"x").status, 403)
        self.assertEqual(self.node.request("GET", "/dev1/closed/x").status, 403)
        os.mkdir(self.node.path("/dev3"), 0)  # a mount point that nothing is mounted on
        self.assertEqual(self.node.request("GET", "/dev3/x").status, 503)
        self.assertEqual(self.node.request("PUT", "/dev3/x", body=b"x").status, 503)
        self.node.stop()


class Background(unittest.TestCase):
    def setUp(self):
        self.node = StoredNode((1,))
        self.addCleanup(shutil.rmtree, self.node.folder, True)
        self.pidfile = os.path.join(self.node.folder, "pid")
        self.args = [*self.node.args, "--daemonize", f"--pidfile={self.pidfile}"]
        self.addCleanup(self.kill)

    def pid(self):
        with open(self.pidfile) as f:
            return int(f.read())

    def kill(self):
        if os.path.exists(self.pidfile):
            os.kill(self.pid(), signal.SIGKILL)

    def gone(self, pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as f:
            return f.read().split(")")[-1].split()[0] == "Z"

    def start(self, *args, check=0):
        done = run("mogstored", *self.args, *args, check=check, env=self.node.env)
        return done

    def test_life(self):
        done = self.start()
        self.assertEqual(done.stdout, b"")
        pid = self.pid()
        # It serves as soon as the first process has ended, and its usage is there.
        self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        self.assertIn("available: ", self.node.read("/dev1/usage").decode())
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        for fd in range(3):
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
        again = self.start(check=1)
        self.assertIn(b"Address already in use", again.stderr)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: self.gone(pid))
        self.assertFalse(os.path.exists(self.pidfile))

    def test_second_with_the_same_pidfile(self):
        self.start()
        other = StoredNode((1,))
        self.addCleanup(shutil.rmtree, other.folder, True)
        done = run("mogstored", *other.args, f"--pidfile={self.pidfile}", check=1)
        self.assertIn(f"already running on PID: {self.pid()}", done.stderr.decode())

    def test_stale_pidfile(self):
        with open(self.pidfile, "w") as f:
            f.write("4194000\n")
        self.start()
        self.assertNotEqual(self.pid(), 4194000)
        os.kill(self.pid(), signal.SIGINT)
        wait_until(lambda: not os.path.exists(self.pidfile))

    def test_upgrade(self):
        self.start()
        old = self.pid()
        with self.node.connect() as connection:
            connection.send("PUT /dev1/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: self.pid() != old, what="the new process serves")
            new = self.pid()
            with open(self.pidfile + ".oldbin") as f:
                self.assertEqual(int(f.read()), old)
            self.assertFalse(self.gone(old))
            connection.send("b")
            self.assertEqual(connection.answer().status, 201)
        wait_until(lambda: self.gone(old), what="the old one has ended")
        self.assertFalse(os.path.exists(self.pidfile + ".oldbin"))
        self.assertEqual(self.pid(), new)
        for _ in range(20):
            self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        with self.node.side() as side:
            self.assertEqual(side.say("size /dev1/none"), "/dev1/none -1")
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: self.gone(new))

    def test_upgrade_that_fails(self):
        """The new process has no terminal, so it is the system's log that says why."""
        library, log = (os.path.join(self.node.folder, name) for name in ("syslog.so", "syslog"))
        config = os.path.join(self.node.folder, "mogstored.conf")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-xc", "-"], input=SYSLOG, check=True)
        self.node.env.update(LD_PRELOAD=library, MOG_SYSLOG=log,
                             ASAN_OPTIONS="verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""))
        self.args = [arg for arg in self.args if arg != "--skipconfig"] + [f"--config={config}"]

        def configure(text):
            with open(config, "w") as f:
                f.write(text)

        def logged(text):
            with open(log) as f:
                return text in f.read()
        configure("")
        self.start()
        old = self.pid()
        for wrong, says in (("put_status = many\n", "put_status"), ("docroot = /nowhere\n", "cannot use /nowhere")):
            configure(wrong)
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: logged(says), what=f"the log has {says}")
            wait_until(lambda: not os.path.exists(self.pidfile + ".oldbin"), what="the old one goes on")
        self.assertEqual(self.pid(), old)
        os.kill(old, signal.SIGTERM)
        wait_until(lambda: self.gone(old))

    @unittest.skipUnless(os.getuid() == 0, "needs root to become somebody else")
    def test_upgrade_as_somebody_else(self):
        """The pid file is root's, and its folder theirs: the new process, which is not root, writes it all the same."""
        os.chmod(self.node.folder, 0o755)
        for path in (self.node.folder, self.node.docroot, self.node.path("/dev1")):
            shutil.chown(path, "nobody")
        self.args.append("--user=nobody")
        self.start()
        old = self.pid()
        self.assertEqual(os.stat(self.pidfile).st_uid, 0)
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: self.pid() != old, what="the new process serves")
        new = self.pid()
        wait_until(lambda: self.gone(old), what="the old one has ended")
        self.assertEqual(self.node.request("GET", "/dev1/usage").status, 200)
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: self.gone(new))
        self.assertEqual([name for name in os.listdir(self.node.folder) if name.startswith("pid")], [])

    def test_relative_paths(self):
        """They are meant from the folder of the start, also after it was left."""
        config = os.path.join(self.node.folder, "relative.conf")
        with open(config, "w") as f:
            f.writelines(f"{key} = {value}\n" for key, value in
                         {**self.node.options, "docroot": "docroot", "pidfile": "pid"}.items())
        env = {**self.node.env, "PATH": os.environ["PATH"]}
        done = subprocess.run([program("mogstored"), "-d", "--config=relative.conf"], cwd=self.node.folder, env=env,
                              timeout=30)
        self.assertEqual(done.returncode, 0)
        pid = self.pid()
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        self.assertEqual(self.node.request("PUT", "/dev1/x", body=b"x").status, 201)
        with open(config, "a") as f:
            f.write("put_status = 200\n")
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: self.node.request("PUT", "/dev1/x", body=b"x").status == 200, what="the file is read again")
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: self.pid() != pid, what="the new process serves")
        new = self.pid()
        self.assertEqual(os.readlink(f"/proc/{new}/cwd"), "/")
        wait_until(lambda: self.gone(pid))
        self.assertEqual(self.node.request("PUT", "/dev1/x", body=b"x").status, 200)
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: self.gone(new))

    def test_inherited_sockets(self):
        with socket.socket() as http, socket.socket() as plain:
            http.bind((self.node.address, self.node.port))
            http.listen()
            env = {**self.node.env, "MOGSTORED_FD": str(http.fileno())}
            process = subprocess.Popen([program("mogstored"), *self.node.args], env=env, pass_fds=[http.fileno()],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.node.process = process
                self.node.wait_listening(self.node.address, self.node.side_port)
                self.assertEqual(self.node.request("GET", "/").status, 200)
            finally:
                process.terminate()
                self.assertEqual(process.wait(20), 0)
                self.node.process = None
            for value in (str(plain.fileno()), "999", "x", "3:4", "99999999999"):
                done = subprocess.run([program("mogstored"), *self.node.args], capture_output=True, timeout=20,
                                      env={**self.node.env, "MOGSTORED_FD": value}, pass_fds=[plain.fileno()])
                self.assertEqual(done.returncode, 1, value)
                self.assertIn(b"MOGSTORED_FD", done.stderr)


if __name__ == "__main__":
    unittest.main()
