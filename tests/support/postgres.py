"""Debian's PostgreSQL for tests: a server of its own, with a database for each test."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from support.radio_server import free_port
from support.requirements import require_programs

from streamgenre.history.places import Server
from streamgenre.history.postgres import open_to_write

if TYPE_CHECKING:
    from collections.abc import Sequence

USER = "radio"
PASSWORD = "s3cret/p w%40"


class PostgresServer:
    """A server on loopback and on a socket; local users need no password, others do."""

    def __init__(self) -> None:
        newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self._programs = newest[-1] if newest else Path("/usr/bin")
        if not newest:
            require_programs("initdb", "postgres")
        memory = Path("/dev/shm")
        roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2e9
        where = memory if roomy else None
        self.folder = Path(tempfile.mkdtemp(prefix="streamgenre-postgres-", dir=where))
        self.port = free_port()
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                             "--clear-groups"]  # fmt: skip
        self.data = self.folder / "data"
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self.data, "-U", USER, "-A", "trust", "--auth-host=scram-sha-256",
            f"--pwfile={secret}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.start()

    def _run(self, program: str, *arguments: object) -> None:
        words = [*self._as_user, str(self._programs / program), *map(str, arguments)]
        subprocess.run(words, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start the server unless it runs."""
        if self._process is not None:
            return
        settings = (
            f"port={self.port}", "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}", "fsync=off",
            "max_connections=40", "shared_buffers=32MB",
        )  # fmt: skip
        words = [
            *(self._as_user or ["setpriv"]), "--pdeathsig", "INT",
            str(self._programs / "postgres"), "-D", str(self.data),
        ]  # fmt: skip
        for setting in settings:
            words += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd="/")
        ends = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < ends, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once: SIGINT ends all connections, SIGQUIT is as good as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@:{self.port}/{database}?host={self.folder}"

    def over_tcp(self, place: Server, password: str = PASSWORD) -> str:
        """The URL of a place over TCP, where a password is needed."""
        login = f"{USER}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{name_of(place)}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def database(self, like: Server | None = None, **options: str) -> Server:
        """A new database, empty or a copy."""
        name = f"d{next(self._numbers)}"
        template = name_of(like) if like else "template0"
        words = " ".join(f"{key} = {value}" for key, value in options.items())
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} {words}")
        return Server(self.url(name))

    def copy_of(self, file: Path) -> Server:
        """A new database with the rows of a history in a file."""
        place = self.database()
        open_to_write(place, busy_s=5).close()
        with (
            closing(sqlite3.connect(file)) as source,
            closing(psycopg.connect(place.url, autocommit=True)) as target,
        ):
            tables = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = source.execute(f"SELECT * FROM {table}")
                names = ", ".join(name for name, *_ in rows.description)
                with target.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        return place


def name_of(place: Server) -> str:
    """The database of a place."""
    return place.url.partition("?")[0].rpartition("/")[2]


def query(place: Server, sql: str, values: Sequence[object]) -> list[tuple[object, ...]]:
    """The rows that a statement of the history returns, through PostgreSQL alone."""
    from psycopg.types.numeric import FloatLoader

    from streamgenre.history.postgres_sql import translated

    with closing(
        psycopg.connect(place.url, autocommit=True, cursor_factory=psycopg.RawCursor)
    ) as connection:
        connection.adapters.register_loader("numeric", FloatLoader)
        cursor = connection.execute(translated(sql), values or None)
        with suppress(psycopg.ProgrammingError):  # nothing to fetch
            return list(cursor.fetchall())
    return []
