"""Means over all frames so far, the last ones with the greatest weight, in an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from train.recipes.recipe import NEXT

if TYPE_CHECKING:
    from train.export.graph_builder import Builder


class RunningMeans:
    """Running means of new frames, with their sums in named states.

    The frame ``n`` frames ago has the weight ``exp(-n * pace)``. The sums are divided by the sum of
    the weights: a signal that has just begun is not taken for one that was silent.

    Parameters
    ----------
    b
        Collects the nodes.
    new
        Name of the number of new frames, shape ``(1,)``.
    pace
        A frame's length over the time constant.
    """

    def __init__(self, b: Builder, new: str, pace: float) -> None:
        self._b = b
        count = b.add("Squeeze", new, b.whole(0))
        zero, one = b.constant(0, np.int64), b.constant(1, np.int64)
        number = b.add("Cast", b.add("Range", zero, count, one), kind=1)
        ages = b.add(
            "Sub", b.add("Unsqueeze", number, b.whole(1)), b.add("Unsqueeze", number, b.whole(0))
        )
        slope = b.constant(-pace)
        decay = b.add("Exp", b.add("Mul", b.add("Max", ages, b.constant(0)), slope))
        past = b.add("Cast", b.add("GreaterOrEqual", ages, b.constant(0)), kind=1)
        self._decay = b.add("Mul", decay, past)  # (time, time)
        since = b.add("Exp", b.add("Mul", b.add("Add", number, b.constant(1)), slope))
        self._since = b.add("Unsqueeze", since, b.whole(1))  # (time, 1): weight of the sums so far

    def sums(self, state: str, values: str) -> str:
        """Return running sums of values, shape ``(batch, time, width)``; keep the last.

        Parameters
        ----------
        state
            Name of a state of shape ``(width,)``.
        values
            Name of the values, shape ``(batch, time, width)``.
        """
        b = self._b
        kept = b.add("Unsqueeze", state, b.whole(1))
        past = b.add("Mul", self._since, kept)
        found = b.add("Add", b.add("MatMul", self._decay, values), past)
        last = b.add("Slice", found, b.whole(-1), b.whole(2**62), b.whole(1))
        b.add("Squeeze", last, b.whole(1), to=state + NEXT)
        return found

    def weights(self, state: str, like: str) -> str:
        """Return the running sums of the weights, shape ``(batch, time, 1)``.

        Parameters
        ----------
        state
            Name of a state of shape ``(1,)``.
        like
            Name of values of shape ``(batch, time, 1)``.
        """
        b = self._b
        ones = b.add("Add", b.add("Mul", like, b.constant(0)), b.constant(1))
        return self.sums(state, ones)
