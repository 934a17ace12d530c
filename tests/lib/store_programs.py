# SPDX-License-Identifier: MIT
"""The unit-test programs of the store, which take their database from the environment."""
import os
import subprocess

from build import BIN, patient

FOLDER = os.path.join(os.path.abspath(BIN), "..", "tests")
PROGRAMS = ["unit_store_test_sql", "unit_store_test_store_topology", "unit_store_test_store_file",
            "unit_store_test_store_queue", "unit_store_test_store_calls", "unit_store_test_store_faults"]
FALLIBLE = "unit_store_test_store_fallible"  # takes long on a server, and differs little from one to another


def run_unit(program, env, timeout=280):
    """Run a program with these variables; AssertionError with its output unless all its tests pass."""
    done = subprocess.run([os.path.join(FOLDER, program)], env={**os.environ, **env}, capture_output=True,
                          timeout=patient(timeout))
    if done.returncode != 0:
        raise AssertionError(f"{program}:\n{done.stdout.decode(errors='replace')}{done.stderr.decode(errors='replace')}")
