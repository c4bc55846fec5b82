"""Kinds of material that heads are trained and measured on.

Kinds 1, 2 and so on are augmented programmes.
"""

from __future__ import annotations

from typing import Final

QUIET: Final = -5
"""Every clip by itself, 20 dB quieter; never trained on."""
STRAY: Final = -4
"""Noise without music, at any level and of any colour; trained as "no genre"."""
ROOM: Final = -3
"""Every clip by itself in a simulated room, 10 dB above the noise; never trained on, with noise
unseen in training."""
OTHERS: Final = -2
"""Other recordings of the clips, each by itself; never trained on."""
ALONE: Final = -1
"""Every clip by itself, unchanged."""
LEVELS: Final = 0
"""A programme in which only levels change."""


def seed_of(kind: int, fold: int) -> int:
    """Return the seed for a kind of material of a fold.

    Parameters
    ----------
    kind
        Kind of material.
    fold
        Number of the fold.
    """
    return 1000 * (kind + 10) + fold
