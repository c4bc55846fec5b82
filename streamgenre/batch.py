"""From complete hops to events: one run of a model for all stations that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.seat import Seat


def decide(seats: Sequence[Seat]) -> None:
    """Decide on the hops that are complete, tell it, and make room for the next ones."""
    by_model: dict[int, list[Seat]] = {}
    for seat in seats:
        # Silence is not shown to the model: it never learnt any.
        if seat.hop is not None and not seat.decider.is_silent(seat.hop.level_dbfs):
            by_model.setdefault(id(seat.model), []).append(seat)
    probabilities: dict[str, NDArray[np.float64]] = {}
    speech: dict[str, float] = {}
    for batch in by_model.values():
        model = batch[0].model
        frames = [seat.hop.frames for seat in batch if seat.hop is not None]
        output = model.update([seat.name for seat in batch], frames)
        for row, seat in enumerate(batch):
            try:
                probabilities[seat.name] = model.probabilities(output.of(row))[0]
            except ModelError as error:
                seat.fail(error)
                seat.hop = None
        told = model.speech(output)
        if told is not None:
            speech |= dict(zip((seat.name for seat in batch), told.tolist(), strict=True))
    for seat in seats:
        hop, seat.hop = seat.hop, None
        if hop is None:
            continue
        name = seat.name
        decision = seat.decider.step(
            probabilities.get(name), start=hop.start, end=hop.end, speech=speech.get(name)
        )
        silent = seat.decider.is_silent(hop.level_dbfs)
        dead_air = seat.watch.step(silent, hop.start, hop.end, hop.wall)
        if dead_air is not None:
            seat.report.dead_air(dead_air)
        if seat.decider.in_silence:
            seat.model.reset(seat.name)  # what follows a silence is something new
        if decision.finished is not None:
            seat.report.segment(decision.finished)
        seat.report.update(hop, decision)
