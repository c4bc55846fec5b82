"""Files: settings, models, history, and the room for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.doctor.finding import note, ok, problem
from streamgenre.errors import HistoryError, ModelError
from streamgenre.history.database import open_to_read
from streamgenre.manifest import read_manifest, shipped_folder, shipped_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject

ROOM_MB: Final = 50
"""Free disk in MB under which the history is about to fail."""
ENOUGH_MB: Final = 500
_DAY_MB: Final = 1.1
"""What a station adds in a day, measured; see docs/history.md."""
_CHECK_S: Final = 30.0
"""Longest check of the history."""
_AS_DAEMON: Final = "run this as the daemon's user: `sudo -u streamgenre streamgenre doctor`"


def config(subject: Subject) -> Iterator[Finding]:
    """Whether the settings can be used."""
    if subject.config_error is not None:
        do = "correct it; `streamgenre config check` says when it is right"
        path = subject.config
        if path is not None and path.exists() and not os.access(path, os.R_OK):
            do = _AS_DAEMON
        yield problem("settings", subject.config_error, do)
    elif subject.config is None:
        yield ok("settings", "no file; the defaults hold")
    else:
        yield ok("settings", f"{subject.config} is valid")


def models(subject: Subject) -> Iterator[Finding]:
    """Whether every model is whole, by its hash."""
    whole = []
    shipped = [shipped_folder() / name for name in shipped_models()]
    for folder in [*shipped, *map(Path, subject.models)]:
        try:
            whole.append(read_manifest(folder).name)
        except ModelError as error:
            yield problem("model", str(error), "install streamgenre again, or correct the folder")
    if whole:
        yield ok("models", f"{', '.join(whole)} are whole, as their hashes say")


def history(subject: Subject) -> Iterator[Finding]:
    """Whether the history can be read and is whole."""
    path = subject.history
    if path is None:
        yield ok("history", "none is kept")
        return
    try:
        there = path.exists()
    except PermissionError:
        yield problem("history", f"{path}: you may not look in there", _AS_DAEMON)
        return
    if not there:
        folder = next(parent for parent in path.parents if parent.exists())
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            yield ok("history", f"none yet at {path}")
        else:
            words = f"none yet at {path}, and {folder} cannot be written by this user"
            yield problem("history", words, f"choose another path, or {_AS_DAEMON}")
        return
    do = "the daemon sets a damaged file aside by itself and begins anew; copy it away before"
    try:
        with closing(open_to_read(path)) as connection:
            ends = time.monotonic() + _CHECK_S
            connection.set_progress_handler(lambda: time.monotonic() > ends, 100_000)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            yield problem("history", f"{path}: {error}", do)
            return
        yield note("history", f"{path} is so large that it is not checked within {_CHECK_S:.0f} s")
    except (sqlite3.Error, HistoryError) as error:
        yield problem("history", f"{path}: {error}", do)
    else:
        size = path.stat().st_size / 1e6
        if verdict == "ok":
            yield ok("history", f"{path} is whole, {size:.1f} MB")
        else:
            yield problem("history", f"{path} is damaged: {verdict}", do)


def disk(subject: Subject) -> Iterator[Finding]:
    """Whether there is room for the history."""
    if subject.history is None:
        return
    try:
        folder = next(path for path in [subject.history, *subject.history.parents] if path.exists())
    except PermissionError:
        return  # told of by `history`
    free_mb = shutil.disk_usage(folder).free / 1e6
    days = free_mb / (_DAY_MB * max(1, len(subject.inputs)))
    words = f"{free_mb / 1000:.1f} GB free at {folder}: about {days:.0f} days of history"
    do = "free some, or lower max_mb of the history"
    if free_mb < ROOM_MB:
        yield problem("disk", words, do)
    elif free_mb < ENOUGH_MB:
        yield note("disk", words, do)
    else:
        yield ok("disk", words)
