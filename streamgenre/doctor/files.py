"""Checks of files: settings, models, history, and disk space for it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.doctor.finding import command, note, ok, problem
from streamgenre.errors import HistoryError, ModelError
from streamgenre.history.clock_trust import belief
from streamgenre.history.connection import ServerError
from streamgenre.history.database import open_to_read
from streamgenre.history.places import Server
from streamgenre.history.settings import FILE_NAME
from streamgenre.inference.head import read_head
from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.model_names import find_model, shipped_models
from streamgenre.inference.own_models import own_models
from streamgenre.paths import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject

ROOM_MB: Final = 50
"""Free disk space in MB below which the history will soon fail."""
ENOUGH_MB: Final = 500
"""Free disk space in MB from which there is nothing to report."""
_DAY_MB: Final = 1.1
"""What one station adds per day in MB, as measured; see docs/history.md."""
_CHECK_S: Final = 30.0
"""Longest time that the check of the history may take in seconds."""
_AS_DAEMON: Final = "run this as the daemon's user: `sudo -u streamgenre streamgenre doctor`"


def config(subject: Subject) -> Iterator[Finding]:
    """Check whether the settings can be used."""
    if subject.config_error is not None:
        do = "correct it; `streamgenre config check` checks it again"
        path = subject.config
        if path is not None and path.exists() and not os.access(path, os.R_OK):
            do = _AS_DAEMON
        yield problem("settings", subject.config_error, do)
    elif subject.config is None:
        yield ok("settings", "no file; the defaults apply")
    else:
        yield ok("settings", f"{subject.config} is valid")


def models(subject: Subject) -> Iterator[Finding]:
    """Check whether the files of every model, shipped, own or in use, match their hashes."""
    intact = []
    for name in dict.fromkeys((*shipped_models(), *own_models(), *subject.models)):
        try:
            manifest = read_manifest(find_model(name))
            read_head(manifest)
            intact.append(name)
        except ModelError as error:
            do = "reinstall streamgenre, correct the folder, or teach or import the model again"
            yield problem("model", str(error), do)
    if intact:
        yield ok("models", f"{', '.join(intact)}: files match their hashes")


def history(subject: Subject) -> Iterator[Finding]:
    """Check whether the history can be read and is undamaged."""
    if subject.history is None:
        yield ok("history", "none is kept")
        return
    if isinstance(subject.history, Server):
        yield _server(subject.history)
        return
    path = expand(subject.history).absolute()
    try:
        if not path.exists() or path.stat().st_size == 0:
            yield _new_file(path)
        elif path.is_dir():
            do = f"name a file in it: `path = {json.dumps(str(path / FILE_NAME))}` under [history]"
            yield problem("history", f"{path} is a folder, but a file is needed", do)
        else:
            yield from _existing_file(path)
    except PermissionError:
        yield problem("history", f"{path}: this user may not read it", _AS_DAEMON)
    except OSError as error:
        do = "name another file as path under [history]"
        yield problem("history", f"{path}: {error.strerror}", do)


def _server(server: Server) -> Finding:
    """Return whether a database answers, and has a history."""
    try:
        with closing(open_to_read(server)) as connection:
            ((size,),) = connection.execute(
                "SELECT pg_database_size(current_database())"
            ).fetchall()
            doubts = belief(connection, time.time()).doubts
    except (HistoryError, ServerError) as error:
        if "no history yet" in str(error):
            return ok("history", f"none yet in {server}, which answers")
        return problem("history", str(error), "correct it, or name another path under [history]")
    if doubts:
        return note("history", f"{server}: {'; '.join(doubts)}", "check the clock: `timedatectl`")
    return ok("history", f"{server} answers; the database has {size / 1e6:.1f} MB")


def _new_file(path: Path) -> Finding:
    """Return whether a history that does not exist yet can be created."""
    there = _nearest(path)
    if not there.is_dir() and there != path:
        words = f"none yet at {path}, and {there} is not a folder: nothing can be written there"
        aside = command("mv", there, f"{there}.old")
        return problem("history", words, f"{aside}, or name another path under [history]")
    where = there if there.is_dir() else there.parent
    if os.access(where, os.W_OK | os.X_OK):
        return ok("history", f"none yet at {path}")
    words = f"none yet at {path}, and this user cannot write to {where}"
    return problem("history", words, f"name another path under [history], or {_AS_DAEMON}")


def _nearest(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    real = Path(os.path.realpath(path))
    return next(part for part in (real, *real.parents) if part.exists())


def _existing_file(path: Path) -> Iterator[Finding]:
    """Check whether a history file can be read and is undamaged."""
    copy = command("cp", path, f"{path}.damaged")
    do = f"{copy} keeps a copy; the daemon moves a damaged file aside and starts a new one"
    try:
        with closing(open_to_read(path)) as connection:
            ends = time.monotonic() + _CHECK_S
            assert isinstance(connection, sqlite3.Connection)
            connection.set_progress_handler(lambda: time.monotonic() > ends, 100_000)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            doubts = belief(connection, time.time()).doubts if verdict == "ok" else ()
    except HistoryError as error:  # the error names the path and says what to do
        denied = isinstance(error.__cause__, PermissionError)
        other = "let the daemon do so, or name another path under [history]"
        yield problem("history", str(error), _AS_DAEMON if denied else other)
    except sqlite3.Error as error:
        if "interrupted" in str(error):
            yield note("history", f"{path} is too large to check within {_CHECK_S:.0f} s")
        else:
            yield problem("history", f"{path}: {error}", do)
    else:
        size = path.stat().st_size / 1e6
        if verdict == "ok":
            yield ok("history", f"{path} is undamaged, {size:.1f} MB")
            for doubt in doubts:
                yield note("history", f"{path}: {doubt}", "check the clock: `timedatectl`")
        else:
            yield problem("history", f"{path} is damaged: {verdict}", do)


def disk(subject: Subject) -> Iterator[Finding]:
    """Check whether there is disk space for the history."""
    if subject.history is None or isinstance(subject.history, Server):
        return
    try:
        there = _nearest(expand(subject.history).absolute())
        folder = there if there.is_dir() else there.parent
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError:
        return  # the check of the history reports it
    days = free_mb / (_DAY_MB * max(1, len(subject.inputs)))
    words = f"{free_mb / 1000:.1f} GB free at {folder}: about {days:.0f} days of history"
    mount = next(part for part in (folder, *folder.parents) if part.is_mount())
    largest = command("sudo", "du", "-xh", "-d2", "-t1M", mount)
    do = f"free some ({largest} shows the largest folders), or lower max_mb under [history]"
    if free_mb < ROOM_MB:
        yield problem("disk", words, do)
    elif free_mb < ENOUGH_MB:
        yield note("disk", words, do)
    else:
        yield ok("disk", words)
