"""From complete hops to events: one run of a model for all stations that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.engine.runner import StationRunner


def decide(runners: Sequence[StationRunner]) -> None:
    """Decide on the hops that are complete, tell it, and make room for the next ones."""
    by_model: dict[int, list[StationRunner]] = {}
    for runner in runners:
        # Silence is not shown to the model: it never learnt any.
        if runner.hop is not None and not runner.decider.is_silent(runner.hop.level_dbfs):
            by_model.setdefault(id(runner.model), []).append(runner)
    probabilities: dict[str, NDArray[np.float64]] = {}
    speech: dict[str, float] = {}
    for batch in by_model.values():
        model = batch[0].model
        frames = [runner.hop.frames for runner in batch if runner.hop is not None]
        output = model.update([runner.name for runner in batch], frames)
        for row, runner in enumerate(batch):
            try:
                probabilities[runner.name] = model.probabilities(output.of(row))[0]
            except ModelError as error:
                runner.fail(error)
                runner.hop = None
        told = model.speech(output)
        if told is not None:
            speech |= dict(zip((runner.name for runner in batch), told.tolist(), strict=True))
    for runner in runners:
        hop, runner.hop = runner.hop, None
        if hop is None:
            continue
        name = runner.name
        decision = runner.decider.step(
            probabilities.get(name), start=hop.start, end=hop.end, speech=speech.get(name)
        )
        silent = runner.decider.is_silent(hop.level_dbfs)
        dead_air = runner.watch.step(silent, hop.start, hop.end, hop.wall)
        if dead_air is not None:
            runner.report.dead_air(dead_air)
        if runner.decider.in_silence:
            runner.model.reset(runner.name)  # what follows a silence is something new
        if decision.finished is not None:
            runner.report.segment(decision.finished)
        runner.report.update(hop, decision)
