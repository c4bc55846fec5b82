"""Deletes all clips of a folder, whatever state it is in."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from streamgenre.clips.folder import INDEX, clip_files, has_index
from streamgenre.clips.store import ClipStore, DamagedIndexError
from streamgenre.errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Forgotten(NamedTuple):
    """What was deleted."""

    clips: int
    labels: int
    bytes: int


def forget_all(folder: Path) -> Forgotten:
    """Delete all clips and labels, files without a row, and an index that is damaged.

    Other files in the folder stay.

    Parameters
    ----------
    folder
        The folder of the clips.

    Raises
    ------
    ClipError
        If something cannot be deleted; the rest is.
    """
    if not has_index(folder):
        found, left = _delete_files(clip_files(folder))
    else:
        try:
            with closing(ClipStore(folder)) as store:
                found, left = _forget(store)
        except DamagedIndexError:
            index = [folder / INDEX, folder / f"{INDEX}-journal"]
            found, left = _delete_files([*clip_files(folder), *index])
    if left:
        more = f", and {len(left) - 1} more" if len(left) > 1 else ""
        raise ClipError(f"cannot be deleted: {left[0]}{more}; delete them by hand")
    return found


def _forget(store: ClipStore) -> tuple[Forgotten, list[str]]:
    """Delete the clips of an index that can be read."""
    with store.in_words():
        with store.transaction():  # nothing is added meanwhile
            labels = store.summary()["labelled"]
            named = {store.path(clip) for clip in store.clips()}
            store.connection.execute("DELETE FROM clips")
            found, left = _delete_files({*named, *clip_files(store.folder)})
        store.connection.execute("VACUUM")
    return found._replace(clips=len(named), labels=labels), left


def _delete_files(paths: Iterable[Path]) -> tuple[Forgotten, list[str]]:
    """Delete files; return what was deleted, and what cannot be, in words."""
    clips = size = 0
    left = []
    for path in paths:
        try:
            found = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            left.append(f"{path} ({error.strerror})")
            continue
        size += found
        clips += path.suffix == ".flac"
    return Forgotten(clips, 0, size), left
