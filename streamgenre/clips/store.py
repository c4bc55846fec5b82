"""The clips of a folder: FLAC files and an index in SQLite, for any number of processes.

What adds clips within the limits is :mod:`streamgenre.clips.adding`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from streamgenre.clips.clip import Clip, Facts
from streamgenre.clips.folder import INDEX, clip_files, make_private
from streamgenre.errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID: Final = 0x7367_636C
_VERSION: Final = 1
_TABLES: Final = (
    """CREATE TABLE clips (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, station TEXT NOT NULL,
        start_time REAL NOT NULL, end_time REAL NOT NULL, artist TEXT, title TEXT,
        uncertainty REAL NOT NULL, probabilities TEXT NOT NULL, tags TEXT, model TEXT NOT NULL,
        model_sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, label TEXT, labelled REAL,
        labelled_by TEXT, skipped INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX clips_by_station ON clips (station, end_time)",
)
_COLUMNS: Final = (
    "id, name, station, start_time, end_time, artist, title, uncertainty, probabilities, tags, "
    "model, model_sha256, bytes, label, labelled, labelled_by"
)
_BUSY_S: Final = 5.0
_ORPHAN_S: Final = 600.0
"""Seconds after which a file without a row is left over from a process that was killed."""


class DamagedIndexError(ClipError):
    """The index is not one, or is damaged."""


class ClipStore:
    """The clips of a folder.

    Parameters
    ----------
    folder
        The folder; created, with mode 0700, if ``create``.
    create
        Whether to create what is missing.

    Raises
    ------
    ClipError
        If no clips are kept, or the index cannot be used.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        """The folder."""
        self.connection: sqlite3.Connection
        """The index, in autocommit mode."""
        path = folder / INDEX
        with self.in_words():
            if create:
                make_private(folder)
                # SQLite gives its other files the mode of this one.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
                path.chmod(0o600)  # whatever the umask
            elif not path.exists():
                raise ClipError(
                    f"{folder}: no clips yet. `streamgenre listen --keep-uncertain SECONDS` keeps "
                    "some of what the model is unsure of"
                )
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self.in_words():
                self._prepare()
                self._delete_orphans()
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        run = self.connection.execute
        if run("PRAGMA user_version").fetchone()[0] == 0:
            with self.transaction():
                if run("PRAGMA user_version").fetchone()[0] == 0:  # no other process just did it
                    for statement in _TABLES:
                        run(statement)
                    run(f"PRAGMA application_id = {_APPLICATION_ID}")
                    run(f"PRAGMA user_version = {_VERSION}")
        version = run("PRAGMA user_version").fetchone()[0]
        if run("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID or version != _VERSION:
            raise ClipError(
                f"{self.folder / INDEX}: not an index of clips that this streamgenre can read; "
                "update streamgenre, or choose another folder under [clips]"
            )
        run("PRAGMA secure_delete = ON")

    def close(self) -> None:
        """Close the index."""
        self.connection.close()

    @property
    def path_exists(self) -> bool:
        """Whether the index is still there: its folder may have been removed."""
        return (self.folder / INDEX).exists()

    def path(self, clip: Clip) -> Path:
        """Return the file of a clip."""
        return self.folder / clip.name

    # ---- reading -------------------------------------------------------------------------------

    def clips(self) -> list[Clip]:
        """Return all clips: those without a label first, the least certain of them first."""
        return self._read("ORDER BY label IS NOT NULL, skipped, uncertainty DESC, id")

    def get(self, number: int) -> Clip | None:
        """Return the clip of an id; None where there is none any more."""
        return next(iter(self._read("WHERE id = ?", number)), None)

    def unlabelled(self, but: set[int] | frozenset[int] = frozenset()) -> Clip | None:
        """Return the least certain clip without a label, apart from some ids; None if none."""
        found = self._read("WHERE label IS NULL ORDER BY skipped, uncertainty DESC, id")
        return next((clip for clip in found if clip.id not in but), None)

    def summary(self) -> dict[str, int]:
        """Return how many clips are ``kept``, how many are ``labelled``, and their ``bytes``."""
        with self.in_words():
            row = self.connection.execute(
                "SELECT count(*), count(label), coalesce(sum(bytes), 0) FROM clips"
            ).fetchone()
        return dict(zip(("kept", "labelled", "bytes"), row, strict=True))

    def genres(self) -> list[str]:
        """Return the genres that labels name."""
        with self.in_words():
            rows = self.connection.execute(
                "SELECT DISTINCT label FROM clips WHERE label <> '' ORDER BY label"
            ).fetchall()
        return [name for (name,) in rows]

    def _read(self, rest: str, *values: object) -> list[Clip]:
        with self.in_words():
            rows = self.connection.execute(
                f"SELECT {_COLUMNS} FROM clips {rest}", values
            ).fetchall()
        return [_clip(row) for row in rows]

    # ---- labels --------------------------------------------------------------------------------

    def set_label(self, number: int, label: str, by: str = "person") -> bool:
        """Label a clip, unless it has a label or is gone.

        Parameters
        ----------
        number
            Its id.
        label
            Genre, or :data:`~streamgenre.clips.clip.NO_MUSIC`.
        by
            ``person``, or ``history``.

        Returns
        -------
        bool
            Whether it was labelled.
        """
        return self._change(
            "label = ?, labelled = ?, labelled_by = ? WHERE id = ? AND label IS NULL",
            *(label, time.time(), by, number),
        )

    def remove_label(self, number: int) -> bool:
        """Remove the label of a clip; return whether it had one."""
        return self._change(
            "label = NULL, labelled = NULL, labelled_by = NULL WHERE id = ? AND label IS NOT NULL",
            number,
        )

    def skip(self, number: int, times: int = 1) -> bool:
        """Put a clip after those that were skipped less often.

        Parameters
        ----------
        number
            Its id.
        times
            1; -1 to undo it.

        Returns
        -------
        bool
            Whether there is such a clip.
        """
        return self._change("skipped = skipped + ? WHERE id = ?", times, number)

    def within(self, station: str, start: float, end: float) -> list[Clip]:
        """Return the clips of a station whose larger part lies within a span.

        Parameters
        ----------
        station
            Its name.
        start, end
            UNIX seconds.
        """
        return self._read(
            "WHERE station = ? AND start_time + end_time BETWEEN ? AND ?",
            *(storable(station), 2 * start, 2 * end),
        )

    def _change(self, change: str, *values: object) -> bool:
        with self.in_words():
            return self.connection.execute(f"UPDATE clips SET {change}", values).rowcount > 0

    # ---- deleting ------------------------------------------------------------------------------

    def delete(self, number: int) -> bool:
        """Delete a clip, with its label; return whether it was there."""
        clip = self.get(number)
        if clip is None:
            return False
        with self.in_words():
            self.delete_where("id = ?", number)
            self.unlink([clip.name])
        return True

    def delete_where(self, condition: str, value: object) -> bool:
        """Delete rows; return whether there were any.

        Parameters
        ----------
        condition
            SQL with one ``?``.
        value
            Its value.
        """
        return (
            self.connection.execute(f"DELETE FROM clips WHERE {condition}", (value,)).rowcount > 0
        )

    def unlink(self, names: list[str]) -> None:
        """Delete files that may be gone already."""
        for name in names:
            with suppress(FileNotFoundError):
                (self.folder / name).unlink()

    def _delete_orphans(self) -> None:
        """Delete files without a row, which processes left that were killed."""
        known = {name for (name,) in self.connection.execute("SELECT name FROM clips")}
        for path in clip_files(self.folder):
            with suppress(OSError):
                if path.name not in known and path.stat().st_mtime < time.time() - _ORPHAN_S:
                    path.unlink()

    # ---- errors --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing of what the block writes."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Raise errors of the disk and of SQLite as :class:`ClipError`."""
        try:
            yield
        except sqlite3.Error as error:
            words = str(error)
            if "malformed" in words or "not a database" in words:
                raise DamagedIndexError(
                    f"{self.folder / INDEX}: {words}; the index is damaged: move the folder aside, "
                    "or delete its clips with `streamgenre label --forget-all`"
                ) from error
            do = "free space or correct the folder's permissions"
            raise ClipError(f"{self.folder / INDEX}: {words}; {do}") from error
        except OSError as error:
            where = error.filename or self.folder
            raise ClipError(f"{where}: {error.strerror or error}") from error


def storable(text: str | None) -> str | None:
    """Return text that SQLite can store: without lone surrogates."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _clip(row: tuple[Any, ...]) -> Clip:
    station, start, end, artist, title, uncertain = row[2:8]
    probabilities, tags, model, sha256, size, label, labelled, by = row[8:]
    return Clip(
        row[0],
        row[1],
        Facts(
            *(station, start, end, artist, title, uncertain),
            *(json.loads(probabilities), json.loads(tags), model, sha256),
        ),
        size,
        label,
        labelled,
        by,
    )
