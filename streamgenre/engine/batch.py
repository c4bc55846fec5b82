"""From complete hops to decisions: one run of a model for all stations that share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.engine.station import Hop
    from streamgenre.inference.decision import Decider, Decision
    from streamgenre.inference.models import Model


@dataclass(frozen=True, slots=True)
class PendingHop:
    """A complete hop that waits for a run of its model."""

    station: str
    """Name of the station that it belongs to."""
    hop: Hop
    """The hop."""
    model: Model
    """The station's model, shared with other stations."""
    decider: Decider
    """The station's own decision stage."""


@dataclass(frozen=True, slots=True)
class HopResult:
    """What came of one complete hop."""

    hop: Hop
    """The hop."""
    silent: bool
    """Whether it was silent; a silent hop is not shown to the model."""
    outcome: Decision | ModelError
    """The decision after the hop, or why the model has none."""


def decide(pending: Sequence[PendingHop]) -> list[HopResult]:
    """Run each model once over the hops of all stations that share it, and decide.

    Parameters
    ----------
    pending
        At most one complete hop per station.

    Returns
    -------
    One result per hop, in the same order.
    """
    by_model: dict[int, list[PendingHop]] = {}
    for item in pending:
        # The models have not learnt silence.
        if not item.decider.is_silent(item.hop.level_dbfs):
            by_model.setdefault(id(item.model), []).append(item)
    genres: dict[str, NDArray[np.float64] | ModelError] = {}
    speech: dict[str, float] = {}
    for batch in by_model.values():
        model = batch[0].model
        names = [item.station for item in batch]
        try:
            output = model.update(names, [item.hop.frames for item in batch])
        except ModelError as error:
            genres |= dict.fromkeys(names, error)
            continue
        for row, name in enumerate(names):
            try:
                genres[name] = model.probabilities(output.of(row))[0]
            except ModelError as error:
                genres[name] = error
        probabilities = model.speech(output)
        if probabilities is not None:
            speech |= dict(zip(names, probabilities.tolist(), strict=True))
    return [
        _decide_one(item, genres.get(item.station), speech.get(item.station)) for item in pending
    ]


def _decide_one(
    item: PendingHop, genres: NDArray[np.float64] | ModelError | None, speech: float | None
) -> HopResult:
    """Take one hop into the station's decision; ``genres`` is None for a silent hop."""
    if isinstance(genres, ModelError):
        return HopResult(item.hop, silent=False, outcome=genres)
    decision = item.decider.step(genres, start=item.hop.start, end=item.hop.end, speech=speech)
    if item.decider.in_silence:
        item.model.reset(item.station)  # what follows a silence is a new piece
    return HopResult(item.hop, silent=genres is None, outcome=decision)
