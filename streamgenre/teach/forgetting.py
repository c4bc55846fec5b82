"""Removes the traces of clips that are no longer to be used: from lists and from the cache."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from streamgenre.errors import InputError
from streamgenre.inference.own_models import own_models
from streamgenre.teach.cache import EmbeddingCache
from streamgenre.teach.lesson import lesson_path, read_lesson, write_lesson
from streamgenre.teach.versions import previous_lesson


def forget_clips(folder: Path) -> dict[str, int]:
    """Remove the clips of a folder from the lists of what models were taught on, and the cache.

    The models keep what they learnt until they are taught once more.

    Parameters
    ----------
    folder
        Folder of the clips.

    Returns
    -------
    dict
        Number of clips that each model had learnt from, by its name.
    """
    found = {}
    cache = EmbeddingCache("")
    for name in own_models():
        if not lesson_path(name).exists():
            continue
        try:
            lesson = read_lesson(name)
        except InputError:
            continue  # damaged: it names nothing any more
        clips = [each for each in lesson.recordings if each.path.parent == folder]
        if clips:
            found[name] = len(clips)
            own = tuple(each for each in lesson.recordings if each.path.parent != folder)
            write_lesson(name, replace(lesson, recordings=own))
        for each in clips:
            cache.forget(each.sha256)
        _forget_in(previous_lesson(name), folder)
    return found


def _forget_in(path: Path, folder: Path) -> None:
    """Remove the clips from the list of a version that can be brought back."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(path.read_bytes())
        data["recordings"] = [
            each for each in data["recordings"] if Path(each["path"]).parent != folder
        ]
        path.write_text(json.dumps(data, indent=1), "ascii")
