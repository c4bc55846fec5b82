"""The version of a model before its last update, so that it can be brought back."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamgenre.errors import InputError, ModelError
from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.new_folder import new_folder
from streamgenre.library.locking import only_run
from streamgenre.sources.decoding import error_text
from streamgenre.teach.lesson import lesson_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.inference.manifest import Manifest

_MODEL = "model"
_LESSON = "lesson.json"


def previous_folder(name: str) -> Path:
    """Return the folder of a model's version before its last update."""
    return lesson_path(name).with_name(f"{name}.previous")


def previous_lesson(name: str) -> Path:
    """Return the list of what the version before the last update was taught on."""
    return previous_folder(name) / _LESSON


def forget_versions(name: str) -> None:
    """Delete the version of a model before its last update, if one is kept.

    Raises
    ------
    InputError
        If it cannot be deleted.
    """
    try:
        shutil.rmtree(previous_folder(name))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(
            f"{previous_folder(name)}: cannot be deleted ({error_text(error)})"
        ) from error


@contextmanager
def only_update(name: str) -> Iterator[None]:
    """Keep other updates of a model out.

    Raises
    ------
    InputError
        If it is being updated.
    """
    folder = lesson_path(name).parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error_text(error)})") from error
    with only_run(folder, f".{name}.lock"):
        yield


@contextmanager
def keep_version(name: str, out: Path) -> Iterator[None]:
    """Keep the present version of a model, which the block replaces.

    It takes the place of the version that was kept before, unless the block fails to replace it.

    Parameters
    ----------
    name
        Its name.
    out
        Its folder.

    Raises
    ------
    InputError
        If it cannot be kept; then nothing has changed.
    """
    kept = previous_folder(name)
    try:
        staged = _staged(name, out)
    except OSError as error:
        shutil.rmtree(_staging(name), ignore_errors=True)
        raise InputError(
            f"{kept}: the present version cannot be kept ({error_text(error)}); "
            "the model stays as it is"
        ) from error
    try:
        yield
    finally:
        if _manifest_of(out) == _manifest_of(staged / _MODEL):
            shutil.rmtree(staged, ignore_errors=True)
        else:
            _exchange(kept, staged)


def _manifest_of(model: Path) -> bytes:
    return (model / "manifest.json").read_bytes()


def roll_back(name: str, out: Path) -> Manifest:
    """Bring back the version before the last update; that of now is kept in its place.

    Parameters
    ----------
    name
        Name of the model.
    out
        Its folder.

    Returns
    -------
    Manifest
        That of the version that was brought back.

    Raises
    ------
    InputError
        If there is none, or it cannot be written.
    ModelError
        If it is damaged; then nothing has changed.
    """
    kept = previous_folder(name)
    if not (kept / _MODEL).is_dir():
        raise InputError(f"{name}: no earlier version is kept; `teach --update` keeps one")
    read_manifest(kept / _MODEL)
    try:
        staged = _staged(name, out)
        with new_folder(out) as part:
            for file in (kept / _MODEL).iterdir():
                shutil.copyfile(file, part / file.name)
        if (kept / _LESSON).exists():
            _put(kept / _LESSON, lesson_path(name))
        _exchange(kept, staged)
    except OSError as error:
        raise InputError(f"{name}: cannot be brought back ({error_text(error)})") from error
    try:
        return read_manifest(out)
    except ModelError as error:
        raise InputError(f"{name}: brought back, but damaged: {error}") from error


def drop_previous(name: str) -> None:
    """Delete the version before the last update, and what an interrupted update left of one.

    Raises
    ------
    InputError
        If it cannot be deleted.
    """
    kept = previous_folder(name)
    for folder in (kept, _staging(name), _replaced(kept)):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{folder}: cannot be deleted ({error_text(error)})") from error


def _staging(name: str) -> Path:
    return previous_folder(name).with_name(f".{name}.staged")


def _replaced(kept: Path) -> Path:
    return kept.with_name(f".{kept.name}.old")


def _staged(name: str, out: Path) -> Path:
    """Copy the present version beside the kept one; return the folder."""
    staged = _staging(name)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True, mode=0o700)
    shutil.copytree(out, staged / _MODEL)
    if lesson_path(name).exists():
        _put(lesson_path(name), staged / _LESSON)
    return staged


def _put(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.chmod(0o600)
    part.replace(target)


def _exchange(kept: Path, staged: Path) -> None:
    """Put a staged version in the place of the kept one, which is deleted."""
    old = _replaced(kept)
    shutil.rmtree(old, ignore_errors=True)
    if kept.exists():
        kept.rename(old)
    staged.rename(kept)
    shutil.rmtree(old, ignore_errors=True)
