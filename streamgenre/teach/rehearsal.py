"""Rows of a shipped model's own genres, so that they can be kept beside new ones.

``rehearsal.f16`` in the model folder holds rows of the embedding as little-endian float16 numbers,
nothing else. The manifest has the genre and the group (artist) of each row under ``rehearsal``, and
the file's hash under ``sha256``. No audio can be made from them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.inference.files import read_bounded
from streamgenre.teach.material import Material
from streamgenre.teach.recordings import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

FILE: Final = "rehearsal.f16"
MOST_BYTES: Final = 1_000_000
_STORED: Final = np.dtype("<f2")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Rows of a model's own genres."""

    labels: tuple[str, ...]
    rows: NDArray[np.float16]
    """Embeddings of single windows, shape ``(n, width)``."""
    targets: NDArray[np.int64]
    """Genre of each row, shape ``(n,)``."""
    groups: NDArray[np.int64]
    """Group of each row, shape ``(n,)``: rows of one artist share it."""

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest says about the rows."""
        return {"genres": self.targets.tolist(), "groups": self.groups.tolist()}

    def content(self) -> bytes:
        """Return the content of the file."""
        return np.ascontiguousarray(self.rows, _STORED).tobytes()


def read_rehearsal(manifest: Manifest) -> Rehearsal:
    """Return the rows of a model's own genres.

    Raises
    ------
    ModelError
        If the model has none, or the file is damaged.
    """
    path = manifest.folder / FILE
    about = manifest.raw.get("rehearsal")
    if not isinstance(about, dict):
        raise ModelError(
            f"{manifest.name}: holds no examples of its own genres ({FILE}), so they cannot be "
            "kept; teach without --keep, or take another --base"
        )
    content = read_bounded(path, MOST_BYTES, "examples of a model's genres")
    found = hashlib.sha256(content).hexdigest()
    named = manifest.raw["sha256"].get(FILE)
    if found != named:
        raise ModelError(
            f"{path}: SHA-256 is {found[:12]}…, the manifest says {str(named)[:12]}…; the file is "
            "damaged or was exchanged: install the model again"
        )
    try:
        targets = np.array(about["genres"], np.int64)
        groups = np.array(about["groups"], np.int64)
        rows = np.frombuffer(content, _STORED).reshape(len(targets), manifest.embedding_width)
        whole = groups.shape == targets.shape == (len(rows),)
        if not whole or targets.min() < 0 or targets.max() >= len(manifest.labels):
            raise ValueError("genres and groups do not fit the rows")
        if not np.isfinite(rows).all():
            raise ValueError("some numbers are not finite")
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelError(f"{path}: {error}; install the model again") from error
    return Rehearsal(manifest.labels, rows.astype(np.float16), targets, groups)


def chosen_rows(
    material: Material, most_bytes: int = MOST_BYTES
) -> tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.int64]]:
    """Return as many rows as fit into the file, with their genres and groups.

    Every genre gets the same number: the middle row of each recording, artists in turn, then
    further rows of the recordings, until there are enough.

    Parameters
    ----------
    material
        Recordings of the model's own genres.
    most_bytes
        Most bytes of the file.
    """
    each = most_bytes // (_STORED.itemsize * material.rows.shape[1] * len(material.labels))
    found: list[int] = []
    for genre in range(len(material.labels)):
        ranked = []
        turns: Counter[int] = Counter()
        for recording in np.flatnonzero(material.targets == genre).tolist():
            rows = np.flatnonzero(material.of == recording)
            rows = rows[np.argsort(np.abs(rows - rows[len(rows) // 2]), kind="stable")]
            group = int(material.groups[recording])
            for turn, row in enumerate(rows):
                ranked.append((turn, turns[group], group, int(row)))
            turns[group] += 1
        found += [row for *_, row in sorted(ranked)[:each]]
    of = material.of[found]
    return (
        material.rows[found].astype(np.float16),
        material.targets[of].astype(np.int64),
        np.unique(material.groups[of], return_inverse=True)[1].astype(np.int64),
    )


def with_rehearsal(material: Material, rehearsal: Rehearsal) -> Material:
    """Return material with the rows of a model's own genres; its genres come first.

    A genre that is in both has the recordings of both.

    Parameters
    ----------
    material
        The user's recordings.
    rehearsal
        The model's own.
    """
    own = [label for label in material.labels if label not in rehearsal.labels]
    labels = (*rehearsal.labels, *own)
    number = np.array([labels.index(label) for label in material.labels])
    count = len(material.recordings)
    recordings = tuple(
        Recording(Path(), labels[target], f"rehearsal {group}")
        for target, group in zip(rehearsal.targets, rehearsal.groups, strict=True)
    )
    return Material(
        (*material.recordings, *recordings),
        labels,
        np.concatenate([material.rows, rehearsal.rows.astype(np.float32)]),
        np.concatenate([material.of, count + np.arange(len(recordings))]),
        np.concatenate([number[material.targets], rehearsal.targets]),
        np.concatenate([material.groups, material.groups.max() + 1 + rehearsal.groups]),
        (*material.seconds, *([0.0] * len(recordings))),
    )
