"""Multinomial logistic regression with a quadratic penalty, fitted to its optimum with L-BFGS.

The objective is the weighted mean of -log p(genre) plus ``strength / 2`` times the squared kernel,
on standardised columns. It has one minimum: neither a seed nor the order of the rows matters.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.integer[Any]]

LEAST_SPREAD: Final = 1e-3
"""Added to the standard deviation of every column: some columns hardly change."""
_ROUNDS: Final = 200
_PAIRS: Final = 10
"""Steps that L-BFGS remembers."""
_TOLERANCE: Final = 1e-4
"""Largest slope at the optimum, in nats."""
_HALVINGS: Final = 30


class Scale(NamedTuple):
    """How columns are standardised."""

    mean: Floats
    """Shape ``(width,)``."""
    spread: Floats
    """Standard deviation plus :data:`LEAST_SPREAD`, shape ``(width,)``."""


class Linear(NamedTuple):
    """``logits = standardised rows @ kernel + bias``."""

    kernel: Floats
    """Shape ``(width, labels)``."""
    bias: Floats
    """Shape ``(labels,)``."""

    def logits(self, rows: Floats) -> Floats:
        """Return the logits of standardised rows, shape ``(n, labels)``."""
        found: Floats = rows @ self.kernel + self.bias
        return found


def scale_of(rows: Floats, weights: Doubles) -> Scale:
    """Return the weighted mean and spread of every column.

    Parameters
    ----------
    rows
        Embeddings, shape ``(n, width)``.
    weights
        Weight of each row, shape ``(n,)``; not all 0.
    """
    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ rows
    spread = np.sqrt(np.maximum(share @ np.square(rows - mean), 0)) + np.float32(LEAST_SPREAD)
    return Scale(mean, spread)


def fit(
    rows: Floats,
    targets: Ints,
    weights: Doubles,
    n_labels: int,
    strength: float,
    start: Linear | None = None,
) -> Linear:
    """Fit the regression.

    Parameters
    ----------
    rows
        Standardised embeddings, shape ``(n, width)``.
    targets
        Index of each row's genre, shape ``(n,)``.
    weights
        Weight of each row, shape ``(n,)``; only their ratios matter.
    n_labels
        Number of genres, at least 2.
    strength
        Strength of the penalty, above 0.
    start
        Where to start, such as the fit with another strength; zeros by default.

    Returns
    -------
    Linear
        Kernel and bias at the optimum.
    """
    width = rows.shape[1]
    share = (weights / weights.sum()).astype(np.float32)[:, None]
    wanted = np.eye(n_labels, dtype=np.float32)[targets]
    transposed = np.ascontiguousarray(rows.T)
    split = width * n_labels

    def objective(at: Doubles) -> tuple[float, Doubles]:
        kernel = at[:split].reshape(width, n_labels).astype(np.float32)
        logits = rows @ kernel + at[split:].astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        sums = p.sum(axis=1, keepdims=True)
        surprise = np.log(sums[:, 0]) - (logits * wanted).sum(axis=1)
        value = float(share[:, 0].astype(np.float64) @ surprise)
        value += 0.5 * strength * float(at[:split] @ at[:split])
        error = (p / sums - wanted) * share
        slope = np.empty_like(at)
        slope[:split] = (transposed @ error).ravel() + strength * at[:split]
        slope[split:] = error.sum(axis=0)
        return value, slope

    at = np.zeros(split + n_labels)
    if start is not None:
        at[:split], at[split:] = start.kernel.ravel(), start.bias
    best = minimise(objective, at)
    kernel = best[:split].reshape(width, n_labels).astype(np.float32)
    return Linear(kernel, best[split:].astype(np.float32))


def minimise(objective: Callable[[Doubles], tuple[float, Doubles]], start: Doubles) -> Doubles:
    """Return the minimum of a smooth convex function.

    L-BFGS with steps that are halved until the function falls enough (Nocedal and Wright, Numerical
    Optimization, algorithms 7.4 and 3.1).

    Parameters
    ----------
    objective
        Returns value and gradient, shape ``(n,)``.
    start
        Where to start, shape ``(n,)``.
    """
    at = start
    value, slope = objective(at)
    pairs: deque[tuple[Doubles, Doubles, float]] = deque(maxlen=_PAIRS)
    for _ in range(_ROUNDS):
        if np.abs(slope).max() <= _TOLERANCE:
            break
        way = -_by_inverse_curvature(slope, pairs)
        fall = float(way @ slope)
        if fall >= 0:  # rounding has spoilt the curvature
            pairs.clear()
            way, fall = -slope, -float(slope @ slope)
        length = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(slope).sum()))
        for _ in range(_HALVINGS):
            there = at + length * way
            new_value, new_slope = objective(there)
            if new_value <= value + 1e-4 * length * fall:
                break
            length /= 2
        else:
            break  # float32 resolves no further fall
        step, change = there - at, new_slope - slope
        curvature = float(step @ change)
        if curvature > 1e-10 * float(change @ change):
            pairs.append((step, change, curvature))
        at, value, slope = there, new_value, new_slope
    return at


def _by_inverse_curvature(slope: Doubles, pairs: deque[tuple[Doubles, Doubles, float]]) -> Doubles:
    """Return the gradient times the estimated inverse of the second derivatives."""
    found = slope.copy()
    taken = []
    for step, change, curvature in reversed(pairs):
        factor = float(step @ found) / curvature
        taken.append(factor)
        found -= factor * change
    if pairs:
        step, change, curvature = pairs[-1]
        found *= curvature / float(change @ change)
    for (step, change, curvature), factor in zip(pairs, reversed(taken), strict=True):
        found += (factor - float(change @ found) / curvature) * step
    return found
