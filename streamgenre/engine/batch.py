"""From complete hops to decisions: one run of a model for all stations that share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.engine.runner import StationRunner
    from streamgenre.engine.station import Hop
    from streamgenre.inference.decision import Decision


@dataclass(frozen=True, slots=True)
class HopResult:
    """What came of one complete hop."""

    runner: StationRunner
    """The station that the hop belongs to."""
    hop: Hop
    """The hop."""
    silent: bool
    """Whether it was silent; a silent hop is not shown to the model."""
    outcome: Decision | ModelError
    """The decision after the hop, or why the model has none."""


def decide(runners: Sequence[StationRunner]) -> list[HopResult]:
    """Run the models over the complete hops and decide.

    Parameters
    ----------
    runners
        Stations; those without a complete hop are left out.

    Returns
    -------
    One result per complete hop, in the order of the stations.
    """
    pending = [(runner, runner.hop) for runner in runners if runner.hop is not None]
    heard: dict[int, list[tuple[StationRunner, Hop]]] = {}
    for runner, hop in pending:
        # The models have not learnt silence.
        if not runner.decider.is_silent(hop.level_dbfs):
            heard.setdefault(id(runner.model), []).append((runner, hop))
    genres: dict[str, NDArray[np.float64] | ModelError] = {}
    speech: dict[str, float] = {}
    for batch in heard.values():
        model = batch[0][0].model
        names = [runner.name for runner, _ in batch]
        output = model.update(names, [hop.frames for _, hop in batch])
        for row, name in enumerate(names):
            try:
                genres[name] = model.probabilities(output.of(row))[0]
            except ModelError as error:
                genres[name] = error
        probabilities = model.speech(output)
        if probabilities is not None:
            speech |= dict(zip(names, probabilities.tolist(), strict=True))
    return [_decide_one(runner, hop, genres.get(runner.name), speech) for runner, hop in pending]


def _decide_one(
    runner: StationRunner,
    hop: Hop,
    genres: NDArray[np.float64] | ModelError | None,
    speech: dict[str, float],
) -> HopResult:
    """Take one hop into the station's decision; ``genres`` is None for a silent hop."""
    if isinstance(genres, ModelError):
        return HopResult(runner, hop, silent=False, outcome=genres)
    decision = runner.decider.step(
        genres, start=hop.start, end=hop.end, speech=speech.get(runner.name)
    )
    if runner.decider.in_silence:
        runner.model.reset(runner.name)  # what follows a silence is a new piece
    return HopResult(runner, hop, silent=genres is None, outcome=decision)
