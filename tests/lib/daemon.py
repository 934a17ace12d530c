# SPDX-License-Identifier: MIT
"""Programs of the build: running one to its end, and daemons that must end cleanly."""
import ctypes
import os
import resource
import signal
import subprocess

from build import BIN, patient, program  # noqa: F401
from waiting import DEADLINE, port_open, wait_until

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def run(name, *args, check=0, stdin=None, timeout=60, env=None, cwd=None):
    """Run a program to its end and return the CompletedProcess, with bytes in stdout and stderr.

    `check` is the exit status that it must have; None: any.
    """
    done = subprocess.run([program(name), *map(str, args)], input=stdin, capture_output=True, cwd=cwd,
                          timeout=patient(timeout), stdin=subprocess.DEVNULL if stdin is None else None,
                          env={**os.environ, **(env or {})})
    if check is not None and done.returncode != check:
        raise AssertionError(f"{name} {' '.join(map(str, args))}: exit status {done.returncode}, expected {check}\n"
                             f"{done.stdout.decode(errors='replace')}{done.stderr.decode(errors='replace')}")
    return done


def die_with_parent():
    """A test that is killed must not leave daemons behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def group_is_gone(pgid):
    try:
        os.killpg(pgid, 0)
        return False
    except ProcessLookupError:
        return True


class Daemon:
    """A daemon in the foreground, in a process group of its own, with its output in a file."""

    nofile = None  # how many descriptors it may have; None: as many as we

    def __init__(self, name, args, folder, label=None, env=None):
        self.name, self.args = name, [str(a) for a in args]
        self.label = label or name
        self.log_path = os.path.join(folder, self.label + ".log")
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def start(self):
        assert self.process is None, f"{self.label} runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([program(self.name), *self.args], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.env, start_new_session=True,
                                            preexec_fn=self.before_exec)
        return self

    def before_exec(self):
        if self.nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, self.nofile))
        die_with_parent()

    def wait_listening(self, address, port, seconds=DEADLINE):
        """Wait until it listens; an early end is reported with its output."""
        def listening():
            if self.process.poll() is not None:
                status, self.process = self.process.returncode, None
                raise RuntimeError(f"{self.label} ended with {status} while it started:\n{self.log()}")
            return port_open(address, port)
        wait_until(listening, seconds, f"{self.label} listens on {address}:{port}")

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=DEADLINE):
        """End it by a signal: it must end with status 0 and leave no process behind."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.wait_end(seconds)

    def wait_end(self, seconds=DEADLINE, status=0):
        """Wait for its end, which somebody else causes: status 0, and no process left."""
        process, self.process = self.process, None
        try:
            ended = process.wait(patient(seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)
            process.wait()
            raise AssertionError(f"{self.label} did not end within {patient(seconds):g} s") from None
        left = not group_is_gone(process.pid)
        if left:
            os.killpg(process.pid, signal.SIGKILL)
        if ended != status:
            raise AssertionError(f"{self.label} ended with status {ended}, expected {status}\n{self.log()[-4000:]}")
        assert not left, f"{self.label} ended and left processes behind"

    def kill(self):
        """End it the hard way, as a crash would."""
        if self.process is not None:
            process, self.process = self.process, None
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def memory_kib(self):
        """Its resident memory."""
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError(f"{self.label} has no resident memory")

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""
