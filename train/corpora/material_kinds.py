"""Kinds of material that heads are trained and measured on.

1, 2 and so on are augmented programmes.
"""

from __future__ import annotations

from typing import Final

STRAY: Final = -4
"""Noise without any music, at every level and of every colour: it has no genre."""
ROOM: Final = -3
"""Every clip by itself in a simulated room, 10 dB above its noise; never trained on, and with other
recordings of noise than the augmentation."""
OTHERS: Final = -2
"""Other recordings of the clips, each by itself; never trained on."""
ALONE: Final = -1
"""Every clip by itself, as it is."""
LEVELS: Final = 0
"""A programme with nothing changed but levels."""


def seed_of(kind: int, fold: int) -> int:
    """Return the seed of all that is drawn for a kind of material of a fold."""
    return 1000 * (kind + 10) + fold
