"""Nearest neighbours by the statistics of a clip's MFCCs, also as a graph.

A window is described by the mean and covariance of its frames. The distance of two windows is the
sum of the Kullback-Leibler divergences between the two Gaussians in both directions; the logarithms
of the determinants cancel. The nearest five vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES, LOGITS
from train.export.graph_builder import Builder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

NEIGHBOURS: Final = 5
_RIDGE: Final = 1e-3
"""Added to the variances, in units of the training windows' variance, because silence has none."""
_NEVER: Final = 0.02
"""Added to the votes, so that the logit of a genre without votes is finite."""
_TIE: Final = 1e-3
"""Extra weight of nearer neighbours, to break ties."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Training windows, scaled to mean 0 and standard deviation 1."""

    mean: Floats
    """Mean of the frames, shape ``(numcep,)``."""
    std: Floats
    """Their standard deviation, shape ``(numcep,)``."""
    means: Floats
    """Mean of each training window, shape ``(n, numcep)``."""
    covariances: Floats
    """Shape ``(n, numcep, numcep)``."""
    inverses: Floats
    """Inverses of the covariances."""
    votes: Floats
    """One-hot genre of each training window, shape ``(n, labels)``."""

    @classmethod
    def of(cls, windows: Floats, targets: NDArray[np.int64], n_labels: int) -> Nearest:
        """Build it from training windows, shape ``(n, frames, numcep)``, and their genres.

        Parameters
        ----------
        windows
            Frames, shape ``(n, frames, numcep)``.
        targets
            Index of the genre of each window, shape ``(n,)``.
        n_labels
            Number of genres.
        """
        flat = windows.reshape(-1, windows.shape[-1]).astype(np.float64)
        mean, std = flat.mean(axis=0), flat.std(axis=0)
        means, covariances = _statistics((windows - mean) / std)
        return cls(
            mean, std, means, covariances, np.linalg.inv(covariances), np.eye(n_labels)[targets]
        )

    def logits(self, windows: Floats) -> NDArray[np.float32]:
        """Return logarithms of the votes, shape ``(n, labels)``."""
        means, covariances = _statistics((windows - self.mean) / self.std)
        inverses = np.linalg.inv(covariances)
        rows = []
        for mean, covariance, inverse in zip(means, covariances, inverses, strict=True):
            d = mean - self.means
            distance = np.einsum("nij,ij->n", self.inverses, covariance)
            distance += np.einsum("nij,ij->n", self.covariances, inverse)
            distance += np.einsum("ni,nij,nj->n", d, self.inverses + inverse, d)
            nearest = np.argsort(distance, kind="stable")[:NEIGHBOURS]
            rows.append(self.votes[nearest].T @ _weights())
        logits: NDArray[np.float32] = np.log(np.array(rows, np.float32) + np.float32(_NEVER))
        return logits

    def graph(self, window_frames: int) -> Any:
        """Return the ONNX model, of kind windowed."""
        from onnx import TensorProto, helper

        b = Builder()
        size, n_labels = self.means.shape[1], self.votes.shape[1]
        x = b.add("Sub", FRAMES, b.constant(self.mean))
        x = b.add("Mul", x, b.constant(1 / self.std))
        mean = b.add("ReduceMean", x, axes=[1], keepdims=1)
        centred = b.add("Sub", x, mean)
        covariance = b.add("MatMul", b.add("Transpose", centred, perm=[0, 2, 1]), centred)
        covariance = b.add("Mul", covariance, b.constant(1 / window_frames))
        covariance = b.add("Add", covariance, b.constant(_RIDGE * np.eye(size)))
        inverse = _inverse(b, covariance, size)
        m = b.add("Reshape", mean, b.whole(-1, size))

        def flat(matrix: str) -> str:
            return b.add("Reshape", matrix, b.whole(-1, size * size))

        def by(vector: str, constant: Floats) -> str:
            return b.add("MatMul", vector, b.constant(constant))

        outer = b.add("MatMul", b.add("Transpose", mean, perm=[0, 2, 1]), mean)
        q = self.inverses
        of_own = b.add("MatMul", mean, inverse)
        own = b.add("Reshape", of_own, b.whole(-1, size))
        terms = [
            by(b.add("Add", flat(covariance), flat(outer)), q.reshape(-1, size * size).T),
            by(m, -2 * np.einsum("nij,nj->in", q, self.means)),
            b.constant(np.einsum("ni,nij,nj->n", self.means, q, self.means)),
            by(flat(inverse), (self.covariances + _outer(self.means)).reshape(-1, size * size).T),
            by(own, -2 * self.means.T),
            b.add("ReduceSum", b.add("Mul", own, m), b.whole(1), keepdims=1),
        ]
        distance = terms[0]
        for term in terms[1:]:
            distance = b.add("Add", distance, term)
        b.nodes.append(
            helper.make_node(
                "TopK", [distance, b.whole(NEIGHBOURS)], ["distances", "nearest"], largest=0
            )
        )
        votes = b.add("Gather", b.constant(self.votes), "nearest")
        votes = b.add("Mul", votes, b.constant(_weights()[:, None]))
        votes = b.add("ReduceSum", votes, b.whole(1), keepdims=0)
        b.add("Log", b.add("Add", votes, b.constant(_NEVER)), to=LOGITS)
        floats = TensorProto.FLOAT
        graph = helper.make_graph(
            b.nodes, "streamgenre",
            [helper.make_tensor_value_info(FRAMES, floats, ["batch", window_frames, size])],
            [helper.make_tensor_value_info(LOGITS, floats, ["batch", n_labels])],
            b.constants,
        )  # fmt: skip
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
            producer_name="streamgenre",
        )  # fmt: skip


def _weights() -> NDArray[np.float64]:
    weights: NDArray[np.float64] = 1 + _TIE * np.arange(NEIGHBOURS, 0, -1, dtype=np.float64)
    return weights


def _outer(means: Floats) -> Floats:
    products: Floats = np.einsum("ni,nj->nij", means, means)
    return products


def _statistics(windows: Floats) -> tuple[Floats, Floats]:
    means = windows.mean(axis=1)
    centred = windows - means[:, None]
    covariances = np.einsum("nti,ntj->nij", centred, centred) / windows.shape[1]
    return means, covariances + _RIDGE * np.eye(windows.shape[2])


def _inverse(b: Builder, matrix: str, size: int) -> str:
    """Add the inverse of a positive definite matrix, ``(batch, size, size)``: sweep every pivot.

    One sweep is ``A - (a - e)(a - e)' / d - 2 e e'`` with the pivot's column a, its entry d and the
    unit vector e; after all of them the result is the negative inverse.
    """
    for pivot in range(size):
        unit = np.eye(size)[:, [pivot]]
        column = b.add("MatMul", matrix, b.constant(unit))
        entry = b.add("MatMul", b.constant(unit.T), column)
        column = b.add("Sub", column, b.constant(unit))
        step = b.add("MatMul", column, b.add("Transpose", column, perm=[0, 2, 1]))
        matrix = b.add("Sub", matrix, b.add("Div", step, entry))
        matrix = b.add("Sub", matrix, b.constant(2 * unit @ unit.T))
    return b.add("Neg", matrix)
