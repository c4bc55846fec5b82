"""From complete hops to decisions: one run of a model for all stations that share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.engine.hops import Hop
    from streamgenre.inference.decision import Answer, Decider, Decision
    from streamgenre.inference.model import Model


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
    outcome: Decision | Exception
    """The decision after the hop, or why there is none."""


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
    answers: dict[str, Answer | Exception] = {}
    for batch in by_model.values():
        try:
            answers |= _run(batch)
        except Exception as error:  # noqa: BLE001 - one of them may be the cause
            answers |= {batch[0].station: error} if len(batch) == 1 else _run_one_by_one(batch)
    return [_decide_one(item, answers.get(item.station)) for item in pending]


def _run(batch: Sequence[PendingHop]) -> dict[str, Answer | Exception]:
    """Run a model once for some stations."""
    model = batch[0].model
    output = model.update([item.station for item in batch], [item.hop.frames for item in batch])
    answers: dict[str, Answer | Exception] = {}
    for row, item in enumerate(batch):
        try:
            answers[item.station] = model.answer(output.of(row))
        except ModelError as error:
            answers[item.station] = error
    return answers


def _run_one_by_one(batch: Sequence[PendingHop]) -> dict[str, Answer | Exception]:
    """Run a model for each station alone, after an error of the batch."""
    answers: dict[str, Answer | Exception] = {}
    for item in batch:
        try:
            answers |= _run([item])
        except Exception as error:  # noqa: BLE001 - it ends this station only
            answers[item.station] = error
    return answers


def _decide_one(item: PendingHop, answer: Answer | Exception | None) -> HopResult:
    """Take one hop into the station's decision; ``answer`` is None for a silent hop."""
    if isinstance(answer, Exception):
        return HopResult(item.hop, silent=False, outcome=answer)
    outcome: Decision | Exception
    try:
        outcome = item.decider.step(answer, start=item.hop.start, end=item.hop.end)
        if item.decider.in_silence:
            item.model.reset(item.station)  # what follows a silence is a new piece
    except Exception as error:  # noqa: BLE001 - it ends this station only
        outcome = error
    return HopResult(item.hop, silent=answer is None, outcome=outcome)
