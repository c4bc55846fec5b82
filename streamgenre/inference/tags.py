"""The tags that are worth reporting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST: Final = 5
"""Most tags that are reported."""
LEAST: Final = 0.1
"""Lowest probability of a tag that is reported."""


def likeliest(tags: Sequence[str], probabilities: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Return the likeliest tags with their probabilities, the likeliest first.

    Parameters
    ----------
    tags
        Names of all tags.
    probabilities
        Their probabilities, 0 to 1, in the same order.

    Returns
    -------
    dict
        Up to ``MOST`` tags of at least ``LEAST``.
    """
    order = np.argsort(-probabilities, kind="stable")[:MOST]
    return {
        tags[at]: round(min(1.0, float(probabilities[at])), 4)
        for at in order
        if probabilities[at] >= LEAST
    }
