# SPDX-License-Identifier: MIT
"""Writers and readers that keep a journal, and verify every byte that they get."""
import random
import threading

from client import Client, TrackerError, http
from journal import Value

TIMEOUT = 8
CLASSES = ("two", "sum")
# Answers that say for certain that nothing was changed.
NOTHING_HAPPENED = {"size_verify_error", "size_mismatch", "no_temp_file", "invalid_destdev", "no_devices",
                    "unreg_domain", "unreg_class", "checksum_mismatch"}


class Worker(threading.Thread):
    """A client of some tracker; connects anew after every trouble."""

    def __init__(self, world, number, seed):
        super().__init__(daemon=True)
        self.world, self.number, self.rnd = world, number, random.Random(seed)
        self.journal, self.connection = world.journal, None
        self.done = 0  # operations that went well
        self.error = None

    def client(self):
        if self.connection is None:
            tracker = self.rnd.choice(self.world.trackers)
            self.connection = Client(tracker.address, tracker.port, timeout=TIMEOUT)
        return self.connection

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def run(self):
        try:
            while not self.world.stopping.is_set():
                if self.world.pausing.is_set():
                    self.world.idle.add(self)
                    self.world.stopping.wait(0.02)
                    continue
                self.world.idle.discard(self)
                if not self.step():
                    self.hang_up()
                    self.world.stopping.wait(0.05)
                elif self.rnd.random() < 0.02:
                    self.hang_up()  # so that all trackers are used
                self.world.stopping.wait(self.world.pace)
        except BaseException as e:
            self.error = e
            self.journal.violation(f"{self.name} died: {e!r}")
            raise
        finally:
            self.hang_up()


class Writer(Worker):
    """Owns the keys that begin with its number."""

    def __init__(self, *args):
        super().__init__(*args)
        self.name = f"writer{self.number}"
        self.prefix, self.made = f"w{self.number}/", 0

    def step(self):
        settled = self.journal.keys(self.prefix, settled=True)
        pick = self.rnd.random() + (0.25 if len(settled) > self.world.keys_each else 0)
        if pick < 0.6 or len(settled) < 5:
            self.made += 1
            return self.upload(f"{self.prefix}{self.made}")
        key = self.rnd.choice(settled)
        if pick < 0.75:
            return self.upload(key)
        if pick < 0.85:
            return self.rename(key)
        if pick < 0.9:
            return self.change_class(key)
        return self.delete(key)

    def size(self):
        most = self.rnd.choice((10, 1000, 1000, 20_000, 20_000, 200_000, 1_000_000))
        return self.rnd.randint(1, most)

    def settle(self, what, after, call, nothing_happened):
        """Run the operation `call`, and tell the journal how it went."""
        self.journal.begin(**after)
        try:
            call()
            outcome = "done"
        except TrackerError as e:
            outcome = "failed" if e.code in nothing_happened else "unclear"
            what += f" ({e})"
        except (OSError, AssertionError, ValueError) as e:
            outcome = "unclear"
            what += f" ({e!r})"
        self.journal.end(outcome, what, **after)
        self.done += outcome == "done"
        return outcome == "done"

    def put(self, opened, value):
        """Store the bytes on the first device that takes them; its number."""
        for i in range(1, int(opened["dev_count"]) + 1):
            devid, path = opened[f"devid_{i}"], opened[f"path_{i}"]
            try:
                status, _, _ = http("PUT", path, value.bytes(), timeout=TIMEOUT)
                if 200 <= status < 300:
                    return i
            except (OSError, ValueError, *HTTP_ERRORS):
                pass
            self.journal.put_uncertain(opened["fid"], devid)
        return 0

    def upload(self, key):
        class_ = self.rnd.choice(CLASSES)
        value = Value(key, self.rnd.getrandbits(32), self.size(), class_)
        try:
            opened = self.client().request("create_open", domain=self.world.domain, key=key, multi_dest=1, fid=0,
                                           **{"class": class_})
        except (OSError, AssertionError, TrackerError):
            return False
        value.fid = int(opened["fid"])
        used = self.put(opened, value)
        if not used:
            return False

        def close():
            self.client().request("create_close", domain=self.world.domain, key=key, fid=opened["fid"],
                                  devid=opened[f"devid_{used}"], path=opened[f"path_{used}"], size=value.size)
        if not self.settle(f"store {key} = {value}", {key: value}, close, NOTHING_HAPPENED):
            self.journal.put_uncertain(opened["fid"], opened[f"devid_{used}"])
            return False
        return True

    def delete(self, key):
        return self.settle(f"delete {key}", {key: None}, lambda: self.client().request(
            "delete", domain=self.world.domain, key=key), ())

    def rename(self, key):
        self.made += 1
        to = f"{self.prefix}{self.made}"
        value = self.journal.look(key)[1].pop()
        return self.settle(f"rename {key} {to}", {key: None, to: value}, lambda: self.client().request(
            "rename", domain=self.world.domain, from_key=key, to_key=to), ())

    def change_class(self, key):
        """Changes no value, whatever becomes of it. A file of which a copy is damaged keeps its class: no check finds that in
        a class without checksums.
        """
        damaged = {fid for fid, _ in self.world.flipped}
        if any(value and value.fid in damaged for value in self.journal.allowed(key)):
            return False
        try:
            self.client().request("updateclass", domain=self.world.domain, key=key,
                                  **{"class": self.rnd.choice(CLASSES)})
            return True
        except (OSError, AssertionError, TrackerError):
            return False


class Reader(Worker):
    def __init__(self, *args):
        super().__init__(*args)
        self.name = f"reader{self.number}"

    def step(self):
        # Mostly what is there: of all keys that ever were, few are in a long run.
        keys = (self.rnd.random() < 0.8 and self.journal.keys(settled=True)) or self.journal.keys()
        if not keys:
            return True
        key = self.rnd.choice(keys)
        seen, before = self.journal.look(key)
        try:
            urls = self.client().paths(self.world.domain, key)
        except TrackerError as e:
            if e.code == "unknown_key" and None not in before | self.journal.allowed(key, seen):
                self.journal.violation(f"{key} is said not to be there; it must be one of {before}")
            self.done += e.code == "unknown_key"
            return e.code == "unknown_key"
        except (OSError, AssertionError):
            return False
        for url in urls:
            self.fetch(key, url, seen, before)
        return True

    def fetch(self, key, url, seen, before):
        lies = self.world.lies(url)
        try:
            status, _, body = http("GET", url, timeout=TIMEOUT)
        except (OSError, ValueError, *HTTP_ERRORS):
            return
        if status != 200 or lies or self.world.lies(url):
            return
        self.journal.reads += 1
        allowed = before | self.journal.allowed(key, seen)
        if body not in [v.bytes() for v in allowed if v is not None] and not self.world.lies(url):
            self.journal.violation(f"{key}: {url} gave {len(body)} other bytes {body[:60]!r}; allowed: {allowed}")
            return
        self.done += 1


def http_errors():
    from http.client import HTTPException
    return (HTTPException,)


HTTP_ERRORS = http_errors()
