"""The daemon's engine over a programme: one row per update with the truth and the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.config import EngineSettings
from streamgenre.engine.engine import Engine
from streamgenre.events import Update
from streamgenre.sources.paced import PacedSource
from train.streaming.programme import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from streamgenre.audio.ring import Gap
    from streamgenre.events import AnyEvent
    from streamgenre.inference.model import Model
    from streamgenre.inference.settings import DecisionSettings
    from streamgenre.sources.paced import Stall
    from train.streaming.programme import Part, Samples

STATES: Final = ("music", "unknown", "speech", "silence", "noise")
KINDS: Final = ("music", "talk", "silence", "gap")


@dataclass(frozen=True, slots=True)
class Playback:
    """A programme and the daemon's output, one row per update."""

    times: NDArray[np.float64]
    """Stream time of the end of each update, shape ``(n,)``."""
    states: NDArray[np.int64]
    """State reported by the daemon, index into :data:`STATES`; shape ``(n,)``."""
    decisions: NDArray[np.int64]
    """Decided genre, -1 if none; shape ``(n,)``."""
    probabilities: NDArray[np.float64]
    """Probabilities of each hop, shape ``(n, labels)``."""
    smoothed: NDArray[np.float64]
    """Probabilities after smoothing, shape ``(n, labels)``."""
    kinds: NDArray[np.int64]
    """True kind in the middle of the hop, index into :data:`KINDS`; shape ``(n,)``."""
    genres: NDArray[np.int64]
    """True genre, -1 without music; shape ``(n,)``."""
    clips: NDArray[np.int64]
    """True clip, -1 without music; shape ``(n,)``."""
    pieces: NDArray[np.int64]
    """True piece, -1 without music; shape ``(n,)``."""
    ages: NDArray[np.float64]
    """Seconds from the beginning of the piece to the end of the hop; shape ``(n,)``."""


def play(
    model: Model,
    blocks: Iterable[Samples | Gap],
    parts: Sequence[Part],
    *,
    decision: DecisionSettings | None = None,
    on_second: Callable[[], None] = lambda: None,
) -> Playback:
    """Run the engine over blocks as fast as possible, and join its updates with the truth.

    Parameters
    ----------
    model
        A model as the daemon loads it.
    blocks
        Mono at 16 kHz, each of shape ``(n, 1)``.
    parts
        The truth; complete at the latest after the last block.
    decision
        Settings of the decision stage; None for the daemon's defaults.
    on_second
        Called at every update.
    """
    updates: list[Update] = []

    def keep(event: AnyEvent) -> None:
        if isinstance(event, Update):
            updates.append(event)
            on_second()

    def as_source_has_them() -> Iterator[Samples | Gap | Stall]:
        yield from blocks

    engine = Engine(keep, EngineSettings())
    source = PacedSource("programme", RATE, 1, as_source_has_them(), pace="fast", real_time=False)
    engine.add("programme", source, model, decision)
    engine.run(lambda: False)
    return _beside_truth(updates, parts, model.manifest.labels)


def _beside_truth(
    updates: Sequence[Update], parts: Sequence[Part], labels: Sequence[str]
) -> Playback:
    times = np.array([update.stream_time for update in updates])
    before = np.concatenate([[0.0], times[:-1]])
    middles = np.maximum(times - 0.5, (before + times) / 2)
    ends = np.array([part.end for part in parts])
    on = [parts[i] for i in np.minimum(np.searchsorted(ends, middles), len(parts) - 1)]
    began: dict[int, float] = {}
    for part in parts:
        began.setdefault(part.piece, part.start)

    def matrix(name: str) -> Any:
        return np.array([[getattr(u, name)[label] for label in labels] for u in updates])

    return Playback(
        times=times,
        states=np.array([STATES.index(update.state) for update in updates]),
        decisions=np.array([labels.index(u.genre) if u.genre is not None else -1 for u in updates]),
        probabilities=matrix("probabilities"),
        smoothed=matrix("smoothed"),
        kinds=np.array([KINDS.index(part.kind) for part in on]),
        genres=np.array([part.genre for part in on]),
        clips=np.array([part.clip for part in on]),
        pieces=np.array([part.piece for part in on]),
        ages=times - np.array([began[part.piece] for part in on]),
    )
