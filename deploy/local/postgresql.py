# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL, as durable as any: fsync, full_page_writes and synchronous_commit stay on."""

import pathlib
import signal
import subprocess

from guarded import Server, ServerError, as_unprivileged, plain_environment

STOP = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
USER = "chard"


def programs():
    """The folder of initdb and postgres, of the newest version that is installed."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: float(path.parts[-3]))
    if not found:
        raise ServerError("PostgreSQL is not installed (apt-get install postgresql)")
    return found[-1].parent


class PostgreSQL(Server):
    """`settings` are lines of postgresql.conf, e.g. {"wal_level": "logical"}."""

    kind = "postgresql"

    def __init__(self, folder=None, *, database="chard", settings=None):
        super().__init__(folder)
        self.database = database
        self.settings = settings or {}
        self.data = self.folder / "data"
        self.bin = programs()

    @property
    def port(self):
        return self._known["port"]

    @property
    def url(self):
        return self.url_for(self.database)

    def url_for(self, database):
        return f"postgresql://{USER}:{self.password()}@127.0.0.1:{self.port}/{database}"

    def _start(self):
        self.port_for("port")
        fresh = not (self.data / "PG_VERSION").exists()
        if fresh:
            self._initdb()
        self._configure()
        self.launch([self.bin / "postgres", "-D", self.data], plain_environment(self.folder), STOP["fast"])
        self.wait_ready(self._answers, 60)
        if fresh and self.database != "postgres":
            self.sql(f'create database "{self.database}"', database="postgres")

    def _initdb(self):
        """--no-sync is about the files that initdb itself makes, not about the server's."""
        secret = self.write("password", self.password() + "\n")
        done = subprocess.run(
            [self.bin / "initdb", "-D", self.data, "-U", USER, "--pwfile", secret, "--auth", "scram-sha-256",
             "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"],
            env=plain_environment(self.folder), cwd=self.folder, capture_output=True, text=True, **as_unprivileged())
        if done.returncode:
            raise ServerError(f"initdb: {done.stderr}")

    def _configure(self):
        lines = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                 "max_connections": 200, "log_destination": "stderr"} | self.settings
        text = "".join(f"{name} = '{value}'\n" for name, value in lines.items())
        self.write("chard.conf", text)
        main = self.data / "postgresql.conf"
        include = f"include = '{self.folder}/chard.conf'\n"
        if include not in main.read_text():
            with main.open("a") as file:
                file.write(include)

    def _answers(self):
        asked = subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)])
        return asked.returncode == 0

    def sql(self, statement, database=None):
        """Runs it with psql and returns what that prints: rows of tab-separated values."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", statement,
             self.url_for(database or self.database)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise ServerError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def stop(self, mode="fast"):
        """`mode` as pg_ctl has them: smart waits for clients, fast drops them, immediate skips the
        checkpoint."""
        self.end(STOP[mode], 60)
