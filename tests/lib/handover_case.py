# SPDX-License-Identifier: MIT
"""Load while one process takes the place of another: what was refused, what was lost."""
import os
import select
import signal
import socket
import subprocess
import threading
import time

from build import patient, program
from waiting import wait_until


class Load:
    """`threads` threads that call `work(thread, number)` until `total` calls are done; each must return without an error."""

    def __init__(self, total, threads, work):
        self.total, self.work = total, work
        self.lock = threading.Lock()
        self.begun = self.done = 0
        self.errors, self.times = [], []
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(threads)]

    def run(self, thread):
        while True:
            with self.lock:
                if self.begun >= self.total:
                    return
                number = self.begun
                self.begun += 1
            start = time.monotonic()
            try:
                self.work(thread, number)
            except Exception as e:  # all of them are what the test is about
                with self.lock:
                    self.errors.append(f"request {number}: {e!r}")
                if len(self.errors) > 20:
                    return
                continue
            with self.lock:
                self.done += 1
                self.times.append(time.monotonic() - start)

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def wait_done(self, count, seconds=60):
        wait_until(lambda: self.done >= count or self.errors, seconds, f"{count} requests", pause=0.01)

    def finish(self, seconds=60):
        for thread in self.threads:
            thread.join(patient(seconds))
            assert not thread.is_alive(), f"{self.done} of {self.total} requests after {patient(seconds)} s"


def read_pid(path):
    with open(path) as f:
        return int(f.read().strip())


def is_gone(pid):
    """Whether it has ended; a zombie, whose parent is another, counts."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def end(pid, sig=signal.SIGTERM):
    if not is_gone(pid):
        os.kill(pid, sig)
        wait_until(lambda: is_gone(pid), what=f"process {pid} ends")


class Notify:
    """What a daemon tells systemd."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.lines = []

    def read(self):
        while select.select([self.sock], [], [], 0)[0]:
            self.lines += self.sock.recv(4096).decode().splitlines()
        return self.lines

    def close(self):
        self.sock.close()


def start_with_sockets(name, args, sockets, env=None, log=subprocess.DEVNULL):
    """Start a daemon as systemd does, with listening sockets as descriptors 3 and up."""
    def place():
        fds = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(fds):
            os.dup2(fd, 3 + i, inheritable=True)
            os.close(fd)

    # The child must know its own pid before it begins: a shell that becomes the daemon does.
    script = 'export LISTEN_PID=$$; exec "$0" "$@"'
    return subprocess.Popen(["/bin/sh", "-c", script, program(name), *args], preexec_fn=place, close_fds=False,
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            env={**os.environ, **(env or {}), "LISTEN_FDS": str(len(sockets))})
