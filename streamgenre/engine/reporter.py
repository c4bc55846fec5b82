"""Reporter of one station: makes events of its hops, decisions, gaps and changes of state."""

from __future__ import annotations

import math
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.spectrum import FLOOR_DB, STEP_DB
from streamgenre.engine.health import Latencies
from streamgenre.events import (
    PROBABILITY_DIGITS,
    DeadAir,
    Gap,
    Segment,
    Sequence,
    SourceChange,
    Spectrum,
    Status,
    Title,
    Update,
    rounded,
)
from streamgenre.events.field_types import MAX_ROWS
from streamgenre.inference.tags import likeliest
from streamgenre.sources.titles import split_title

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.engine.health import Vitals
    from streamgenre.engine.hops import Hop, PlacedGap, SpectrumRows
    from streamgenre.engine.resume import Resume
    from streamgenre.engine.station import Station
    from streamgenre.events import AnyEvent
    from streamgenre.inference.dead_air import Silence
    from streamgenre.inference.decision import Decision, Stretch
    from streamgenre.inference.manifest import Manifest
    from streamgenre.sources import titles
    from streamgenre.sources.base import StateChange


MAX_TITLES: Final = 20
"""Titles kept for a segment; some stations announce the time of day every second."""


class Reporter:
    """Makes and publishes the events of one station in one session.

    Parameters
    ----------
    station
        The station.
    manifest
        Manifest of its model.
    publish
        Takes every event.
    resume
        The session that goes on; None for a new one.
    """

    def __init__(
        self,
        station: Station,
        manifest: Manifest,
        publish: Callable[[AnyEvent], None],
        resume: Resume | None = None,
    ) -> None:
        self._station = station
        self.manifest = manifest
        """Manifest of the model in use."""
        self._publish = publish
        self._session = resume.session if resume else uuid.uuid4().hex
        self._sequence = Sequence(following=resume.seq if resume else None)
        self._latencies = Latencies()
        self._updates = resume.updates if resume else 0
        self._playing: dict[str, Any] | None = resume.playing if resume else None
        self.arrival: float | None = None
        """Monotonic seconds at which the last sample of the newest update arrived."""
        self._played: deque[dict[str, Any]] = deque(maxlen=MAX_TITLES)  # since the last segment

    def update(self, hop: Hop, decision: Decision) -> None:
        """Publish an update: what was heard in a hop, and the decision after it.

        Parameters
        ----------
        hop
            Times, levels and arrival of the hop.
        decision
            The decision after the hop.
        """
        self.arrival = hop.arrival
        self._publish(
            Update(
                **self._head("update", hop.end, hop.wall),
                state=decision.state,
                genre=decision.genre,
                confidence=round(decision.confidence, PROBABILITY_DIGITS),
                since=decision.since,
                probabilities=self._by_label(decision.probabilities),
                smoothed=self._by_label(decision.smoothed),
                level_dbfs=_decibels(hop.level_dbfs),
                peak_dbfs=_decibels(hop.peak_dbfs),
                loudness_lufs=_decibels(hop.loudness_lufs),
                speech=_probability(decision.speech),
                music=_probability(decision.music),
                known=_probability(decision.known),
                tags=self._tags(decision.tags),
                now_playing=self._playing,
            )
        )
        self._updates += 1
        if hop.arrival is not None:
            self._latencies.add(time.monotonic() - hop.arrival)

    def spectrum(self, rows: SpectrumRows) -> None:
        """Publish rows of the spectrum, in several events if there are many."""
        for start in range(0, len(rows.levels), MAX_ROWS):
            part = rows.levels[start : start + MAX_ROWS]
            later = (len(rows.levels) - start - len(part)) * rows.row_s
            self._publish(
                Spectrum(
                    **self._head("spectrum", round(rows.end - later, 6), rows.wall - later),
                    rows=len(part),
                    row_s=rows.row_s,
                    edges_hz=rows.edges_hz,
                    floor_db=FLOOR_DB,
                    step_db=STEP_DB,
                    levels=part.tobytes(),
                )
            )

    def stretch(self, stretch: Stretch) -> dict[str, Any]:
        """Return the fields of a segment that is not finished, without those of its last update."""
        return {
            "start": stretch.start,
            "start_time": _unix(self._station.wall_of(stretch.start, starts=True)),
            "mean_probability": stretch.mean_probability,
            "updates": stretch.updates,
            "tags": self._tags(stretch.tags) if stretch.state == "music" else None,
        }

    def segment(self, stretch: Stretch) -> None:
        """Publish a finished segment."""
        # The burst with which a radio server begins moves the wall time of all samples, earlier
        # ones included.
        started = self._station.wall_of(stretch.start, starts=True)
        ended = max(started, self._station.wall_of(stretch.end))
        self._publish(
            Segment(
                **self._head("segment", stretch.end, ended),
                state=stretch.state,
                genre=stretch.genre,
                start=stretch.start,
                end=stretch.end,
                start_time=_unix(started),
                mean_probability=stretch.mean_probability,
                updates=stretch.updates,
                titles=list(self._played) or None,
                tags=self._tags(stretch.tags) if stretch.state == "music" else None,
            )
        )
        self._played.clear()
        if self._playing is not None:
            self._played.append(self._playing)

    def gap(self, gap: PlacedGap) -> None:
        """Publish a gap."""
        rate = self._station.source.rate
        self._publish(
            Gap(
                **self._head("gap", gap.end, gap.wall),
                samples=gap.samples,
                rate=rate,
                seconds=round(gap.samples / rate, 6),
                reason=gap.reason.value,
            )
        )

    def source(self, notice: StateChange) -> None:
        """Publish a change of the source's state."""
        source = self._station.source
        self._publish(
            SourceChange(
                **self._head("source", self._station.stream_time, self._now()),
                state=notice.state,
                input=source.name,
                detail=notice.detail.removeprefix(f"{source.name}: "),  # the field input has it
                rate=source.rate or None,
                channels=source.channels or None,
            )
        )

    def title(self, title: titles.Title) -> None:
        """Publish what the station announces as playing."""
        self._playing = None
        since = self._station.stream_time
        shown = {"artist": title.artist, "title": title.title, "raw": title.raw, "since": since}
        if title.title or title.artist:
            self._playing = shown
            self._played.append(shown)
        self._publish_title(shown)

    def title_again(self) -> None:
        """Publish what was playing once more: it goes on by the new clock."""
        if self._playing is not None:
            self._publish_title(self._playing)

    def _publish_title(self, shown: Mapping[str, Any]) -> None:
        self._publish(
            Title(
                **self._head("title", self._station.stream_time, self._now()),
                artist=shown["artist"],
                title=shown["title"],
                raw=shown["raw"],
            )
        )

    def title_unknown(self) -> None:
        """Publish an empty title, where one was playing."""
        if self._playing is not None:
            self._played.clear()  # carried over from the segment that the gap ended
            self.title(split_title(""))

    def dead_air(self, silence: Silence) -> None:
        """Publish the beginning or end of dead air."""
        self._publish(
            DeadAir(
                **self._head(
                    "dead_air",
                    silence.end,
                    self._station.wall_of(silence.end, starts=silence.active),
                ),
                active=silence.active,
                start=silence.start,
                start_time=_unix(silence.start_time),
                seconds=round(silence.end - silence.start, 6),
            )
        )

    def status(self, vitals: Vitals, extra: Mapping[str, Any], *, removed: bool = False) -> None:
        """Publish a status.

        Parameters
        ----------
        vitals
            Measurement of the process.
        extra
            Further fields of the event, such as those of the bus.
        removed
            Whether the station was taken out of the daemon, and this is its last status.
        """
        source, ring = self._station.source, self._station.source.ring
        arrived = ring.last_arrival if ring else None
        self._publish(
            Status(
                **self._head("status", self._station.stream_time, self._now()),
                uptime_s=vitals.uptime_s,
                input=source.name,
                source_state=source.state,
                samples=self._station.samples,
                samples_lost=self._station.samples_lost,
                samples_replaced=self._station.replaced,
                updates=self._updates,
                last_frame_age_s=None if arrived is None else round(time.monotonic() - arrived, 3),
                latency_ms=self._latencies.percentiles_ms(),
                cpu_share=vitals.cpu_share,
                rss_bytes=vitals.rss_bytes,
                open_files=vitals.open_files,
                threads=vitals.threads,
                model=self.manifest.name,
                model_sha256=self.manifest.sha256,
                clock_drift_ppm=self._station.clock.drift_ppm,
                clock_steps=self._station.clock.steps,
                clock_step_s=_seconds(self._station.clock.last_step_s),
                removed=removed,
                **extra,
            )
        )

    def _now(self) -> float:
        """Return the UNIX seconds of an event that happens now; a fast file has its own time."""
        return self._station.now if self._station.source.real_time else self._station.wall

    def describe(self) -> dict[str, Any]:
        """Return the state of the station as a JSON object."""
        source = self._station.source
        return {
            "station": self._station.name,
            "session": self._session,
            "input": source.name,
            "source_state": source.state,
            "stream_time": self._station.stream_time,
            "updates": self._updates,
            "samples_lost": self._station.samples_lost,
            "model": self.manifest.name,
        }

    def _head(self, kind: str, stream_time: float, wall: float) -> dict[str, Any]:
        return {
            "station": self._station.name,
            "session": self._session,
            "seq": self._sequence.next(kind),
            "time": _unix(wall),
            "stream_time": stream_time,
        }

    def _by_label(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        return rounded(dict(zip(self.manifest.labels, probabilities.tolist(), strict=True)))

    def _tags(self, probabilities: NDArray[np.float64] | None) -> dict[str, float] | None:
        return None if probabilities is None else likeliest(self.manifest.tags, probabilities)


def _unix(seconds: float) -> float:
    """Return a time as it is published: a clock that begins in 1970 may be set before that."""
    return max(0.0, round(seconds, 6))


def _probability(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _decibels(level: float | None) -> float | None:
    """Return a level in dB as it is published: JSON has no infinity."""
    return None if level is None or not math.isfinite(level) else round(level, 2)
