"""Excerpts of known and of other music, with genre, fold and owner: rows to train on and judge.

A fold of the corpus holds artists of its own; packages of free music are dealt to the same folds.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.errors import TrainError
from train.student.open_kinds import OTHERS, kinds_of
from train.student.open_scores import Material

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from train.student.open_windows import OpenWindows

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

OTHER: Final = -1
"""Genre of free music that is like none of the ten."""
FREE_KNOWN: Final = -2
"""Genre of free music that is of one of the ten."""
UNSURE: Final = -3
"""Genre of the rest, which is not used."""
WINDOWS: Final = (2, 5)
"""Seconds of an excerpt after which a window of three seconds ends that lies in it."""
_FREE_SHARE: Final = 0.3
"""Weight of free music of one of the ten, as a share of that of a genre."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Excerpts with what they are."""

    windows: OpenWindows
    labels: tuple[str, ...]
    """Genres of the corpus."""
    genres: Ints
    """Index of the genre, or :data:`OTHER`, :data:`FREE_KNOWN`, :data:`UNSURE`; shape ``(n,)``."""
    kinds: NDArray[np.str_]
    """Its name; of other music one of :data:`~train.student.open_kinds.OTHERS`."""
    folds: Ints
    """Fold that holds it out, shape ``(n,)``."""
    owners: NDArray[np.str_]
    """Artist of a clip, package of free music; shape ``(n,)``."""

    def of(self, chosen: Bools, seconds: Sequence[int] = WINDOWS) -> Floats:
        """Return the embeddings of some excerpts, shape ``(chosen * seconds, width)``."""
        found = self.windows.embedding[chosen][:, list(seconds)]
        flat: Floats = found.reshape(-1, found.shape[-1])
        return flat


def rows_of(windows: OpenWindows, artists: Mapping[str, str], labels: Sequence[str]) -> Rows:
    """Join what was heard with what it is.

    Parameters
    ----------
    windows
        What a model heard.
    artists
        Artist by clip of the corpus.
    labels
        Genres of the model.

    Raises
    ------
    TrainError
        If the corpus is another one, or the free music holds none of the other kinds.
    """
    kinds, free = kinds_of(windows), windows.folds <= 0
    strange = sorted(set(kinds[~free]) - set(labels))
    if strange:
        raise TrainError(
            f"the corpus of the shards has the genres {', '.join(strange)}, the model has not"
        )
    genres = np.full(len(kinds), UNSURE, np.int64)
    for number, label in enumerate(labels):
        genres[~free & (kinds == label)] = number
    genres[free & (kinds != "")] = FREE_KNOWN
    genres[free & np.isin(kinds, list(OTHERS))] = OTHER
    if not (genres == OTHER).any():
        raise TrainError(
            "the shards hold no music of other genres; run `python -m train trunk prepare` with "
            "--music FREE"
        )
    last = int(windows.folds.max())
    of_package = [zlib.crc32(name.encode()) % last + 1 for name in windows.sources]
    return Rows(
        windows, tuple(labels), genres, kinds,
        np.where(free, of_package, windows.folds),
        np.array([artists.get(name) or name for name in windows.sources]),
    )  # fmt: skip


def weights_of(rows: Rows, chosen: Bools) -> Floats:
    """Weight excerpts: genres equally, owners within one by the root of their excerpts.

    Clean and degraded excerpts weigh the same.

    Parameters
    ----------
    rows
        The excerpts.
    chosen
        Which of them to use, shape ``(n,)``.
    """
    weights = np.zeros(len(rows.genres), np.float32)
    for genre in np.unique(rows.genres[chosen]):
        for changed in (False, True):
            mine = chosen & (rows.genres == genre) & (rows.windows.degraded == changed)
            _, place, count = np.unique(rows.owners[mine], return_inverse=True, return_counts=True)
            each = 1 / np.sqrt(count[place])
            weights[mine] = each / max(each.sum(), 1e-9)
            weights[mine] *= _FREE_SHARE if genre == FREE_KNOWN else 1
    return weights


def material(rows: Rows, chosen: Bools, seconds: Sequence[int] = WINDOWS) -> Material:
    """Return rows to train on.

    Parameters
    ----------
    rows
        The excerpts.
    chosen
        Which of them to use, shape ``(n,)``.
    seconds
        Which rows of an excerpt.
    """
    return Material(
        rows.of(chosen, seconds),
        np.repeat(rows.genres[chosen], len(seconds)),
        np.repeat(weights_of(rows, chosen)[chosen], len(seconds)),
    )
