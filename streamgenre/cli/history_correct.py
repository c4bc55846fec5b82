"""``streamgenre history correct``: says what a segment really was."""

from __future__ import annotations

import json
import os
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING

from streamgenre.clips.folder import has_index
from streamgenre.clips.genres import genre_problem
from streamgenre.clips.settings import default_folder
from streamgenre.clips.store import ClipStore
from streamgenre.config.build import load
from streamgenre.display.text import clean
from streamgenre.errors import HistoryError, ModelError, SettingsError, StreamgenreError, nearest
from streamgenre.history import corrections, detail_query, query
from streamgenre.history.connection import DATABASE_ERRORS
from streamgenre.history.database import BrokenFileError, open_to_read, open_to_write
from streamgenre.history.export import exported
from streamgenre.history.times import parse
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.corrections import Corrected
    from streamgenre.history.places import Place
    from streamgenre.history.time_zones import Zone

_BUSY_S = 10.0


def run(args: argparse.Namespace, place: Place, tz: Zone) -> int:
    """Correct a segment, or undo that; label the clips within it.

    Parameters
    ----------
    args
        The flags.
    place
        The history.
    tz
        Time zone of the times.
    """
    if args.station is None or len(args.station) != 1:
        raise SettingsError("--station: expected exactly one station")
    if args.undo == (args.genre is not None):
        raise SettingsError("expected a GENRE, or --undo without one")
    at = parse(args.at, tz)
    try:
        with closing(open_to_read(place)) as connection:  # explains what is missing
            ((number, name),) = query.stations(connection, args.station).items()
            if args.genre is not None:
                genre = _known_genre(connection, number, args.genre, new=args.new)
        with closing(open_to_write(place, busy_s=_BUSY_S)) as connection:
            if args.undo:
                done = corrections.undo(connection, number, name, at)
            else:
                done = corrections.correct(connection, number, name, at, genre)
    except (*DATABASE_ERRORS, BrokenFileError, OSError) as error:
        raise HistoryError(f"{place}: cannot be changed: {error}") from error
    labelled = _label_clips(done, undone=args.undo)
    if args.json:
        print(json.dumps({**exported(done, tz), "clips": labelled}, ensure_ascii=False))
        return 0
    times = exported(done, tz)
    print(
        f"{clean(done.station)}, {times['start'][:19]} to {times['end'][:19]}: "
        f"{clean(done.before)} → {clean(done.genre)}"
    )
    if labelled:
        print(f"{labelled} clips of it {'lost' if args.undo else 'got'} this label too")
    return 0


def _known_genre(connection: Connection, station: int, genre: str, *, new: bool) -> str:
    """Return a genre as the history or the model of the station writes it.

    Raises
    ------
    HistoryError
        If neither knows it and it is not to be a new one.
    """
    genre = unicodedata.normalize("NFC", genre)
    if problem := genre_problem(genre):
        raise SettingsError(f"GENRE: {problem}")
    known = corrections.genres(connection) | set(detail_query.label_names(connection))
    known |= _genres_of_models(connection, station)
    if genre in known:
        return genre
    # Genres that differ in upper and lower case only are the same one.
    found = {name.casefold(): name for name in sorted(known)}.get(genre.casefold(), genre)
    if found not in known and not new:
        hint = nearest(genre, known) or "."
        raise HistoryError(
            f"no genre {genre!r}: known are {', '.join(sorted(known)) or 'none yet'}{hint} "
            "For a new genre add --new"
        )
    return found


def _genres_of_models(connection: Connection, station: int) -> set[str]:
    """Return the genres of the models that the station was heard with, as far as they are here."""
    names = connection.execute(
        "SELECT DISTINCT model FROM sessions WHERE station = ? AND model IS NOT NULL", (station,)
    ).fetchall()
    found: set[str] = set()
    for (name,) in names:
        try:
            found |= set(parse_manifest(find_model(name)).labels)
        except ModelError:
            continue
    return found


def _label_clips(done: Corrected, *, undone: bool) -> int:
    """Label the clips within a corrected segment, or undo that; return how many changed."""
    folder = _clips_folder()
    try:
        if not has_index(folder):
            return 0
        with closing(ClipStore(folder)) as store:
            changed = 0
            for clip in store.within(done.station, done.start, done.end):
                if undone or clip.by == "history":
                    changed += clip.by == "history" and store.remove_label(clip.id)
                if not undone:
                    changed += store.set_label(clip.id, done.genre, "history")
            return changed
    except StreamgenreError:
        return 0  # the history is corrected; the clips belong to another user


def _clips_folder() -> Path:
    try:
        return load(None, os.environ, models=False).config.clips.folder
    except SettingsError:
        return default_folder()
