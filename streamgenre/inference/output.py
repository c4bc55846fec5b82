"""What a model gives for each station: logits, and how they become probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Output:
    """Uncalibrated output of a model for some stations."""

    logits: NDArray[np.float32]
    """Logits of the genres, shape ``(stations, labels)``."""
    speech: NDArray[np.float32] | None = None
    """Logits of speech without music, shape ``(stations,)``; None without that output."""
    music: NDArray[np.float32] | None = None
    """Logits of music, shape ``(stations,)``; None without that output."""
    known: NDArray[np.float32] | None = None
    """Logits of music that is like one of the genres, shape ``(stations,)``; None without that
    output."""
    tags: NDArray[np.float32] | None = None
    """Logits of the tags, shape ``(stations, tags)``; None without that output."""
    embedding: NDArray[np.float32] | None = None
    """Embeddings, shape ``(stations, width)``; None where they are not fetched."""

    def of(self, row: int) -> Output:
        """Return the output for one of the stations."""
        one: list[Any] = [None if each is None else each[row : row + 1] for each in self._all()]
        return Output(*one)

    @property
    def finite(self) -> bool:
        """Whether all are finite numbers."""
        return all(np.isfinite(each).all() for each in self._all() if each is not None)

    def _all(self) -> Sequence[Any]:
        return self.logits, self.speech, self.music, self.known, self.tags, self.embedding


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return probabilities over the last axis, computed in float64."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(
    logits: NDArray[np.float32] | None, temperature: float | None
) -> NDArray[np.float64] | None:
    """Return the calibrated probabilities of an output of two classes; None without it.

    Parameters
    ----------
    logits
        Its logits, of any shape; None if the model has no such output.
    temperature
        Its calibration: the probability is sigmoid(logit / temperature).
    """
    if logits is None or temperature is None:
        return None
    return softmax(np.stack([logits, np.zeros_like(logits)], axis=-1) / temperature)[..., 0]
