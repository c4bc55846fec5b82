"""What a day of music does to a model's state.

The same hour of programme is played again and again with no reset in between: no silence, no loss,
nothing at which the daemon begins anew. The first time the state is fresh; whatever differs the
last time is what the hours between have left in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from train import measure
from train.streaming.listening import listen
from train.streaming.programme import RATE, Part, Programme, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamgenre.models import Model
    from train.streaming.programme import Clip, Samples


def drift(
    model: Model,
    clips: Sequence[Clip],
    times: int,
    *,
    seed: int = 0,
    settings: Settings | None = None,
    on_second: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Play an hour a number of times without a reset; compare the first and the last time.

    Parameters
    ----------
    model
        A model as the daemon loads it.
    clips
        Recordings to play.
    times
        How often the hour is played, at least 2.
    seed
        Seed of the programme.
    settings
        What the programme is like; changes that reset the state are taken out.
    on_second
        Called at every update.
    """
    given = settings or Settings()
    endless = replace(given, silence=0.0, gap=0.0, talk=0.0)
    programme = Programme(clips, (), seed, endless)
    hour = np.concatenate([block for block in programme.blocks() if not hasattr(block, "reason")])
    seconds = min(int(given.seconds), len(hour) // RATE)
    hour = hour[: seconds * RATE]
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
            for start in range(0, len(hour), RATE):
                yield hour[start : start + RATE]

    heard = listen(model, blocks(), parts, on_second=on_second)
    first, last = slice(0, seconds), slice((times - 1) * seconds, times * seconds)
    genres = heard.genres[first]
    hits = {n: heard.decisions[n_] == genres for n, n_ in (("first", first), ("last", last))}
    apart = np.abs(heard.probabilities[last] - heard.probabilities[first]).max(axis=1)
    return {
        "hours": round(times * seconds / 3600, 2),
        "block_seconds": seconds,
        "times": times,
        "first": round(measure.balanced_accuracy(hits["first"], genres), 4),
        "last": round(measure.balanced_accuracy(hits["last"], genres), 4),
        "decisions_changed": round(
            float((heard.decisions[first] != heard.decisions[last]).mean()), 4
        ),
        "probabilities_moved": {
            "mean": round(float(apart.mean()), 5),
            # The very first seconds know nothing yet, the last time they come after music.
            "after_a_minute": round(float(apart[60:].max()) if seconds > 60 else 0.0, 5),
        },
    }
