"""The trunk on pairs of frames: half the steps and half the taps, for about a third of the cost.

The power of every two frames is averaged, and every filter is carried over: its taps of a pair are
added up, as the mean of its places at the first and at the second frame. That alone loses much; the
student that begins with it learns to answer as the published trunk does
(:mod:`train.student.whole`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.trunk.musicnn import STEP, convolution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

FRAMES: Final = 2
"""Frames of a step."""
TIMBRE: Final = 5
"""Steps of the vertical filters."""
RHYTHM: Final = (64, 32, 16)
"""Steps of the horizontal filters."""
BACK: Final = 5
"""Steps of the residual layers' filters."""
_TAPS: Final = (TIMBRE, TIMBRE, *RHYTHM, BACK, BACK, BACK)


def paired(weights: Weights) -> Weights:
    """Return weights of a trunk on pairs of frames.

    Parameters
    ----------
    weights
        Those of a trunk on single frames, such as the published one.
    """
    found = dict(weights)
    for number, taps in enumerate(_TAPS):
        name = "conv2d" + (f"_{number}" if number else "")
        found[f"{name}/kernel"] = _of_pairs(convolution(weights, number)[0], taps)
    found[STEP] = np.array([FRAMES], np.float32)
    return found


def _of_pairs(kernel: Any, taps: int) -> Floats:
    """Return a filter along its first axis on pairs; what lies outside goes to the outer taps."""
    back, back_in_pairs = (len(kernel) - 1) // 2, (taps - 1) // 2
    found = np.zeros((taps, *kernel.shape[1:]), np.float32)
    for tap, values in enumerate(kernel):
        for place in range(FRAMES):
            pair = (tap - back + place) // FRAMES + back_in_pairs
            found[np.clip(pair, 0, taps - 1)] += values / FRAMES
    return found
