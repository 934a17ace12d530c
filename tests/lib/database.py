# SPDX-License-Identifier: MIT
"""The tracker's database in a test: SQLite in the scratch folder, or a MariaDB or PostgreSQL server of our own."""
import contextlib
import hashlib
import os
import sqlite3

from daemon import run

KINDS = ("sqlite", "mariadb", "postgres")
# Where tests run that do not say where themselves; the environment variable runs the whole suite elsewhere.
CHOSEN = os.environ.get("MOG_TEST_DB", "")
if CHOSEN and CHOSEN not in KINDS:
    raise SystemExit(f"MOG_TEST_DB={CHOSEN}: it is one of {', '.join(KINDS)}")
DEFAULT = CHOSEN or "sqlite"
# And where those run that need a server of its own.
SERVER = "postgres" if CHOSEN == "postgres" else "mariadb"


def lock_number(name):
    """What a named lock is called where locks have numbers."""
    return int.from_bytes(hashlib.md5(name.encode()).digest()[:4], "big") & 0x7fffffff


class Sqlite:
    """The embedded default: the tracker creates mogilefs.db in its state directory."""

    kind = "sqlite"
    now = "CAST(strftime('%s','now') AS INTEGER)"  # its clock, as an expression of SQL

    def __init__(self, folder):
        self.state_dir = os.path.join(folder, "state")
        os.makedirs(self.state_dir, exist_ok=True)
        self.path = os.path.join(self.state_dir, "mogilefs.db")

    def options(self):
        """The keys of mogilefsd.conf that lead to this database."""
        return {"state_dir": self.state_dir}

    def rows(self, sql):
        """The rows of a query, as lists of text; NULL is None."""
        with sqlite3.connect(self.path, timeout=30) as db:
            db.text_factory = lambda b: b.decode("utf-8", "surrogateescape")
            got = [[None if v is None else v if isinstance(v, str) else
                    v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else str(v) for v in row]
                   for row in db.execute(sql).fetchall()]
        db.close()
        return got

    def execute(self, sql):
        """Change rows behind the tracker's back."""
        with sqlite3.connect(self.path, timeout=30) as db:
            db.execute(sql)
        db.close()

    @staticmethod
    def hex(digits):
        """Bytes, as an expression of SQL."""
        return f"x'{digits}'"

    @contextlib.contextmanager
    def held(self, name):
        """Be another tracker that holds this lock."""
        number = lock_number(name)
        self.execute("INSERT INTO lock (lockid, hostname, pid, acquiredat) "
                     f"VALUES ({number}, 'elsewhere', 1, {self.now})")
        try:
            yield
        finally:
            self.execute(f"DELETE FROM lock WHERE lockid = {number}")

    def close(self):
        pass


class SqliteByUri(Sqlite):
    """The same where the tracker cannot read without waiting: query threads answer all lookups."""

    def __init__(self, folder):
        super().__init__(folder)
        run("mogdbsetup", "--yes", "--type=SQLite", f"--dbname={self.path}")

    def options(self):
        return {**super().options(), "db_dsn": f"DBI:SQLite:uri=file:{self.path}"}


class Server:
    """A database server in the scratch folder with a database that mogdbsetup made."""

    server_class = None  # another one than the kind's own

    def __init__(self, kind, folder, server_options=()):
        self.kind = kind
        self.now = {"mariadb": "UNIX_TIMESTAMP()", "postgres": "EXTRACT(epoch FROM now())::int"}[kind]
        make = self.server_class or __import__(kind).Server
        self.server = make(os.path.join(folder, kind), options=server_options)
        self.type = {"mariadb": "MySQL", "postgres": "Postgres"}[kind]
        try:
            self.server.start()
            self.setup()
        except BaseException:
            self.server.stop()
            raise

    def setup(self, *more):
        """Create the database and its tables."""
        run("mogdbsetup", "--yes", f"--type={self.type}", f"--dbhost={self.server.host}",
            f"--dbport={self.server.port}", "--dbname=mogdb", f"--dbrootuser={self.server.root_user}",
            f"--dbrootpass={self.server.root_password}", "--dbuser=moguser", "--dbpass=mogpass", *more)

    def options(self):
        prefix = {"mariadb": "DBI:mysql:mogdb;", "postgres": "DBI:Pg:dbname=mogdb;"}[self.kind]
        return {"db_dsn": f"{prefix}host={self.server.host};port={self.server.port}", "db_user": "moguser",
                "db_pass": "mogpass"}

    def rows(self, sql):
        return self.server.rows("mogdb", sql)

    def execute(self, sql):
        self.server.rows("mogdb", sql)

    def hex(self, digits):
        return f"x'{digits}'" if self.kind == "mariadb" else f"'\\x{digits}'::bytea"

    def session(self):
        """A connection of our own to this database: see Session of the server's module."""
        return self.server.session("mogdb")

    @contextlib.contextmanager
    def held(self, name):
        """Be another tracker that holds this lock."""
        with self.session() as other:
            took = (f"SELECT GET_LOCK('{name}', 30)" if self.kind == "mariadb" else
                    f"SELECT 1 FROM (SELECT pg_advisory_lock(0, {lock_number(name)})) x")
            assert other.rows(took) == [["1"]], f"the lock {name} was not to be had"
            yield

    def close(self):
        self.server.stop()


def open_database(kind, folder):
    """A fresh, empty database: kind is one of KINDS, None for the default; or a database that is there, as it is.

    "threads": the default, so that query threads answer all lookups.
    """
    kind = kind or DEFAULT
    if not isinstance(kind, str):
        return kind
    if kind == "threads":
        return SqliteByUri(folder) if DEFAULT == "sqlite" else Server(DEFAULT, folder)
    return Sqlite(folder) if kind == "sqlite" else Server(kind, folder)
