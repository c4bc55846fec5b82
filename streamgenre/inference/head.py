"""The linear head of a taught model: from a model's embedding to the logits of one's own genres.

``head.f32`` holds little-endian float32 numbers and nothing else: mean, spread, kernel (row by
row), bias. Their number follows from the manifest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.inference.files import read_bounded
from streamgenre.inference.manifest import HEAD_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

    Floats = NDArray[np.float32]

_STORED: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Weights of a linear head; logits are ``(embedding - mean) / spread @ kernel + bias``."""

    mean: Floats
    """Mean of each column of the embedding, shape ``(width,)``."""
    spread: Floats
    """Scale of each column, above 0, shape ``(width,)``."""
    kernel: Floats
    """Weights, shape ``(width, labels)``."""
    bias: Floats
    """Bias of each label, shape ``(labels,)``."""

    def logits(self, embedding: Floats) -> Floats:
        """Return the logits of the labels, shape ``(rows, labels)``.

        Each row by itself, so that it does not depend on the others, not even in the last bit.

        Parameters
        ----------
        embedding
            Rows of a model's embedding, shape ``(rows, width)``.
        """
        found = np.empty((len(embedding), len(self.bias)), np.float32)
        for row, each in enumerate(embedding):
            found[row] = (each - self.mean) / self.spread @ self.kernel + self.bias
        return found

    def as_bytes(self) -> bytes:
        """Return the content of ``head.f32``."""
        parts = (self.mean, self.spread, self.kernel, self.bias)
        return b"".join(np.ascontiguousarray(part, _STORED).tobytes() for part in parts)

    @property
    def problem(self) -> str:
        """What is wrong with the weights, in words; empty if nothing is."""
        width, labels = len(self.mean), len(self.bias)
        shapes = tuple(np.shape(part) for part in (self.mean, self.spread, self.kernel, self.bias))
        expected = ((width,), (width,), (width, labels), (labels,))
        if shapes != expected:
            return f"its parts have the shapes {shapes}; expected {expected}"
        if not all(np.isfinite(part).all() for part in (self.mean, self.kernel, self.bias)):
            return "some of its weights are not numbers"
        if not (np.isfinite(self.spread).all() and (self.spread > 0).all()):
            return "some of its scales are not above 0"
        return ""


def read_head(manifest: Manifest) -> LinearHead | None:
    """Return the head of a taught model; None for another model.

    Raises
    ------
    ModelError
        If its file cannot be read, is not the one that the manifest names by its hash, or holds
        other than as many finite numbers as the manifest says.
    """
    if manifest.head_sha256 is None:
        return None
    path = manifest.folder / HEAD_FILE
    width, labels = manifest.embedding_width, len(manifest.labels)
    count = 2 * width + width * labels + labels
    content = read_bounded(path, 4 * count, "this head")
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.head_sha256:
        raise ModelError(
            f"{path}: SHA-256 is {found[:12]}…, the manifest says {manifest.head_sha256[:12]}…; "
            "the file is damaged or was exchanged: import the model again, or teach it again"
        )
    if len(content) != 4 * count:
        raise ModelError(
            f"{path}: {len(content)} bytes; expected {4 * count} for an embedding of {width} "
            f"numbers and {labels} genres: teach the model again"
        )
    head = _parsed(content, width, labels)
    if problem := head.problem:
        raise ModelError(f"{path}: {problem}; teach the model again")
    return head


def _parsed(content: bytes, width: int, labels: int) -> LinearHead:
    ends = np.cumsum([width, width, width * labels])
    numbers = np.frombuffer(content, _STORED).astype(np.float32)
    parts: list[Any] = np.split(numbers, ends)
    mean, spread, kernel, bias = parts
    return LinearHead(mean, spread, kernel.reshape(width, labels), bias)
