"""Results by content: a file that was heard once is not heard again, whatever its name.

A table of paths with size and time of change makes it unnecessary to read unchanged files at all.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.library.results import VERSION, FileResult, from_dict
from streamgenre.logger import get_logger
from streamgenre.paths import state_dir
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from typing import Self

FILE: Final = "library.sqlite3"
_SETTLED_NS: Final = 2_000_000_000
"""A file that changed this recently may change again without a later time: it is read."""

_log = get_logger(__name__)


class ResultCache:
    """Keeps results in a SQLite file; without a writable file nothing is kept, with a warning.

    Parameters
    ----------
    path
        The file; None for ``library.sqlite3`` in the state folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_dir() / FILE
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Open the file; one that is damaged or of another version is replaced."""
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if self._database is not None:
                self._database.close()
                self._database = None
            if _is_damaged(error):
                _log.warning("%s: damaged (%s); it is begun again", self._path, error)
                with suppress(OSError, sqlite3.DatabaseError):
                    for ending in ("", "-wal", "-shm"):
                        Path(f"{self._path}{ending}").unlink(missing_ok=True)
                    self._open()
        except OSError as error:
            _log.warning("%s: %s", self._path, error_text(error))
        if self._database is None:
            _log.warning("%s: results cannot be kept; every file is heard", self._path)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Each write is a transaction: two runs at once share the file.
        database = self._database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        os.chmod(self._path, 0o600)  # noqa: PTH101 - names of the user's files
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        [version] = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            database.executescript("DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS results;")
        database.executescript(
            "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, "
            "changed_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL) "
            "WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS results (sha256 TEXT, model TEXT, settings TEXT, "
            "result TEXT NOT NULL, PRIMARY KEY (sha256, model, settings)) WITHOUT ROWID;"
            f"PRAGMA user_version={VERSION};"
        )

    def known_hash(self, path: Path, stat: os.stat_result) -> str | None:
        """Return the SHA-256 of a file that has not changed since it was computed, else None.

        Parameters
        ----------
        path
            The file.
        stat
            Its size and times.
        """
        row = self._row(
            "SELECT sha256 FROM files WHERE path=? AND size=? AND changed_ns=? AND inode=?",
            (_key(path), stat.st_size, stat.st_mtime_ns, stat.st_ino),
        )
        return row[0] if row else None

    def keep_hash(self, path: Path, stat: os.stat_result, sha256: str) -> None:
        """Note the SHA-256 of a file.

        Parameters
        ----------
        path
            The file.
        stat
            Its size and times from before it was read.
        sha256
            The hash.
        """
        if time.time_ns() - stat.st_mtime_ns > _SETTLED_NS:
            self._write(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
                (_key(path), stat.st_size, stat.st_mtime_ns, stat.st_ino, sha256),
            )

    def result(self, path: Path, sha256: str, model: str, settings: str) -> FileResult | None:
        """Return the result of a file's content; None if it was not heard yet.

        Parameters
        ----------
        path
            The file, for the result.
        sha256
            Hash of its content.
        model
            Hash of the model.
        settings
            Settings of the decision, as text.
        """
        row = self._row(
            "SELECT result FROM results WHERE sha256=? AND model=? AND settings=?",
            (sha256, model, settings),
        )
        if row is None:
            return None
        try:
            return from_dict(path, json.loads(row[0]))
        except (ValueError, KeyError, TypeError):
            return None

    def keep(self, result: FileResult, settings: str) -> None:
        """Keep a result of a file that was heard.

        Parameters
        ----------
        result
            The result, with the file's hash.
        settings
            Settings of the decision, as text.
        """
        if result.sha256 is not None:
            text = json.dumps(result.as_dict(), separators=(",", ":"))
            self._write(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)",
                (result.sha256, result.model_sha256, settings, text),
            )

    def _row(self, query: str, values: tuple[object, ...]) -> tuple[str] | None:
        if self._database is None:
            return None
        try:
            row: tuple[str] | None = self._database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return row

    def _write(self, query: str, values: tuple[object, ...]) -> None:
        if self._database is None:
            return
        try:
            self._database.execute(query, values)
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on without the file: a cache is no reason to lose the results."""
        _log.warning("%s: results are no longer kept (%s)", self._path, error)
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - without following links


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
