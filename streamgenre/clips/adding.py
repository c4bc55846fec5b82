"""Adds clips to a folder within its limits: the surest clips are deleted first.

Every worker of a daemon writes to the same folder, so the limits hold for all of them together: a
clip is added in a transaction that also deletes what has to go.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Final

from streamgenre.clips.flac import encode
from streamgenre.clips.folder import TEMPORARY
from streamgenre.clips.store import storable

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.clips.clip import NewClip
    from streamgenre.clips.settings import ClipSettings
    from streamgenre.clips.store import ClipStore

_DAY_S: Final = 86_400.0
_CLOCK_IS_SET: Final = 1_735_689_600.0
"""A clock before 2025 has not been set yet: nothing is too old by it."""


class _SurerError(Exception):
    """The new clip is surer than all that could be deleted for it."""


def add(store: ClipStore, new: NewClip, settings: ClipSettings, now: float | None = None) -> bool:
    """Keep a clip, if it is among the least certain ones that fit into the limits.

    Parameters
    ----------
    store
        The clips.
    new
        The clip.
    settings
        The limits.
    now
        UNIX seconds of the present; None for the system clock.

    Returns
    -------
    bool
        Whether it is kept.

    Raises
    ------
    ClipError
        If it cannot be written; then nothing has changed.
    """
    tidy(store, settings, now)
    data = encode(new.samples, new.rate)
    path = store.folder / new.name
    with store.in_words():
        try:
            with store.transaction():
                gone = _make_room(store, new, len(data), settings)
                _write(path, data)
                _insert(store, new, len(data))
        except _SurerError:
            return False
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        store.unlink(gone)
    return True


def tidy(store: ClipStore, settings: ClipSettings, now: float | None = None) -> None:
    """Delete what is too old or beyond the limits, which may be lower than they were.

    Parameters
    ----------
    store
        The clips.
    settings
        The limits.
    now
        UNIX seconds of the present; None for the system clock.
    """
    expire(store, settings.keep_days, now)
    with store.in_words():
        with store.transaction():
            surest = _surest(store)
            count, used = _sums(store)
            gone = []
            while surest and (count > settings.max_clips or used > 1e6 * settings.max_mb):
                name, freed, _ = surest.pop(0)
                store.delete_where("name = ?", name)
                gone.append(name)
                count, used = count - 1, used - freed
        store.unlink(gone)


def expire(store: ClipStore, keep_days: float, now: float | None = None) -> int:
    """Delete the clips without a genre's label that are too old.

    So are those whose time is as far in the future: a clock was wrong, and their age is unknown.

    Parameters
    ----------
    store
        The clips.
    keep_days
        Days for which they are kept.
    now
        UNIX seconds of the present; None for the system clock.

    Returns
    -------
    int
        How many were deleted.
    """
    now = time.time() if now is None else now
    if now < _CLOCK_IS_SET:
        return 0
    with store.in_words():
        old = store.connection.execute(
            "SELECT name FROM clips WHERE abs(end_time - ?) > ? AND coalesce(label, '') = ''",
            (now, _DAY_S * keep_days),
        ).fetchall()
        for (name,) in old:
            store.delete_where("name = ?", name)
        store.unlink([name for (name,) in old])
    return len(old)


def _make_room(store: ClipStore, new: NewClip, size: int, settings: ClipSettings) -> list[str]:
    """Delete the rows of the surest clips that are in the way; return the names of their files.

    Raises
    ------
    _SurerError
        If the new clip is surer; what was deleted comes back with the transaction.
    """
    gone = []
    if new.replaces and store.delete_where("label IS NULL AND name = ?", new.replaces):
        gone.append(new.replaces)
    count, used = _sums(store)
    for name, freed, uncertain in _surest(store):
        if count < settings.max_clips and used + size <= 1e6 * settings.max_mb:
            break
        if uncertain >= new.facts.uncertainty:
            raise _SurerError
        store.delete_where("name = ?", name)
        gone.append(name)
        count, used = count - 1, used - freed
    if count >= settings.max_clips or used + size > 1e6 * settings.max_mb:
        raise _SurerError  # all others have labels
    return gone


def _sums(store: ClipStore) -> tuple[int, int]:
    """Return the number of clips and their bytes."""
    summary = store.summary()
    return summary["kept"], summary["bytes"]


def _surest(store: ClipStore) -> list[tuple[str, int, float]]:
    """Return name, bytes and uncertainty of the clips without a label, the surest first."""
    return store.connection.execute(
        "SELECT name, bytes, uncertainty FROM clips WHERE label IS NULL "
        "ORDER BY uncertainty, end_time"
    ).fetchall()


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(TEMPORARY)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _insert(store: ClipStore, new: NewClip, size: int) -> None:
    facts = new.facts
    store.connection.execute(
        "INSERT INTO clips (name, station, start_time, end_time, artist, title, uncertainty, "
        "probabilities, tags, model, model_sha256, bytes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(new.name, storable(facts.station), facts.start, facts.end),
            *(storable(facts.artist), storable(facts.title), facts.uncertainty),
            *(json.dumps(facts.probabilities), json.dumps(facts.tags)),
            *(facts.model, facts.model_sha256, size),
        ),
    )
