"""What a model was taught from: the list of its recordings, kept on this machine alone.

It names the user's files, so it is kept in the state folder and not in the model folder, which may
be given to others. With it, a model is taught once more after its base has been replaced.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import HistoryError, InputError, ModelError
from streamgenre.history.export import atomic
from streamgenre.inference.genre_names import check_genre
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import shipped_folder, shipped_models
from streamgenre.inference.own_models import check_model_name
from streamgenre.paths import state_dir
from streamgenre.sources.decoding import error_text
from streamgenre.teach.recordings import Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.inference.manifest import Manifest

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model was taught from, and how."""

    base: str
    """Name or folder of the base model."""
    graph_sha256: str
    """Hash of the base model's graph."""
    keep: bool
    """Whether the base model's own genres were kept."""
    recordings: tuple[Recording, ...]


def lesson_path(name: str) -> Path:
    """Return the file of a model's lesson, ``teach/NAME.json`` in the state folder."""
    return state_dir() / "teach" / f"{check_model_name(name)}.json"


def write_lesson(name: str, lesson: Lesson) -> None:
    """Write a model's lesson, readable by the user alone.

    Parameters
    ----------
    name
        The model's name.
    lesson
        What it was taught from.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = lesson_path(name)
    data = {
        "version": VERSION,
        "base": lesson.base,
        "graph_sha256": lesson.graph_sha256,
        "keep": lesson.keep,
        "recordings": [
            {
                "path": os.path.abspath(each.path),  # noqa: PTH100 - without following links
                "genre": each.genre,
                "artist": each.artist,
                "sha256": each.sha256,
            }
            for each in lesson.recordings
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic(path) as file:
            file.write(json.dumps(data, indent=1).encode("ascii"))
        path.chmod(0o600)
    except (OSError, HistoryError) as error:
        why = str(error) if isinstance(error, HistoryError) else f"{path}: {error_text(error)}"
        raise InputError(
            f"{why}. The model is written and can be used, but --again will not find its files"
        ) from error


def forget_lesson(name: str) -> None:
    """Delete what a model was taught from, if that is known.

    Raises
    ------
    InputError
        If it cannot be deleted.
    """
    path = lesson_path(name)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be deleted ({error_text(error)})") from error


def read_lesson(name: str) -> Lesson:
    """Return what a model was taught from.

    Raises
    ------
    InputError
        If there is no such list, or it is damaged.
    """
    path = lesson_path(name)
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        return Lesson(
            str(data["base"]),
            str(data["graph_sha256"]),
            bool(data["keep"]),
            tuple(
                Recording(
                    Path(each["path"]),
                    check_genre(each["genre"]),
                    str(each["artist"]),
                    str(each["sha256"]),
                )
                for each in data["recordings"]
            ),
        )
    except FileNotFoundError as error:
        raise InputError(
            f"{name}: it is not known here what this model was taught from ({path} is missing); "
            f"teach it with `streamgenre teach {name} --from DIR --replace`"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {error_text(error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError, ModelError) as error:
        raise InputError(
            f"{path}: damaged ({error}); teach the model with "
            f"`streamgenre teach {name} --from DIR --replace`"
        ) from error


def replaced_base(manifest: Manifest) -> str:
    """Return the name of a taught model's base if that model is another one now; else ``""``.

    The taught model works as before, with its copy of the old graph.

    Parameters
    ----------
    manifest
        Manifest of any model.
    """
    taught = manifest.raw.get("taught")
    base = taught.get("base") if isinstance(taught, dict) else None
    name = base.get("name") if isinstance(base, dict) else None
    if name not in shipped_models():
        return ""
    assert isinstance(base, dict)
    now = parse_manifest(shipped_folder() / name).graph_sha256
    return "" if now == base.get("sha256") else str(name)


def missing(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings whose files are no longer there."""
    return [each for each in recordings if not each.path.is_file()]
