"""Settings of the listening daemon, frozen and checked.

The fields are the keys of the configuration file. Their types and limits define what is accepted;
their docstrings are the help in ``streamgenre config edit-example`` and ``schema``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Final

from streamgenre.bus.endpoints import address_fault
from streamgenre.bus.settings import BusSettings
from streamgenre.defaults import MODEL
from streamgenre.engine.settings import EngineSettings
from streamgenre.history.settings import HistorySettings
from streamgenre.inference.decision import DecisionSettings
from streamgenre.limits import Checked, Like, Range, check
from streamgenre.sources.device.source import DeviceSettings
from streamgenre.sources.factory import input_problem
from streamgenre.sources.files.stdin import RawFormat
from streamgenre.sources.paced import Pace  # noqa: TC001 - the types are read

MAX_NAME: Final = 200
"""Characters of a station's name."""
MAX_STATIONS: Final = 256
"""Stations of one daemon."""
_NAME: Final = Like(rf"(?=.*\S).{{1,{MAX_NAME}}}", "a name of printable characters")


def _name_fault(name: str) -> str:
    return "" if name.isprintable() else f"expected {_NAME.expected}"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Metrics for Prometheus."""

    listen: Annotated[str, Checked(address_fault)] | None = None
    """``HOST:PORT`` or ``:PORT`` to serve them on; None for none."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class StationSettings:
    """One audio input and how it is heard."""

    input: Annotated[str, Checked(input_problem)] | None = None
    """Device name or id, path, URL, ``-`` for standard input, ``demo``, or ``default`` for the
    default input device. None only where nobody named one: the default device, else the demo."""
    name: Annotated[str, _NAME, Checked(_name_fault)] | None = None
    """Name of the station in every event; None to take it from the input."""
    model: str = MODEL
    """Name of a shipped model, or a model folder."""
    gain_db: Annotated[float, Range(-60, 60, "dB")] = 0.0
    """Decibels put on the input before all else, such as on that of a quiet microphone."""
    pace: Pace = "real"
    """How files and the demo are played: as a clock would, or as fast as can be."""
    loop: bool = False
    """Whether a file, folder or list is played again and again."""
    shuffle: Annotated[int, Range(0, math.inf)] | None = None
    """Seed of the order of chance in which a folder or list is played, another one each time; None
    for its own order."""
    raw: RawFormat = field(default_factory=RawFormat)
    """How raw PCM on standard input is read."""
    device: DeviceSettings = field(default_factory=DeviceSettings)
    """How a sound card is watched and waited for."""
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    """From probabilities to a genre."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that ``streamgenre listen`` was asked to do."""

    stations: tuple[StationSettings, ...] = (StationSettings(),)
    """At least one; each with a name of its own, unless it is alone."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    bus: BusSettings = field(default_factory=BusSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
