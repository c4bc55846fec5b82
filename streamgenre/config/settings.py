"""Settings of the listening daemon, frozen and checked.

The fields are the keys of the configuration file. Their types and limits define what is accepted;
their docstrings are the help in ``streamgenre config edit-example`` and ``schema``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the types are read
from typing import Annotated, Final, Literal

from streamgenre.bus.endpoints import address_problem
from streamgenre.bus.settings import BusSettings
from streamgenre.clips.settings import ClipSettings
from streamgenre.config.bridges import BridgeSettings
from streamgenre.config.web import WebSettings
from streamgenre.defaults import MODEL
from streamgenre.engine.settings import EngineSettings
from streamgenre.history.settings import HistorySettings
from streamgenre.inference.settings import DecisionSettings
from streamgenre.limits import Checked, Like, Range, Secret, check
from streamgenre.sources.device.source import DeviceSettings
from streamgenre.sources.factory import input_problem, is_replayable
from streamgenre.sources.files.raw import RawFormat
from streamgenre.sources.paced import Pace  # noqa: TC001 - the types are read
from streamgenre.sources.stream.settings import (
    NO_HEADERS,
    Headers,
    StreamSettings,
    ca_problem,
    charset_problem,
    headers_problem,
    value_problem,
)

MAX_NAME: Final = 200
"""Characters of a station's name."""
MAX_STATIONS: Final = 10_000
"""Stations of one daemon."""
_NAME: Final = Like(rf"(?=.*\S).{{1,{MAX_NAME}}}", "a name of printable characters")


def _name_fault(name: str) -> str:
    return "" if name.isprintable() else f"expected {_NAME.expected}"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where metrics are served."""

    listen: Annotated[str, Checked(address_problem)] | None = None
    """``HOST:PORT`` or ``:PORT`` on which to serve metrics for Prometheus; None for none."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class StationSettings:
    """One audio input and how it is read and classified."""

    input: Annotated[str, Checked(input_problem)] | None = None
    """Device name or id, path, URL, ``-`` for standard input, ``demo``, or ``default`` for the
    default input device. None only if no input is named: the default device, else the demo."""
    name: Annotated[str, _NAME, Checked(_name_fault)] | None = None
    """Name of the station in every event; None to derive it from the input."""
    model: str = MODEL
    """Name of a shipped model, or a model folder."""
    gain_db: Annotated[float, Range(-60, 60, "dB")] = 0.0
    """Gain in decibels applied to the input first, for instance to that of a quiet microphone."""
    pace: Pace = "real"
    """How fast files and the demo are played: in real time, or as fast as possible."""
    loop: bool = False
    """Whether a file, folder or playlist is repeated."""
    shuffle: Annotated[int, Range(0, math.inf)] | None = None
    """Seed of the random order of a folder or playlist, reshuffled each pass; None for its own
    order."""
    headers: Annotated[Headers, Secret(), Checked(headers_problem)] = NO_HEADERS
    """Headers that the server of a stream asks for, as a table: ``{ X-Token = "…" }``. Sent only to
    the server that ``input`` names. Never shown."""
    user_agent: Annotated[str, Secret(), Checked(value_problem)] | None = field(
        default=None, repr=False
    )
    """Header ``User-Agent`` of the requests for a stream; None for the program's name and version.
    Never shown."""
    charset: Annotated[str, Checked(charset_problem)] | None = None
    """Charset of a station's titles and name, for example ``cp1251``; None to detect it."""
    allow_private: bool = True
    """Whether a stream, and what its lists and redirects lead to, may be at a loopback, private,
    link-local or multicast address."""
    ca_file: Annotated[Path, Checked(ca_problem)] | None = None
    """File of certificates (PEM) that the servers of ``https`` streams are verified with; None for
    those of the system."""
    keep_clips: Literal["auto", "always", "never"] = "auto"
    """Whether clips are kept where ``[clips]`` asks for it: ``auto`` of files and of streams over
    HTTP only; ``always`` also of a sound card, standard input, a pipe or RTSP, where people may be
    heard who do not know of it."""
    raw: RawFormat = field(default_factory=RawFormat)
    """Format of raw PCM on standard input."""
    device: DeviceSettings = field(default_factory=DeviceSettings)
    """Time limits for a sound card."""
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    """How probabilities become a decision."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def clips_allowed(self) -> bool:
        """Whether clips of this station may be kept."""
        if self.keep_clips != "auto":
            return self.keep_clips == "always"
        broadcast = (self.input or "").lower().startswith(("http://", "https://"))
        return broadcast or is_replayable(self.input)

    @property
    def stream(self) -> StreamSettings:
        """How a stream is requested and read."""
        return StreamSettings(
            headers=self.headers,
            user_agent=self.user_agent,
            charset=self.charset,
            allow_private=self.allow_private,
            ca_file=self.ca_file,
        )


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of ``streamgenre listen``."""

    stations: tuple[StationSettings, ...] = (StationSettings(),)
    """One or more; each has a unique name, unless it is the only one."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    bus: BusSettings = field(default_factory=BusSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    web: WebSettings = field(default_factory=WebSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
