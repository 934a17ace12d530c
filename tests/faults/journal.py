# SPDX-License-Identifier: MIT
"""What was stored and acknowledged under each key, and what a reader may therefore see.

A key belongs to one writer, so its history is a row of operations. An operation without a clear answer (the connection
broke, the database was away) may have happened or may yet happen: its key is never written again, and both outcomes
are allowed for ever.
"""
import hashlib
import threading
import time


class Value:
    """A file's bytes, which follow from a name and a number."""

    def __init__(self, name, version, size, class_):
        self.name, self.version, self.size, self.class_ = name, version, size, class_
        self.fid = None  # once it is known

    def bytes(self):
        head = f"{self.name} {self.version} {self.size}\n".encode()
        return (head + hashlib.shake_128(head).digest(self.size))[:self.size]

    def __repr__(self):
        return f"{self.name}#{self.version} ({self.size} bytes, fid {self.fid})"


class Record:
    """One key. `possible` are the values that it may have now, None among them when it may be absent."""

    def __init__(self):
        self.possible, self.begun, self.frozen = {None}, [], False

    def value(self):
        (value,) = self.possible
        return value


class Journal:
    """All keys. Every method may be called from any thread."""

    def __init__(self, path):
        self.lock = threading.RLock()
        self.records, self.violations = {}, []
        self.uncertain_puts = set()  # (fid, devid): an upload that may have left a file there
        self.acknowledged = self.reads = self.errors = 0
        self.file = open(path, "w", encoding="utf-8", buffering=1)

    def note(self, text):
        with self.lock:
            self.file.write(f"{time.time():.3f} {text}\n")

    def violation(self, text):
        with self.lock:
            self.violations.append(text)
            self.note("VIOLATION " + text)

    def begin(self, **after):
        """An operation starts that sets each key to one value."""
        with self.lock:
            for key, value in after.items():
                record = self.records.setdefault(key, Record())
                assert not record.frozen and len(record.possible) == 1, key
                record.possible = record.possible | {value}
                record.begun.append(value)

    def end(self, outcome, what, **after):
        """It ended: "done", "failed" (nothing has changed), or "unclear"."""
        with self.lock:
            self.acknowledged += outcome == "done"
            self.errors += outcome != "done"
            self.note(f"{outcome} {what}")
            for key, value in after.items():
                record = self.records[key]
                if outcome == "done":
                    record.possible = {value}
                elif outcome == "failed":
                    record.possible = record.possible - {value} or {value}
                else:
                    record.frozen = True

    def allowed(self, key, since=None):
        """What a read may give that began when the key had seen `since` operations (the first element of look())."""
        with self.lock:
            record = self.records[key]
            return set(record.possible) | set(record.begun[since:] if since is not None else [])

    def look(self, key):
        """(operations seen, values possible now): taken before a read."""
        with self.lock:
            record = self.records[key]
            return len(record.begun), set(record.possible)

    def keys(self, prefix="", settled=None):
        """Keys; settled: only those whose last operation is clear and which are there (True)."""
        with self.lock:
            return [k for k, r in self.records.items() if k.startswith(prefix)
                    and (settled is None or not r.frozen and len(r.possible) == 1 and r.value() is not None)]

    def put_uncertain(self, fid, devid):
        with self.lock:
            self.uncertain_puts.add((int(fid), int(devid)))
