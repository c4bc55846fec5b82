"""Removes the traces of clips that are no longer to be used: from lists and from the cache."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streamgenre.errors import InputError
from streamgenre.inference.own_models import own_models
from streamgenre.library.hearing import file_hash
from streamgenre.paths import SYSTEM_CACHE, cache_dir
from streamgenre.teach.cache import EmbeddingCache
from streamgenre.teach.lesson import lesson_path, read_lesson, write_lesson
from streamgenre.teach.versions import drop_previous, previous_lesson

if TYPE_CHECKING:
    from collections.abc import Iterable


class Learnt(NamedTuple):
    """Which models had learnt from clips."""

    models: dict[str, int]
    """Number of clips, by name of the model; they keep that until they are taught once more."""
    deleted: list[str]
    """Models whose version before the last update had, and was deleted."""


def hashes(clips: Iterable[Path]) -> set[str]:
    """Return the hashes of the contents of clips, as far as they can be read."""
    found = set()
    for path in clips:
        with suppress(OSError):
            found.add(file_hash(path))
    return found


def forget_clips(folder: Path, contents: Iterable[str] = ()) -> Learnt:
    """Remove the clips of a folder from the lists of what models were taught on, and the cache.

    Parameters
    ----------
    folder
        Folder of the clips.
    contents
        Hashes of clips that may have been heard without a model having learnt from them.

    Returns
    -------
    Learnt
        The models that had learnt from them.
    """
    learnt = Learnt({}, [])
    contents = set(contents)
    folder = folder.resolve()
    for name in own_models():
        contents |= _forget_in(name, folder, learnt)
    # The service's timer has the cache of the system.
    for cache in {cache_dir(), SYSTEM_CACHE}:
        EmbeddingCache("", cache / "teach").forget(contents)
    return learnt


def _forget_in(name: str, folder: Path, learnt: Learnt) -> set[str]:
    """Remove the clips from a model's lists; return the hashes of their contents."""
    contents = set()
    if lesson_path(name).exists():
        with suppress(InputError):  # damaged: it names nothing any more
            lesson = read_lesson(name)
            clips = [each for each in lesson.recordings if each.path.parent.resolve() == folder]
            if clips:
                learnt.models[name] = len(clips)
                contents |= {each.sha256 for each in clips}
                own = tuple(each for each in lesson.recordings if each not in clips)
                write_lesson(name, replace(lesson, recordings=own))
    with suppress(OSError, ValueError, KeyError, TypeError):
        earlier = json.loads(previous_lesson(name).read_bytes())["recordings"]
        found = {
            each["sha256"] for each in earlier if Path(each["path"]).parent.resolve() == folder
        }
        if found:
            contents |= found
            drop_previous(name)
            learnt.deleted.append(name)
    return contents
