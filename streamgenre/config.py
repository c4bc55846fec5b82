"""Settings of the listening daemon, frozen and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamgenre.decision import DecisionSettings
from streamgenre.errors import SettingsError
from streamgenre.manifest import DEFAULT_MODEL
from streamgenre.sources.stdin import RawFormat

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.sources.paced import Pace

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5757"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What holds for every station of the daemon."""

    hop_s: float = 1.0
    """Time between two updates in seconds of audio."""
    status_s: float = 4.0
    """Seconds between two status events: a subscriber that misses two of them knows within 10 s."""
    reset_gap_s: float = 2.0
    """A gap of so many seconds or more resets model and decision; a shorter one is bridged."""
    dead_air_s: float | None = 20.0
    """Seconds of silence after which a ``dead_air`` event is sent; None for never."""
    duration_s: float | None = None
    """Seconds of audio after which a station ends; None for no end."""

    def __post_init__(self) -> None:
        if self.dead_air_s is not None and not 0 < self.dead_air_s < 1e9:
            raise SettingsError(
                f"--dead-air {self.dead_air_s}: expected seconds greater than 0 and below 1e9"
            )
        if self.duration_s is not None and not 0 < self.duration_s < 1e9:
            raise SettingsError(
                f"--duration {self.duration_s}: expected seconds greater than 0 and below 1e9"
            )


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """What ``streamgenre listen`` was asked to do."""

    input: str | None = None
    """Device name, path, ``-`` or ``demo``; None for the default input device, else the demo."""
    station: str | None = None
    """Name of the station; None to take it from the input."""
    publish: str = DEFAULT_ENDPOINT
    """ZeroMQ endpoint to bind."""
    encrypt: bool = False
    """Whether only allowed keys are let in on loopback too; beyond it they always are."""
    keys: Path | None = None
    """Folder of the keys; None for the user's own."""
    ipc_mode: int = 0o600
    """File mode of an ``ipc://`` endpoint."""
    control: str | None = None
    """ZeroMQ endpoint to take requests on; None for none."""
    metrics: str | None = None
    """``HOST:PORT`` of the Prometheus metrics; None for none."""
    model: str = DEFAULT_MODEL
    """Name of a shipped model, or a model folder."""
    pace: Pace = "real"
    """How files and the demo are played."""
    raw: RawFormat = field(default_factory=RawFormat)
    """How standard input is read."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    """Settings of the engine."""
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    """Settings of the decision stage."""
