"""Probe: hear an input for some seconds with an engine of its own, and describe it."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import InputError
from streamgenre.events import SourceChange, Title, Update
from streamgenre.sources.stream_info import StreamInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent
    from streamgenre.inference.model import Model
    from streamgenre.sources.base import Source

MAX_TITLES: Final = 50
"""Titles kept; some stations announce the time of day every second."""


@dataclass(slots=True)
class Probe:
    """What a probe found; None where it is not known."""

    input: str
    """Name of the input, without credentials."""
    rate: int | None = None
    """Sample rate in Hz."""
    channels: int | None = None
    """Number of channels."""
    info: StreamInfo = field(default_factory=StreamInfo)
    """What the input says about itself."""
    heard_s: float = 0.0
    """Seconds of audio heard."""
    titles: list[dict[str, Any]] = field(default_factory=list)
    """What was announced: ``stream_time``, ``artist``, ``title``, ``raw``."""
    peak_dbfs: float | None = None
    """Largest sample."""
    loudness_lufs: float | None = None
    """Short-term loudness, of the last 3 s."""
    state: str | None = None
    """State at the end: ``music``, ``speech``, ``silence`` or ``unknown``."""
    genre: str | None = None
    """The decision, where the state is ``music``."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Smoothed probability of each genre at the end."""
    model: str = ""
    """Name of the model used."""
    problem: str | None = None
    """Why nothing was heard, or why it ended early."""
    energy: float = 0.0
    """Sum over the seconds of the mean square of the samples."""

    @property
    def level_dbfs(self) -> float | None:
        """RMS level in dBFS of everything heard; None for digital silence."""
        if not self.energy or not self.heard_s:
            return None
        return round(10 * math.log10(self.energy / self.heard_s), 2)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object, with ``info`` under the name ``stream``."""
        values = asdict(self)
        del values["energy"]
        return {"input": values.pop("input"), "stream": values.pop("info"), **values} | {
            "level_dbfs": self.level_dbfs
        }

    def take(self, event: AnyEvent) -> None:
        """Take what an event says about the input."""
        if isinstance(event, Update):
            if event.level_dbfs is not None:
                self.energy += (event.stream_time - self.heard_s) * 10 ** (event.level_dbfs / 10)
            self.heard_s = event.stream_time
            self.peak_dbfs = _larger(self.peak_dbfs, event.peak_dbfs)
            self.loudness_lufs = event.loudness_lufs
            self.state, self.genre = event.state, event.genre
            self.probabilities = event.smoothed
        elif isinstance(event, Title) and len(self.titles) < MAX_TITLES:
            names = ("stream_time", "artist", "title", "raw")
            self.titles.append({name: getattr(event, name) for name in names})
        elif isinstance(event, SourceChange):
            self.rate, self.channels = event.rate or self.rate, event.channels or self.channels
            if event.state == "lost" or (event.state == "connecting" and event.detail):
                self.problem = event.detail


def probe(
    source: Source,
    model: Model,
    *,
    seconds: float,
    timeout_s: float,
    progress: Callable[[float], None] = lambda heard_s: None,
) -> Probe:
    """Hear an input for some seconds of audio, without a second attempt.

    Parameters
    ----------
    source
        The input, not yet started; stopped at the end.
    model
        Model that decides on the genre.
    seconds
        Seconds of audio to hear, > 0.
    timeout_s
        Seconds to wait beyond them.
    progress
        Called with the seconds of audio heard so far.

    Raises
    ------
    InputError
        If no audio could be heard.
    """
    found = Probe(source.name, model=model.manifest.name)
    deadline = time.monotonic() + seconds + timeout_s

    def publish(event: AnyEvent) -> None:
        found.take(event)
        if not source.live:
            found.problem = None  # unplayable files are in the log
        progress(found.heard_s)

    def stopping() -> bool:
        return found.problem is not None or time.monotonic() > deadline

    engine = Engine(publish, EngineSettings(duration_s=seconds))
    engine.add("probe", source, model)
    engine.run(stopping)
    found.info = source.info or found.info
    if not found.heard_s:
        why = found.problem or f"no audio in {seconds + timeout_s:g} s"
        raise InputError(f"{source.name}: {why}")
    return found


def _larger(a: float | None, b: float | None) -> float | None:
    return max((x for x in (a, b) if x is not None), default=None)
