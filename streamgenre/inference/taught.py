"""Taught model folders: a copy of a model's graph, and a head for genres of one's own.

The graph is copied, so that the model remains as it was taught when an update brings another base.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__
from streamgenre.errors import ModelError
from streamgenre.inference.genre_names import check_genres
from streamgenre.inference.head import read_head
from streamgenre.inference.manifest import (
    HEAD_FILE,
    MAX_HEAD_NUMBERS,
    Manifest,
    manifest_from,
    parse_manifest,
    read_manifest,
    read_weights,
)
from streamgenre.inference.manifest_json import check_schema
from streamgenre.inference.model_names import find_model
from streamgenre.inference.new_folder import new_folder
from streamgenre.inference.own_models import MANIFEST, is_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streamgenre.inference.head import LinearHead

_FROM_BASE: Final = (
    *("manifest_version", "kind", "features", "window_frames", "step_frames", "states"),
    *("speech", "music", "known", "tags", "embedding", "steps"),
)


def write_taught(
    out: Path,
    base: str,
    *,
    labels: Sequence[str],
    head: LinearHead,
    temperature: float,
    taught: Mapping[str, Any],
    command: str,
    seed: int,
    replace: bool = False,
) -> Manifest:
    """Write a taught model folder, completely or not at all; return its manifest.

    Parameters
    ----------
    out
        The folder; its name becomes the name of the model.
    base
        Name or folder of the model that it was taught on. Of one that was taught itself, the graph
        is taken without its head.
    labels
        Genres in the order of the head's logits.
    head
        Weights for the base's embedding.
    temperature
        Calibration: probabilities are softmax(logits / temperature), 0.001 to 1000.
    taught
        What it was taught with and how good it is, see ``taught`` in ``schemas/manifest.json``;
        ``base`` and ``date`` are added.
    command
        Command line, without paths of this machine.
    seed
        Seed of everything drawn.
    replace
        Whether a model folder of that name may be replaced.

    Raises
    ------
    ModelError
        If something does not fit, or the folder exists or cannot be written.
    """
    original = parse_manifest(find_model(base))
    weights = read_weights(original)
    genres = check_genres(labels)
    _check_head(original, head, genres)
    data: dict[str, Any] = {name: original.raw[name] for name in _FROM_BASE if name in original.raw}
    data |= {
        "name": out.name,
        "labels": list(genres),
        "calibration": {"temperature": float(temperature)},
        "head": {"width": original.embedding_width, "graph_labels": original.graph_labels},
        "sha256": {
            "model.onnx": original.graph_sha256,
            HEAD_FILE: hashlib.sha256(head.as_bytes()).hexdigest(),
        },
        "training": {"command": command, "seed": seed},
        "taught": {
            "base": _base_of(original),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            **taught,
        },
    }
    check_schema(out / MANIFEST, data)
    check_out(out, replace=replace)
    try:
        with new_folder(out) as part:
            _write(part / "model.onnx", weights)
            _write(part / HEAD_FILE, head.as_bytes())
            text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
            _write(part / MANIFEST, text.encode())
            read_head(read_manifest(part))  # what cannot be read is not written
    except OSError as error:
        raise ModelError(f"{out}: cannot be written: {error.strerror}") from error
    return manifest_from(out, data)


def check_out(out: Path, *, replace: bool) -> None:
    """Check that a model folder may be written.

    Parameters
    ----------
    out
        The folder.
    replace
        Whether a model folder may be replaced.

    Raises
    ------
    ModelError
        If it exists (unless ``replace``), or is something else than a model folder.
    """
    if not os.path.lexists(out):
        return
    if not is_model(out):
        raise ModelError(f"{out}: exists and is not a model folder, so it is not replaced")
    if not replace:
        raise ModelError(f"{out}: exists; take another name, or replace it with --replace")


def _base_of(original: Manifest) -> dict[str, Any]:
    before = original.raw.get("taught", {}).get("base")
    if isinstance(before, dict):
        return dict(before)
    return {"name": original.name, "sha256": original.graph_sha256, "version": __version__}


def _check_head(original: Manifest, head: LinearHead, genres: Sequence[str]) -> None:
    width = original.embedding_width
    if not width:
        raise ModelError(
            f"{original.weights}: has no embedding to teach genres on; take a shipped model, or "
            "add the output with `python -m train add-embedding`"
        )
    problem = head.problem
    if not problem and (len(head.mean), len(head.bias)) != (width, len(genres)):
        problem = (
            f"takes {len(head.mean)} numbers and gives {len(head.bias)} logits; expected {width} "
            f"and {len(genres)}"
        )
    if not problem and width * (len(genres) + 2) > MAX_HEAD_NUMBERS:
        problem = f"has more than {MAX_HEAD_NUMBERS} numbers; teach fewer genres"
    if problem:
        raise ModelError(f"the head: {problem}")


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
