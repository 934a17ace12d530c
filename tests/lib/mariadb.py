# SPDX-License-Identifier: MIT
"""A MariaDB server of our own, in a scratch folder and on a free port of 127.0.0.1."""
import os
import shutil
import signal
import subprocess
import tempfile

from daemon import die_with_parent
from waiting import free_port, wait_until

ESCAPES = {ord("n"): b"\n", ord("t"): b"\t", ord("0"): b"\0", ord("\\"): b"\\"}


def unescape(cell):
    """A cell as the client prints it in batch mode, with its escapes undone; NULL is None."""
    if cell == b"NULL":
        return None
    out, rest = b"", cell
    while b"\\" in rest:
        plain, _, rest = rest.partition(b"\\")
        out += plain + ESCAPES.get(rest[0], rest[:1])
        rest = rest[1:]
    return (out + rest).decode("utf-8", "surrogateescape")


class Session:
    """One connection of the server's own client, which keeps its locks and transactions from call to call."""

    MARK = b"--- that was all ---"

    def __init__(self, server, database, user="root"):
        self.process = subprocess.Popen(
            ["mariadb", "--no-defaults", f"--socket={server.socket}", f"-u{user}", "-N", "-B", "-n", "--force",
             "--default-character-set=binary", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    def send(self, sql):
        """Begin a statement that may have to wait; answer() has its rows."""
        self.process.stdin.write(os.fsencode(sql) + b";\nSELECT '" + self.MARK + b"';\n")
        self.process.stdin.flush()

    def answer(self):
        lines = []
        while (line := self.process.stdout.readline().rstrip(b"\n")) != self.MARK:
            if line == b"" and self.process.poll() is not None:
                raise AssertionError(f"the client ended: {lines}")
            lines.append(line)
        if lines and lines[-1].startswith(b"ERROR "):
            raise AssertionError(lines[-1].decode(errors="replace"))
        return [[unescape(cell) for cell in line.split(b"\t")] for line in lines]

    def rows(self, sql):
        """Run one statement: its rows, as lists of text; NULL is None. AssertionError with the server's message."""
        self.send(sql)
        return self.answer()

    def close(self):
        if self.process is not None:
            process, self.process = self.process, None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # it waits for an answer
                process.kill()
                process.wait()
            process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """start() ... stop(); may be started again on the same data and port."""

    host = "127.0.0.1"
    root_user = "root"
    root_password = "rootpass"

    def __init__(self, folder=None, options=()):
        # A short path of its own: sockets allow 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="mogtest-maria-")
        self.data = os.path.join(self.folder, "data")
        # Of its own: temporary tables are named by process id alone, and a server that starts removes others' too.
        self.tmpdir = os.path.join(self.folder, "tmp")
        os.mkdir(self.tmpdir)
        self.socket = os.path.join(self.folder, "sock")
        self.log_path = os.path.join(self.folder, "log")
        self.port = free_port(self.host)
        self.options, self.process = list(options), None
        self.account = "root"  # who to be when started by root

    def user(self):
        return [f"--user={self.account}"] if os.geteuid() == 0 else []

    def install(self):
        done = subprocess.run(["mariadb-install-db", "--no-defaults", *self.user(), f"--datadir={self.data}",
                               f"--tmpdir={self.tmpdir}", "--skip-test-db",
                               "--auth-root-authentication-method=normal"], capture_output=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"mariadb-install-db: {done.stdout.decode()}{done.stderr.decode()}")

    def start(self):
        fresh = not os.path.isdir(self.data)
        if fresh:
            self.install()
        self.launch()
        wait_until(self.ready, what="the database server answers")
        if fresh:
            self.client("", f"CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{self.root_password}';"
                            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;")
        return self

    def launch(self):
        """Start the process; who calls this waits until it is ready()."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", *self.user(), f"--datadir={self.data}", f"--socket={self.socket}",
                 f"--tmpdir={self.tmpdir}",
                 f"--port={self.port}", f"--bind-address={self.host}", "--skip-networking=0", "--skip-name-resolve",
                 f"--pid-file={self.folder}/pid", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
                 "--innodb-flush-log-at-trx-commit=2", "--skip-log-bin", "--max-connections=300", *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent)

    def ready(self):
        if self.process.poll() is not None:
            with open(self.log_path, errors="replace") as log:
                raise RuntimeError("mariadbd ended while it started:\n" + log.read()[-4000:])
        return subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-uroot", "ping"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30).returncode == 0

    def client(self, database, sql):
        """Run statements as root over the socket; what the client printed."""
        done = subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-N", "-B",
                               "--default-character-set=binary", database], input=os.fsencode(sql),
                              capture_output=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def session(self, database, **more):
        return Session(self, database, **more)

    def rows(self, database, sql):
        """The rows of a query, as lists of text; NULL is None."""
        return [[unescape(cell) for cell in line.split(b"\t")] for line in self.client(database, sql).splitlines()]

    def send_signal(self, sig):
        self.process.send_signal(sig)

    def halt(self, sig=signal.SIGTERM):
        """End the server; its data stay."""
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(signal.SIGCONT)
            process.send_signal(sig)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop(self):
        """End the server and remove everything."""
        self.halt(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
