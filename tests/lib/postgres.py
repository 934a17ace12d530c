# SPDX-License-Identifier: MIT
"""A PostgreSQL server of our own, in a scratch folder and on a free port of 127.0.0.1."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from daemon import die_with_parent
from waiting import free_port, wait_until

CELL, ROW, NULL = "\x1f", "\x1e", "\x1d"
FORMAT = ["-X", "-q", "-A", "-t", "-F", CELL, "-R", ROW, "-P", "null=" + NULL]


def binary(name):
    """The server's programs are not in PATH on all systems."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


def as_text(cell):
    if cell == NULL:
        return None
    if cell.startswith("\\x"):
        return bytes.fromhex(cell[2:]).decode("utf-8", "surrogateescape")
    return cell


def parse(printed):
    text = printed.rstrip("\n")
    return [[as_text(cell) for cell in row.split(CELL)] for row in text.split(ROW)] if text else []


class Session:
    """One connection of the server's own client, which keeps its locks and transactions from call to call."""

    MARK = "--- that was all ---"

    def __init__(self, server, database):
        self.process = subprocess.Popen(
            [binary("psql"), *FORMAT, "-h", server.host, "-p", str(server.port), "-U", server.root_user, "-d", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
            env={**os.environ, "PGPASSWORD": server.root_password})

    def rows(self, sql):
        """Run one statement: its rows, as lists of text; NULL is None. AssertionError with the server's message."""
        self.process.stdin.write(f"{sql};\n\\echo '{self.MARK}'\n".encode("utf-8", "surrogateescape"))
        self.process.stdin.flush()
        out = ""
        while self.MARK not in out:
            line = self.process.stdout.readline().decode("utf-8", "surrogateescape")
            assert line, f"the client ended: {out}"
            out += line
        if "ERROR:" in out:
            raise AssertionError(out)
        return parse(out[:out.index(self.MARK)])

    def close(self):
        if self.process is not None:
            process, self.process = self.process, None
            process.stdin.close()
            process.wait(30)
            process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """start() ... stop(); may be started again on the same data and port."""

    host = "127.0.0.1"
    root_user = "postgres"
    root_password = "rootpass"

    def __init__(self, folder=None, options=()):
        self.folder = tempfile.mkdtemp(prefix="mogtest-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "log")
        self.port = free_port(self.host)
        self.options, self.process = list(options), None
        # The server refuses to run as root.
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.account:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)

    def become(self):
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []} if self.account else {}

    def install(self):
        password = os.path.join(self.folder, "password")
        with open(password, "w") as f:
            f.write(self.root_password + "\n")
        if self.account:
            os.chown(password, self.account.pw_uid, self.account.pw_gid)
        subprocess.run([binary("initdb"), "-D", self.data, "-U", self.root_user, f"--pwfile={password}",
                        "--auth=scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"], check=True,
                       cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120, **self.become())

    def start(self):
        if not os.path.isdir(self.data):
            self.install()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [binary("postgres"), "-D", self.data, "-h", self.host, "-p", str(self.port), "-k", self.folder,
                 "-c", "fsync=off", "-c", "max_connections=150", *self.options], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent, **self.become())
        wait_until(self.ready, what="the database server answers")
        return self

    def ready(self):
        if self.process.poll() is not None:
            with open(self.log_path, errors="replace") as log:
                raise RuntimeError("postgres ended while it started:\n" + log.read()[-4000:])
        return subprocess.run([binary("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)],
                              timeout=30).returncode == 0

    def rows(self, database, sql):
        """The rows of a query, as lists of text; bytea as its bytes; NULL is None."""
        done = subprocess.run([binary("psql"), *FORMAT, "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port), "-U", self.root_user,
                               "-d", database or "postgres", "-c", sql], capture_output=True, timeout=60,
                              env={**os.environ, "PGPASSWORD": self.root_password})
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr.decode(errors='replace')}")
        return parse(done.stdout.decode("utf-8", "surrogateescape"))

    def session(self, database):
        return Session(self, database)

    def send_signal(self, sig):
        os.killpg(self.process.pid, sig)

    def halt(self, sig=signal.SIGINT):
        """End the server (SIGINT: without waiting for its clients); its data stay."""
        if self.process is not None:
            process, self.process = self.process, None
            os.killpg(process.pid, signal.SIGCONT)
            process.send_signal(sig)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def crash(self):
        """Kill the server and all its children, none of which has a chance to say or write anything."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGSTOP)  # it would start its children anew
        children = [int(pid) for pid in subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], check=True,
                                                       capture_output=True, timeout=30).stdout.split()]
        for pid in [process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), what="all of it is gone")

    def stop(self):
        """End the server and remove everything."""
        self.halt(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
