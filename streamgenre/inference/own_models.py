"""The user's own model folders, found by name: where they are, and what a name may be."""

from __future__ import annotations

import os
import shutil
import unicodedata
from typing import TYPE_CHECKING, Final

from streamgenre import paths
from streamgenre.errors import ModelError, nearest
from streamgenre.inference.new_folder import put_all_back, put_back

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "manifest.json"
MAX_NAME: Final = 64
"""Most characters of a name."""


def own_models() -> dict[str, Path]:
    """Return the folders of the own models by name; the user's before the system's."""
    found: dict[str, Path] = {}
    for folder in paths.models_dirs():
        put_all_back(folder)
        try:
            inside = sorted(folder.iterdir())
        except OSError:  # there is none, or it is another user's
            continue
        for path in inside:
            if name_problem(path.name) == "" and is_model(path):
                found.setdefault(path.name, path)
    return dict(sorted(found.items()))


def own_model(name: str) -> Path | None:
    """Return the folder of an own model; None if there is none of that name."""
    name = unicodedata.normalize("NFC", name)
    if name_problem(name):
        return None
    candidates = [folder / name for folder in paths.models_dirs()]
    for each in candidates:
        put_back(each)
    return next(filter(is_model, candidates), None)


def remove_own_model(name: str) -> Path:
    """Remove an own model; return the folder that it was in.

    Raises
    ------
    ModelError
        If there is none of that name, or it cannot be removed.
    """
    folder = own_model(name)
    if folder is None:
        known = own_models()
        listed = f"your own are {', '.join(known)}" if known else "you have none"
        raise ModelError(f"no model of your own {name!r}: {listed}{nearest(name, known)}")
    gone = folder.with_name(f".{folder.name}.removed-{os.getpid()}")
    try:
        folder.rename(gone)  # from one moment to the next: never half a model
        if gone.is_symlink():
            gone.unlink()
        else:
            shutil.rmtree(gone)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be removed: {error.strerror}") from error
    return folder


def is_model(folder: Path) -> bool:
    """Return whether a folder contains a manifest."""
    try:
        return (folder / MANIFEST).is_file()
    except OSError:
        return False


def check_model_name(name: str) -> str:
    """Return the name that an own model gets, in Unicode's form NFC.

    Raises
    ------
    ModelError
        If it cannot be a name.
    """
    name = unicodedata.normalize("NFC", name)
    if problem := name_problem(name):
        shown = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
        raise ModelError(f"name of a model {shown!r}: {problem}")
    return name


def name_problem(name: str) -> str:
    """Return why a text cannot be the name of an own model; empty if it can.

    It becomes the name of a folder, is given to ``--model`` and shown in tables.
    """
    if not 1 <= len(name) <= MAX_NAME or len(name.encode("utf-8", "surrogatepass")) > 200:
        return f"expected 1 to {MAX_NAME} characters"
    if name[0] in ".-" or not all(c.isalnum() or c in "-_." for c in name):
        return "expected letters, digits, '-', '_' and '.', beginning with a letter or digit"
    return ""
