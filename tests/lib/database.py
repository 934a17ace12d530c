# SPDX-License-Identifier: MIT
"""The tracker's database in a test: SQLite in the scratch folder, or a MariaDB or PostgreSQL server of our own."""
import os
import sqlite3

from daemon import run


class Sqlite:
    """The embedded default: the tracker creates mogilefs.db in its state directory."""

    kind = "sqlite"

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

    def close(self):
        pass


class Server:
    """A database server in the scratch folder with a database that mogdbsetup made."""

    def __init__(self, kind, folder, server_options=()):
        self.kind = kind
        module = __import__(kind)
        self.server = module.Server(os.path.join(folder, kind), options=server_options)
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

    def close(self):
        self.server.stop()


def open_database(kind, folder):
    """A fresh, empty database: kind is "sqlite", "mariadb" or "postgres"; or a database that is there, as it is."""
    if not isinstance(kind, str):
        return kind
    return Sqlite(folder) if kind == "sqlite" else Server(kind, folder)
