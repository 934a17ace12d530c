# SPDX-License-Identifier: MIT
"""The programs of the build, and what their sanitizers ask of a test."""
import os

BIN = os.environ.get("MOG_BIN") or os.path.join(os.path.dirname(__file__), "..", "..", "build", "bin")


def program(name):
    """The path of a program of the build."""
    return os.path.join(os.path.abspath(BIN), name)


def has_mark(*marks):
    try:
        with open(program("mogstored"), "rb") as f:
            text = f.read()
    except FileNotFoundError:
        return False
    return any(mark in text for mark in marks)


def is_sanitized():
    """Whether the programs carry a sanitizer, whose own memory makes figures meaningless."""
    return has_mark(b"__asan_init", b"__tsan_init", b"__msan_init")


# Whether ThreadSanitizer watches the programs.
RACES = has_mark(b"__tsan_init")


def patient(seconds):
    """A deadline, given for programs at their usual speed. ThreadSanitizer makes them many times slower."""
    return seconds * 6 if RACES else seconds
