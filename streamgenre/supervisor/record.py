"""What the daemon knows of a station that a worker listens to, and what it says in its place.

The heads of the worker's messages keep it up to date, so that the station can be ended truthfully
when its worker dies, and its session goes on in another one: same ``session``, no hole in ``seq``,
and the time in between as a gap.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamgenre.engine.health import Latencies
from streamgenre.engine.reporter import MAX_TITLES
from streamgenre.engine.resume import Resume
from streamgenre.events import (
    SEQ_MODULUS,
    AnyEvent,
    DeadAir,
    Segment,
    SourceChange,
    Status,
    Title,
)
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.sources.factory import input_name, is_replayable

if TYPE_CHECKING:
    from streamgenre.config import StationSettings
    from streamgenre.events import SourceState
    from streamgenre.events.encoded import Encoded
    from streamgenre.supervisor.placement import Kind


class StationRecord:
    """One station of a supervisor.

    Parameters
    ----------
    name
        Its name.
    settings
        Its settings.
    """

    def __init__(self, name: str, settings: StationSettings) -> None:
        self.name = name
        self.settings = settings
        self.replayable = is_replayable(settings.input)
        """Whether the input starts again from its beginning: it is not live."""
        self.real_time = not (self.replayable and settings.pace == "fast")
        """Whether it plays in real time."""
        self.worker: str | None = None
        """Name of the worker that listens to it, or that it waits for."""
        self.ended = False
        """Whether its last event but the status is published."""
        self.failure: str | None = None
        """The error that ended it, in words."""
        self.stuck = False
        """Whether its source hangs too often to be opened again."""
        self.removing = False
        """Whether it is to be removed once it has ended."""
        self.successor: StationSettings | None = None
        """Settings that it restarts with once it has ended."""
        self.turn = 0
        """Number under which a worker was given it last."""
        self.planned: tuple[str, str] | None = None
        """Name of the worker that it moves to once that is ready for it, and why."""
        self.moving: tuple[str, str] | None = None
        """Name of the worker that it moves to once it has ended, and why."""
        self.cpu_share: float | None = None
        """CPU time of the station over wall time, 1 is one core; None until it is measured."""
        self.latencies = Latencies()
        """Of its updates until they were handed to the bus."""
        self._begin_session()

    def _begin_session(self, session: str | None = None) -> None:
        self._session = session or uuid.uuid4().hex
        self._seq: dict[str, int] = {}
        self._stream_time = 0.0
        self._heard: tuple[float, float] | None = None  # stream time, monotonic time of arrival
        self._heard_time = 0.0  # the same in UNIX seconds
        self._update: bytes | None = None
        self._stretch: dict[str, Any] | None = None
        self._samples = self._samples_lost = self._updates = 0
        self._playing: dict[str, Any] | None = None
        self._played: deque[dict[str, Any]] = deque(maxlen=MAX_TITLES)
        self._dead_air: DeadAir | None = None
        self._status: Status | None = None
        self._source: SourceChange | None = None

    @property
    def kind(self) -> Kind:
        """Its model, and whether it plays files."""
        return self.settings.model, self.replayable

    # ---- from the worker ------------------------------------------------------------------------

    @property
    def source_state(self) -> SourceState:
        """State of the source, as it was published last."""
        return self._source.state if self._source else "connecting"

    def take(self, head: dict[str, Any], encoded: Encoded, clock_offset_s: float) -> None:
        """Note an event of the worker that is about to be published.

        Parameters
        ----------
        head
            Head of its message.
        encoded
            The event.
        clock_offset_s
            Added to the worker's monotonic time to get that of this machine.
        """
        if head["session"] != self._session:
            self._begin_session(head["session"])
        kind, self._stream_time = encoded.type, head["stream_time"]
        self._seq[kind] = (head["seq"] + 1) % SEQ_MODULUS
        if kind == "update":
            arrival = head.get("arrival")
            here = time.monotonic() if arrival is None else arrival + clock_offset_s
            self._heard, self._heard_time = (head["stream_time"], here), head["time"]
            self._samples, self._samples_lost = head["samples"], head["samples_lost"]
            self._stretch, self._update = head["stretch"], encoded.body
            self._updates += 1
            if arrival is not None:
                self.latencies.add(time.monotonic() - here)
            return
        if kind == "spectrum":
            return
        if kind == "segment":
            self._stretch = None
            self._end_titles()
            return
        event = encoded.event
        if kind == "gap":
            self._heard, self._heard_time = (event.stream_time, time.monotonic()), event.time
        elif isinstance(event, Title):
            self._playing = None
            if event.title or event.artist:
                self._playing = {
                    "artist": event.artist,
                    "title": event.title,
                    "raw": event.raw,
                    "since": event.stream_time,
                }
                self._played.append(self._playing)
        elif isinstance(event, DeadAir):
            self._dead_air = event if event.active else None
        elif isinstance(event, SourceChange):
            self._source = event
        elif isinstance(event, Status):
            self._status = event
            self._samples, self._samples_lost = event.samples, event.samples_lost

    def _end_titles(self) -> None:
        self._played.clear()
        if self._playing is not None:
            self._played.append(self._playing)

    def patched(self, event: SourceChange | Status) -> AnyEvent:
        """Return what to publish in place of the end of a station that moves to another worker."""
        if self.moving is None:
            return event
        if isinstance(event, Status):
            return replace(event, source_state="lost") if event.source_state == "ended" else event
        if event.state != "ended":
            return event
        return replace(event, state="lost", detail=self.moving[1])

    def resume(self) -> Resume:
        """Return where the next worker goes on; a file starts again from its beginning."""
        if self.replayable and self._heard is not None:
            self._begin_session()
        if self._heard is None:
            return Resume(session=self._session, seq=dict(self._seq))
        stream_time, arrived = self._heard
        status = self._status
        return Resume(
            session=self._session,
            seq=dict(self._seq),
            stream_time=stream_time,
            away_s=max(0.0, time.monotonic() - arrived),
            updates=self._updates,
            samples=self._samples,
            samples_lost=self._samples_lost,
            playing=self._playing,
            clock_steps=status.clock_steps if status else 0,
            clock_step_s=status.clock_step_s if status else None,
        )

    # ---- in place of the worker -----------------------------------------------------------------

    def lose(self, state: SourceState, why: str) -> list[AnyEvent]:
        """End what is open, since the worker cannot any more; return the events.

        Parameters
        ----------
        state
            New state of the source: ``lost`` or ``ended``.
        why
            The reason in words.
        """
        events: list[AnyEvent] = []
        if self._stretch is not None and self._update is not None and self._heard is not None:
            events.append(self._segment(self._stretch, json.loads(self._update)))
            self._stretch = None
            self._end_titles()
        if self._dead_air is not None:
            end = max(self._dead_air.start, self._heard[0] if self._heard else 0.0)
            events.append(
                replace(
                    self._dead_air,
                    seq=self._next("dead_air"),
                    time=max(self._dead_air.start_time, self._heard_time),
                    stream_time=end,
                    active=False,
                    seconds=round(end - self._dead_air.start, 6),
                )
            )
            self._dead_air = None
        events.append(self._change(state, why))
        return events

    def _segment(self, stretch: dict[str, Any], update: dict[str, Any]) -> Segment:
        assert self._heard is not None
        end = self._heard[0]
        return Segment(
            station=self.name,
            session=self._session,
            seq=self._next("segment"),
            time=max(stretch["start_time"], self._heard_time),
            stream_time=end,
            state=update["state"],
            genre=update["genre"],
            end=end,
            **stretch,
            titles=list(self._played) or None,
        )

    def _change(self, state: SourceState, why: str) -> SourceChange:
        before = self._source
        self._source = SourceChange(
            station=self.name,
            session=self._session,
            seq=self._next("source"),
            time=round(time.time(), 6),
            stream_time=self._stream_time,
            state=state,
            input=before.input if before else input_name(self.settings.input),
            detail=why,
            rate=before.rate if before else None,
            channels=before.channels if before else None,
        )
        return self._source

    def status(self) -> Status:
        """Return a status of a station without a worker; the supervisor adds what it knows."""
        before = self._status
        if before is None:
            manifest = parse_manifest(find_model(self.settings.model))
            before = Status(
                station=self.name, session=self._session, seq=0, time=0.0, stream_time=0.0,
                uptime_s=0.0, input=input_name(self.settings.input), source_state="connecting",
                samples=0, samples_lost=0, samples_replaced=0, updates=0, last_frame_age_s=None,
                latency_ms=None, cpu_share=0.0, rss_bytes=0, model=manifest.name,
                model_sha256=manifest.sha256,
            )  # fmt: skip
        age = None if self._heard is None else round(time.monotonic() - self._heard[1], 3)
        self._status = replace(
            before,
            session=self._session,
            seq=self._next("status"),
            time=round(time.time(), 6),
            stream_time=self._stream_time,
            source_state=self.source_state,
            updates=self._updates,
            samples=self._samples,
            samples_lost=self._samples_lost,
            last_frame_age_s=age,
        )
        return self._status

    def describe(self) -> dict[str, Any]:
        """Return the state of the station as a JSON object."""
        status = self._status
        return {
            "station": self.name,
            "session": self._session,
            "input": self._source.input if self._source else input_name(self.settings.input),
            "source_state": self.source_state,
            "stream_time": self._stream_time,
            "updates": self._updates,
            "samples_lost": self._samples_lost,
            "model": status.model if status else self.settings.model,
            "worker": self.worker,
        }

    def _next(self, kind: str) -> int:
        number = self._seq.get(kind, 0)
        self._seq[kind] = (number + 1) % SEQ_MODULUS
        return number
