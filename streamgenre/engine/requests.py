"""Requests to stations while they run: resetting one, and switching to another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.engine.model_change import check_features, unknown_station

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamgenre.engine.runner import StationRunner
    from streamgenre.inference.model import Model


def reset(runners: Iterable[StationRunner], station: str) -> None:
    """Reset model and decision of a station; in the engine's thread.

    Parameters
    ----------
    runners
        What runs each station.
    station
        Name of the station.

    Raises
    ------
    ControlError
        If the station does not exist.
    """
    running = _running(runners)
    if station not in running:
        raise unknown_station(station, running)
    running[station].reset(running[station].station.stream_time)


def use_model(runners: Iterable[StationRunner], model: Model, station: str | None = None) -> None:
    """Switch stations to another model; in the engine's thread.

    Parameters
    ----------
    runners
        What runs each station.
    model
        The model.
    station
        Name of the station; None for all.

    Raises
    ------
    ControlError
        If the station does not exist, or the model uses other features than a present one;
        then nothing has changed.
    """
    running = _running(runners)
    if station is not None:
        if station not in running:
            raise unknown_station(station, running)
        running = {station: running[station]}
    check_features(model.manifest, {name: each.model.manifest for name, each in running.items()})
    for runner in running.values():
        runner.use_model(model)


def _running(runners: Iterable[StationRunner]) -> dict[str, StationRunner]:
    return {runner.name: runner for runner in runners if not runner.station.finished}
