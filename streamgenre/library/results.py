"""What is known of a file once it was heard: typed results, and how they follow from the events."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from streamgenre.events import Segment, SourceChange, Title, Update
from streamgenre.inference.tags import LEAST, MOST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamgenre.events import AnyEvent, State
    from streamgenre.sources.titles import Title as TagTitle

VERSION: Final = 3
"""Version of the results; a cache of another one is not used."""
TOP: Final = 3
"""Number of the likeliest genres in a result."""
MAX_SEGMENTS: Final = 10_000
"""Segments that are kept of a file; a day of music has some thousand."""
LEAST_S: Final = 1.0
"""Seconds of audio that a result needs."""
_RELATIVE_GATE_LU: Final = 10.0
"""BS.1770: what is this much quieter than the whole does not count."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one decision within a file."""

    start: float
    """Start in seconds."""
    end: float
    """End in seconds."""
    state: State
    genre: str | None
    """None unless the state is ``music``."""
    probability: float | None
    """Mean probability of the genre; None unless the state is ``music``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What was heard in one file.

    Where :attr:`problem` says that nothing could be heard, all else but the path is empty.
    """

    path: Path
    url: str | None = None
    """URL of a file that is not at a path of this machine; None for other files."""
    problem: str | None = None
    """Why the file could not be classified; None if it was."""
    warning: str | None = None
    """What was wrong with a file that was classified, such as damaged packets."""
    seconds: float = 0.0
    """Seconds heard."""
    state: State | None = None
    """``speech`` or ``noise`` if there is more of it than of music, ``silence`` if there is nothing
    else; ``unknown`` if no genre reaches the threshold, or most of the music is like none of the
    genres; else ``music``."""
    genre: str | None = None
    """The likeliest genre; None unless the state is ``music``."""
    confidence: float | None = None
    """Mean probability of the likeliest genre over the hops with music; None without music."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest genres with their mean probabilities, the likeliest first."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Mean probability of every genre over the hops with music, sum 1; empty without music."""
    known: float | None = None
    """Mean probability over the hops with music that it is like one of the model's genres; None
    without music, and where the model does not report it."""
    tags: Mapping[str, float] = field(default_factory=dict)
    """The likeliest tags with their mean probabilities over the segments with music, the likeliest
    first; empty where there are none."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Share of each state in the hops, sum 1."""
    segments: tuple[Stretch, ...] = ()
    """The decisions over time."""
    loudness_lufs: float | None = None
    """Loudness of the whole: the mean power of the short-term loudness, with the gates of ITU-R
    BS.1770; None for files under 3 s and silence."""
    artist: str | None = None
    """Artist as tagged."""
    title: str | None = None
    """Title as tagged."""
    sha256: str | None = None
    """SHA-256 of the file; None if it was not computed."""
    model: str = ""
    """Name of the model."""
    model_sha256: str = ""
    """SHA-256 of the model's weights."""

    @property
    def name(self) -> str:
        """The path or URL for people; bytes that are not UTF-8 are replaced."""
        return self.url or os.fsencode(self.path).decode(errors="replace")

    @property
    def uri(self) -> str:
        """The URL, or the path as one, which names the file exactly."""
        return self.url or self.path.absolute().as_uri()

    def as_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object.

        ``path`` replaces bytes that are not UTF-8; ``uri`` names the file exactly.
        """
        values = {name: getattr(self, name) for name in _FIELDS}
        return {
            **values,
            "path": self.name,
            "uri": self.uri,
            "top": [{"genre": genre, "probability": p} for genre, p in self.top],
            "segments": [asdict(stretch) for stretch in self.segments],
        }


_FIELDS: Final = tuple(each.name for each in fields(FileResult) if each.name != "url")


def from_dict(path: Path, values: Mapping[str, Any]) -> FileResult:
    """Return a result from its JSON object.

    Parameters
    ----------
    path
        The file, which may have another name now.
    values
        The object of :meth:`FileResult.as_dict`.

    Raises
    ------
    KeyError, TypeError
        If it is not such an object.
    """
    return FileResult(
        **{
            **{name: values[name] for name in _FIELDS},
            "path": path,
            "top": tuple((each["genre"], each["probability"]) for each in values["top"]),
            "segments": tuple(Stretch(**each) for each in values["segments"]),
        }
    )


class FileSummary:
    """Collects the events of one file and sums them up.

    Parameters
    ----------
    threshold
        Mean probability that the likeliest genre must reach, 0 to 1.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._hops = 0  # with music
        self._known = 0.0  # sum of the probabilities that music is like the model's genres
        self._judged = 0  # hops with such a probability
        self._states: Counter[str] = Counter()
        self._segments: list[Stretch] = []
        self._powers: list[float] = []  # of the short-term loudness
        self._tags: defaultdict[str, float] = defaultdict(float)  # times hops
        self._tagged = 0  # hops of segments with tags
        self._title: Title | None = None
        self._seconds = 0.0
        self.ending = ""
        """Detail of the end of the source."""

    def take(self, event: AnyEvent) -> None:
        """Take an event of the file's station."""
        self._seconds = max(self._seconds, event.stream_time)
        if isinstance(event, Update):
            self._take_update(event)
        elif isinstance(event, Segment):
            if event.tags is not None:
                self._tagged += event.updates
                for tag, probability in event.tags.items():
                    self._tags[tag] += probability * event.updates
            if len(self._segments) < MAX_SEGMENTS:
                self._segments.append(
                    Stretch(
                        event.start, event.end, event.state, event.genre, event.mean_probability
                    )
                )
        elif isinstance(event, Title):
            self._title = self._title or event
        elif isinstance(event, SourceChange) and event.state == "ended":
            self.ending = event.detail

    def _take_update(self, event: Update) -> None:
        self._states[event.state] += 1
        if event.state in ("music", "unknown"):
            self._hops += 1
            if event.known is not None:
                self._known += event.known
                self._judged += 1
            for genre, probability in event.probabilities.items():
                self._sums[genre] += probability
        if event.loudness_lufs is not None:
            self._powers.append(10 ** (event.loudness_lufs / 10))

    def result(self, path: Path, *, untagged: TagTitle | None = None, **more: Any) -> FileResult:
        """Return the result.

        Parameters
        ----------
        path
            The file.
        untagged
            What the file's name states as its title: no tag, so it is left out.
        more
            Further fields of :class:`FileResult`.
        """
        hops = sum(self._states.values())
        if not hops or round(self._seconds, 1) < LEAST_S:
            return FileResult(path=path, problem="shorter than a second", **more)
        mean = {genre: total / self._hops for genre, total in self._sums.items()}
        ranking = sorted(mean.items(), key=lambda item: -item[1])
        state, genre = self._decide(ranking)
        tagged = self._title
        if tagged is not None and untagged is not None and tagged.raw == untagged.raw:
            tagged = None
        return FileResult(
            path=path,
            seconds=self._seconds,
            state=state,
            genre=genre,
            confidence=ranking[0][1] if ranking else None,
            top=tuple(ranking[:TOP]),
            probabilities=mean,
            known=round(self._known / self._judged, 4) if self._judged else None,
            tags=self._likeliest_tags(),
            shares={name: count / hops for name, count in sorted(self._states.items())},
            segments=tuple(self._segments),
            loudness_lufs=self._loudness(),
            artist=tagged.artist if tagged else None,
            title=(tagged.title or tagged.raw) if tagged else None,
            **more,
        )

    def _decide(self, ranking: list[tuple[str, float]]) -> tuple[State, str | None]:
        # Silence counts only where there is nothing else: some songs follow minutes of it.
        for state in ("speech", "noise"):
            if self._states[state] > self._hops:
                return state, None
        if not ranking:
            return "silence", None
        if self._judged and self._states["unknown"] > self._states["music"]:
            return "unknown", None
        genre, probability = ranking[0]
        return ("music", genre) if probability >= self._threshold else ("unknown", None)

    def _likeliest_tags(self) -> dict[str, float]:
        mean = {tag: round(total / self._tagged, 4) for tag, total in self._tags.items()}
        ranking = sorted(mean.items(), key=lambda item: -item[1])[:MOST]
        return {tag: probability for tag, probability in ranking if probability >= LEAST}

    def _loudness(self) -> float | None:
        if not self._powers:
            return None
        mean = sum(self._powers) / len(self._powers)
        gate = mean * 10 ** (-_RELATIVE_GATE_LU / 10)
        loud = [power for power in self._powers if power >= gate]
        return round(10 * math.log10(sum(loud) / len(loud)), 1)
