"""How well a score tells music of the genres from other music, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

KEPT: Final = 0.95
"""Share of the known music that is kept where :func:`still_called` looks."""
SHARES: Final = (1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.92, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Shares of the known music kept at the points of a curve."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Windows of both kinds; a score is larger the less they are like any genre."""

    known: Bools
    """Whether the window is music of one of the genres, shape ``(n,)``."""
    right: Bools
    """Whether its likeliest genre is the right one, shape ``(n,)``."""
    owners: NDArray[np.str_]
    """Artist or package, shape ``(n,)``."""
    weights: Floats
    """Weight of each window among its kind, shape ``(n,)``."""


def area(scores: Floats, known: Bools, weights: Floats) -> float:
    """Return the area under the receiver's curve; windows of equal scores count half.

    Parameters
    ----------
    scores
        Shape ``(n,)``.
    known
        Which windows should have the lower scores, shape ``(n,)``.
    weights
        Weight of each window, shape ``(n,)``.
    """
    _, place = np.unique(scores, return_inverse=True)
    size = int(place.max()) + 1
    low = np.bincount(place[known], weights[known], size)
    high = np.bincount(place[~known], weights[~known], size)
    return float((high * (np.cumsum(low) - low / 2)).sum() / (low.sum() * high.sum()))


def threshold(scores: Floats, weights: Floats, share: float) -> float:
    """Return the score below or at which a share of the windows lies.

    Parameters
    ----------
    scores
        Of known music, shape ``(n,)``.
    weights
        Weight of each window, shape ``(n,)``.
    share
        The share, 0 to 1.
    """
    order = np.argsort(scores, kind="stable")
    cumulated = np.cumsum(weights[order])
    at = np.searchsorted(cumulated, share * cumulated[-1] * (1 - 1e-9))
    return float(scores[order][min(at, len(order) - 1)])


def still_called(scores: Floats, known: Bools, weights: Floats, kept: float = KEPT) -> float:
    """Return the share of other music that gets a genre where a share of the known is kept.

    Parameters
    ----------
    scores
        Shape ``(n,)``.
    known
        Which windows are known music, shape ``(n,)``.
    weights
        Weight of each window, shape ``(n,)``.
    kept
        The share of known music that is kept.
    """
    most = threshold(scores[known], weights[known], kept)
    return _mean(scores[~known] <= most, weights[~known])


def curve(scores: Floats, judged: Judged) -> list[list[float]]:
    """Return points: known music kept; kept by the right genre; other music called a genre.

    Parameters
    ----------
    scores
        Shape ``(n,)``.
    judged
        The windows.
    """
    known, weights = judged.known, judged.weights
    found = []
    for share in SHARES:
        kept = scores <= threshold(scores[known], weights[known], share)
        found.append(
            [
                share,
                round(_mean((kept & judged.right)[known], weights[known]), 4),
                round(_mean(kept[~known], weights[~known]), 4),
            ]
        )
    return found


def figures(scores: Floats, judged: Judged, *, rounds: int, seed: int = 0) -> dict[str, Any]:
    """Return area and :func:`still_called`, each with an interval, and the curve.

    The intervals come from drawing artists and packages again.

    Parameters
    ----------
    scores
        Shape ``(n,)``.
    judged
        The windows.
    rounds
        Number of draws.
    seed
        Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = [_redrawn(judged, rng) for _ in range(rounds)]
    found: dict[str, Any] = {}
    for name, function in (("auroc", area), ("called_at_95", still_called)):
        value = function(scores, judged.known, judged.weights)
        again = [function(scores, judged.known, weights) for weights in drawn]
        low, high = np.quantile(again, [0.025, 0.975]) if again else (value, value)
        found[name] = round(value, 4)
        found[f"{name}_ci95"] = [round(float(low), 4), round(float(high), 4)]
    return found | {"curve": curve(scores, judged)}


def _redrawn(judged: Judged, rng: np.random.Generator) -> Floats:
    """Return the weights after drawing the owners of each kind with replacement."""
    weights = np.zeros(len(judged.weights))
    for known in (True, False):
        mine = judged.known == known
        names, place = np.unique(judged.owners[mine], return_inverse=True)
        times = rng.multinomial(len(names), np.full(len(names), 1 / max(len(names), 1)))
        weights[mine] = judged.weights[mine] * times[place]
    return weights


def _mean(flags: Bools, weights: Floats) -> float:
    return float((flags * weights).sum() / weights.sum())
