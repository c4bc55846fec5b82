"""Writes the genre into a file's tags, and restores what was there."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.library import placing
from streamgenre.library.journal import Journal, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAMES: Final = {"EasyID3": "genre", "ID3": "TCON", "ASFTags": "WM/Genre", "APEv2": "Genre"}
"""Names of the genre by kind of tags; `genre` in all others."""


def read_genres(path: Path) -> list[str]:
    """Return the values of a file's genre tag.

    Raises
    ------
    InputError
        If the format has no such tag, or the tags are damaged.
    """
    tags, name = _open(path)
    if tags.tags is None:
        return []
    try:
        values = tags.tags.get(name) or []
        return [str(value) for value in getattr(values, "text", values)]
    except Exception as error:
        raise InputError(f"{path}: its tags cannot be read ({type(error).__name__})") from error


def write_genre(path: Path, genre: str, journal: Journal) -> bool:
    """Write a genre into a file's tags; return False if it is there already.

    Parameters
    ----------
    path
        The file.
    genre
        The genre.
    journal
        Takes the old values first.

    Raises
    ------
    InputError
        If the tag cannot be written; then the file is as it was.
    """
    old = read_genres(path)
    if [value.casefold() for value in old] == [genre.casefold()]:
        return False
    target = os.fspath(path.absolute())
    journal.write(Step("tag", target, target, old=old, new=genre))
    _replace(path, [genre])
    return True


def restore(path: Path, old: Sequence[str], new: str | None) -> str | None:
    """Restore the values of a genre tag; return a problem in words, or None.

    Parameters
    ----------
    path
        The file.
    old
        Values to restore.
    new
        The value that was written; another one is left as it is.
    """
    if not path.is_file():
        return "is no longer there"
    now = read_genres(path)
    if now == list(old):
        return None
    if now != [new]:
        return "has another genre tag since; it is left as it is"
    _replace(path, old)
    return None


def _open(path: Path, shown: Path | None = None) -> tuple[Any, str]:
    """Return mutagen's file, and the name of the genre in tags of its kind."""
    import mutagen

    try:
        tags = mutagen.File(path, easy=True)
        if tags is not None and tags.tags is None:
            tags.add_tags()
    except Exception as error:
        raise InputError(
            f"{shown or path}: its tags cannot be read ({type(error).__name__})"
        ) from error
    if tags is None:
        raise InputError(f"{shown or path}: its format has no genre tag")
    kinds = {each.__name__ for each in type(tags.tags).__mro__}
    return tags, next((name for kind, name in _NAMES.items() if kind in kinds), "genre")


def set_genres(path: Path, values: Sequence[str], shown: Path) -> None:
    """Write the values of the genre tag into a file that nobody else uses yet.

    Parameters
    ----------
    path
        The file.
    values
        The values; none removes the tag.
    shown
        Its path in error messages.

    Raises
    ------
    InputError
        If the format has no such tag, or it cannot be written.
    """
    tags, name = _open(path, shown)
    try:
        if not values:
            if name in tags.tags:
                del tags.tags[name]
        elif name == "TCON":
            from mutagen.id3 import TCON

            tags.tags[name] = TCON(encoding=3, text=list(values))  # type: ignore[no-untyped-call]
        else:
            tags.tags[name] = list(values)
        tags.save()
    except Exception as error:
        raise InputError(
            f"{shown}: its tags cannot be written ({type(error).__name__}: {error})"
        ) from error


def _replace(path: Path, values: Sequence[str]) -> None:
    """Tag a copy of the file and put it in the file's place: a crash leaves the old or the new."""
    real = path.resolve()
    temporary = real.with_name(f"{placing.PART}{os.getpid()}{real.suffix}")
    try:
        shutil.copyfile(real, temporary)
        placing.keep_attributes(temporary, real)
        set_genres(temporary, values, path)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(real)
    except OSError as error:
        raise InputError(f"{path}: its tags cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)
