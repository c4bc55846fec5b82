"""Writes taught model folders with random heads, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.head import LinearHead
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.inference.taught import write_taught

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GENRES: Final = ("ragtime", "tango", "fado")
WIDTH: Final = 762
"""Columns of the embedding of every shipped model."""
FACTS: Final[dict[str, Any]] = {
    "genres": {name: {"recordings": 20, "seconds": 600.0} for name in GENRES},
    "groups": "recording",
    "accuracy": {"value": 0.83, "ci95": [0.78, 0.88], "chance": 0.333},
}


def random_head(width: int, labels: int, seed: int = 0) -> LinearHead:
    """Return a head whose logits differ from hop to hop."""
    rng = np.random.default_rng(seed)
    return LinearHead(
        mean=rng.normal(0, 0.1, width).astype(np.float32),
        spread=rng.uniform(0.5, 2, width).astype(np.float32),
        kernel=rng.normal(0, width**-0.5, (width, labels)).astype(np.float32),
        bias=rng.normal(0, 0.1, labels).astype(np.float32),
    )


def constant_head(width: int, labels: int, winner: int) -> LinearHead:
    """Return a head that always gives the same label."""
    return LinearHead(
        mean=np.zeros(width, np.float32),
        spread=np.ones(width, np.float32),
        kernel=np.zeros((width, labels), np.float32),
        bias=np.array([8.0 if each == winner else 0.0 for each in range(labels)], np.float32),
    )


def write_taught_model(
    out: Path,
    *,
    base: str = "lite",
    labels: Sequence[str] = GENRES,
    head: LinearHead | None = None,
    replace: bool = False,
) -> Path:
    """Write a taught model folder; return it."""
    width = parse_manifest(find_model(base)).embedding_width
    write_taught(
        out,
        base,
        labels=labels,
        head=head or random_head(width, len(labels)),
        temperature=1.5,
        taught=FACTS if tuple(labels) == GENRES else {},
        command=f"streamgenre teach {out.name} --from DIR",
        seed=1,
        replace=replace,
    )
    return out
