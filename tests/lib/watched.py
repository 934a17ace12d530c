# SPDX-License-Identifier: MIT
"""Run one test of programs that ThreadSanitizer watches: it also fails when there is a report, which is printed.

usage: watched.py TEST.py ARGUMENTS...
The environment variable MOG_RACES names a folder where the reports stay, named after the test, which then fails each time.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from daemon import die_with_parent

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPRESSIONS = os.path.join(HERE, "races.supp")
PYTHON = sys.executable
# A race ends no program, and changes no exit status: one run finds them all, and the test goes its usual way.
OPTIONS = "halt_on_error=0:exitcode=0:second_deadlock_stack=1:history_size=4"


def fixed_layout():
    """ThreadSanitizer cannot live with every layout that the kernel may choose; not every container lets us fix it."""
    command = ["setarch", "-R"]
    try:
        return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else []
    except FileNotFoundError:
        return []


def main():
    script, *arguments = sys.argv[1:]
    name = os.path.splitext(os.path.relpath(script, os.path.dirname(HERE)))[0].replace(os.sep, ".")
    kept = os.environ.get("MOG_RACES")
    folder = kept or tempfile.mkdtemp(prefix="mogtest-")
    os.chmod(folder, 0o1777)  # some daemons give up root
    try:
        options = f"{OPTIONS}:suppressions={SUPPRESSIONS}:log_path={folder}/{name}:{os.environ.get('TSAN_OPTIONS', '')}"
        done = subprocess.run([*fixed_layout(), PYTHON, script, *arguments], preexec_fn=die_with_parent,
                              env={**os.environ, "TSAN_OPTIONS": options})
        reports = sorted(glob.glob(f"{glob.escape(folder)}/{name}.*"))
        for path in reports:
            with open(path, errors="replace") as f:
                print(f.read(), file=sys.stderr)
        return done.returncode or (1 if reports else 0)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
