"""The drift test: what hours of music do to a model's state.

The same ten minutes of programme are repeated without a reset in between: no silence, no loss,
nothing that makes the daemon reset. The first time the state is fresh; any difference the last time
comes from the hours between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.ring import Gap
from streamgenre.inference import statistics
from train.streaming.playback import play
from train.streaming.programme import RATE, Part, Programme, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamgenre.inference.model import Model
    from train.streaming.programme import Clip, Samples


BLOCK_S: Final = 600
"""Seconds of programme that are repeated."""


def drift(
    model: Model,
    clips: Sequence[Clip],
    times: int,
    *,
    seed: int = 0,
    seconds: int = BLOCK_S,
    settings: Settings | None = None,
    on_second: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Play a programme a number of times without a reset; compare the first and the last time.

    Parameters
    ----------
    model
        A model as the daemon loads it.
    clips
        Recordings to play.
    times
        Number of repetitions, at least 2.
    seed
        Seed of the programme.
    seconds
        Length of the programme.
    settings
        Settings of the programme; changes that reset the state are removed.
    on_second
        Called at every update.
    """
    endless = replace(
        settings or Settings(), seconds=float(seconds), silence=0.0, gap=0.0, talk=0.0
    )
    programme = Programme(clips, (), seed, endless)
    samples = np.concatenate([block for block in programme.blocks() if not isinstance(block, Gap)])
    samples = samples[: seconds * RATE]
    parts = [
        Part(
            p.start + n * seconds, min(p.end, seconds) + n * seconds, p.kind, p.genre, p.clip,
            p.piece + n * len(programme.parts),
        )
        for n in range(times)
        for p in programme.parts
        if p.start < seconds
    ]  # fmt: skip

    def blocks() -> Iterator[Samples]:
        for _ in range(times):
            for start in range(0, len(samples), RATE):
                yield samples[start : start + RATE]

    played = play(model, blocks(), parts, on_second=on_second)
    first, last = slice(0, seconds), slice((times - 1) * seconds, times * seconds)
    genres = played.genres[first]
    right = [
        statistics.balanced_accuracy(played.decisions[rows] == genres, genres)
        for rows in (first, last)
    ]
    moved = np.abs(played.probabilities[last] - played.probabilities[first]).max(axis=1)
    return {
        "hours": round(times * seconds / 3600, 2),
        "seconds": seconds,
        "times": times,
        "first": round(right[0], 4),
        "last": round(right[1], 4),
        "decisions_changed": round(
            float((played.decisions[first] != played.decisions[last]).mean()), 4
        ),
        "probabilities_moved": round(float(moved.mean()), 5),
    }
