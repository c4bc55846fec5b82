"""What an input is: heard for some seconds by an engine of its own."""

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
    from streamgenre.inference.models import Model
    from streamgenre.sources.base import Source

MAX_TITLES: Final = 50
"""Titles that are kept; a station may announce the time of day every second."""


@dataclass(slots=True)
class Probe:
    """What was found out; None where it is not known."""

    input: str
    """Name of the input, without credentials."""
    rate: int | None = None
    """Samples a second."""
    channels: int | None = None
    """Channels."""
    info: StreamInfo = field(default_factory=StreamInfo)
    """What it says of itself."""
    heard_s: float = 0.0
    """Seconds of audio that were heard."""
    titles: list[dict[str, Any]] = field(default_factory=list)
    """What was announced: ``stream_time``, ``artist``, ``title``, ``raw``."""
    peak_dbfs: float | None = None
    """Largest sample."""
    loudness_lufs: float | None = None
    """Short-term loudness, of the last 3 s."""
    state: str | None = None
    """``music``, ``speech``, ``silence`` or ``unknown``, as it is at the end."""
    genre: str | None = None
    """The decision, where the state is ``music``."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Smoothed probability of each genre at the end."""
    model: str = ""
    """Name of the model that was asked."""
    problem: str | None = None
    """Why it was not heard, or not longer."""
    energy: float = 0.0
    """Sum over the seconds of the mean square of the samples."""

    @property
    def level_dbfs(self) -> float | None:
        """RMS level of all that was heard; None for digital silence."""
        if not self.energy or not self.heard_s:
            return None
        return round(10 * math.log10(self.energy / self.heard_s), 2)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; what the input says of itself is its ``stream``."""
        values = asdict(self)
        del values["energy"]
        return {"input": values.pop("input"), "stream": values.pop("info"), **values} | {
            "level_dbfs": self.level_dbfs
        }

    def take(self, event: AnyEvent) -> None:
        """Learn from an event."""
        if isinstance(event, Update):
            if event.level_dbfs is not None:
                self.energy += (event.stream_time - self.heard_s) * 10 ** (event.level_dbfs / 10)
            self.heard_s = event.stream_time
            self.peak_dbfs = _larger(self.peak_dbfs, event.peak_dbfs)
            self.loudness_lufs = event.loudness_lufs
            self.state, self.genre = event.state, event.genre
            self.probabilities = event.smoothed
        elif isinstance(event, Title) and len(self.titles) < MAX_TITLES:
            told = ("stream_time", "artist", "title", "raw")
            self.titles.append({name: getattr(event, name) for name in told})
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
    """Hear an input for some seconds of audio, at one attempt.

    Parameters
    ----------
    source
        Not yet started; stopped at the end.
    model
        Says what genre it is.
    seconds
        Seconds of audio.
    timeout_s
        Seconds of waiting beyond them.
    progress
        Told how many seconds were heard so far.

    Raises
    ------
    InputError
        If nothing could be heard.
    """
    found = Probe(source.name, model=model.manifest.name)
    deadline = time.monotonic() + seconds + timeout_s

    def publish(event: AnyEvent) -> None:
        found.take(event)
        if not source.live:
            found.problem = None  # of files that cannot be played there is a line in the log
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
