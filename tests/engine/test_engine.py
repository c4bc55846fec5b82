from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft7Validator
from support.audio import MemorySource, music

from streamgenre.audio import ring
from streamgenre.audio.ring import GapReason
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import SettingsError
from streamgenre.events import AnyEvent, Gap, Segment, SourceChange, Status, Update, schema
from streamgenre.inference.models import load_model
from streamgenre.sources.demo import open_demo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RATE = 16_000


def run(model: Path, *sources: MemorySource, **settings: Any) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings(**settings))
    shared = load_model(str(model), trusted=True)
    for source in sources:
        engine.add(source.name, source, shared)
    engine.run(lambda: False)
    return events


def updates(events: list[AnyEvent], station: str = "fed") -> list[Update]:
    return [e for e in events if isinstance(e, Update) and e.station == station]


def table(events: list[AnyEvent], station: str = "fed") -> np.ndarray:
    return np.array([list(e.probabilities.values()) for e in updates(events, station)])


def test_every_event_of_a_run_meets_the_contract(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings(duration_s=90, status_s=0.05))
    engine.add("demo", open_demo(pace="fast"), load_model(str(stateful_folder), trusted=True))
    engine.run(lambda: False)
    assert {type(e) for e in events} == {Update, Segment, Gap, SourceChange, Status}
    validators = {kind: Draft7Validator(schema(kind)) for kind in {e.TYPE for e in events}}
    for event in events:
        validators[event.TYPE].validate(event.as_dict())
    for kind in validators:
        assert [e.seq for e in events if kind == e.TYPE] == list(
            range(sum(kind == e.TYPE for e in events))
        )
    heard = updates(events)
    assert heard == []  # the station is called demo
    heard = updates(events, "demo")
    assert len(heard) == 90
    for update in heard:
        assert sum(update.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert sum(update.smoothed.values()) == pytest.approx(1, abs=1e-6)
        assert (update.genre is None) == (update.state != "music")
    assert {"silence", "music"} <= {u.state for u in heard} | {"music"}
    assert "silence" in {u.state for u in heard}


@pytest.mark.parametrize("kind", ["stateful_folder", "windowed_folder"])
def test_live_equals_offline(kind: str, request: pytest.FixtureRequest) -> None:
    """In odd blocks through the ring = the model on all frames at once."""
    from streamgenre.audio.features import MfccStream

    folder = request.getfixturevalue(kind)
    signal = music(8, rate=RATE)
    rng = np.random.default_rng(0)
    cuts = np.sort(rng.integers(0, len(signal), 40))
    live = table(run(folder, MemorySource().feed(np.split(signal, cuts)).end()))
    model = load_model(str(folder), trusted=True)
    stream = MfccStream(model.manifest.features)
    frames = stream.push(signal)
    for row, seconds in enumerate(range(1, 9)):
        model.reset("whole")
        output = model.update(["whole"], [frames[: 25 * seconds - 1]])
        np.testing.assert_allclose(live[row], model.probabilities(output)[0], atol=1e-5)


def test_two_stations_do_not_disturb_each_other(stateful_folder: Path) -> None:
    a, b = music(6, seed=1, rate=RATE), music(4, seed=2, rate=RATE)[::-1].copy()
    alone_a = table(run(stateful_folder, MemorySource("a").feed([a]).end()), "a")
    alone_b = table(run(stateful_folder, MemorySource("b").feed([b]).end()), "b")
    both = run(
        stateful_folder, MemorySource("a").feed([a]).end(), MemorySource("b").feed([b]).end()
    )
    np.testing.assert_allclose(table(both, "a"), alone_a, atol=1e-6)
    np.testing.assert_allclose(table(both, "b"), alone_b, atol=1e-6)
    sessions = {e.station: e.session for e in both}
    assert sessions["a"] != sessions["b"]


def test_silence_is_not_shown_to_the_model_and_resets_it(stateful_folder: Path) -> None:
    part, silence = music(3, rate=RATE), np.zeros(4 * RATE, np.float32)
    shown: list[tuple[str, int]] = []
    model = load_model(str(stateful_folder), trusted=True)
    update, reset = model.update, model.reset

    def watched_update(stations: Sequence[str], frames: Sequence[Any]) -> Any:
        shown.extend(("update", len(new)) for new in frames)
        return update(stations, frames)

    def watched_reset(station: str) -> None:
        shown.append(("reset", 0))
        reset(station)

    model.update, model.reset = watched_update, watched_reset  # type: ignore[method-assign]
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    engine.add("fed", MemorySource().feed([part, silence, part]).end(), model)
    engine.run(lambda: False)
    rows, states = table(events), [u.state for u in updates(events)]
    np.testing.assert_allclose(rows[3:7], 0.1)
    assert states[4:7] == ["silence"] * 3
    assert [u.level_dbfs for u in updates(events)][3:7] == [None] * 4
    # Three hops of music, silent hops 4 to 7 (from the fifth on it is `silence`), music, the end.
    assert [kind for kind, _ in shown] == ["update"] * 3 + ["reset"] * 3 + ["update"] * 3 + [
        "reset"
    ]


def test_a_long_gap_ends_the_segment_and_resets_the_model(stateful_folder: Path) -> None:
    part = music(3, rate=RATE)
    gap = ring.Gap(3 * RATE, GapReason.RECONNECT)
    events = run(stateful_folder, MemorySource().feed([part, gap, part]).end())
    rows = table(events)
    np.testing.assert_allclose(rows[3:], rows[:3], atol=1e-6)
    (gap_event,) = [e for e in events if isinstance(e, Gap)]
    assert (gap_event.samples, gap_event.seconds, gap_event.reason, gap_event.stream_time) == (
        48_000,
        3,
        "reconnect",
        6,
    )
    segments = [e for e in events if isinstance(e, Segment)]
    assert 3.0 in [s.end for s in segments]
    assert not [s for s in segments if s.start < 3 and s.end > 3]


def test_the_end_is_reported_after_the_last_update(stateful_folder: Path) -> None:
    events = run(stateful_folder, MemorySource().feed([music(3, rate=RATE)]).end())
    kinds = [e.TYPE for e in events if e.TYPE != "status"]
    assert kinds == ["source", *["update"] * 3, "segment", "source"]
    assert events[-2].stream_time == 3.0


def test_a_lost_source_ends_its_segment_at_once(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    source = MemorySource().feed([music(3, rate=RATE)])
    source.set_state("lost", "unplugged")
    engine.add("fed", source, load_model(str(stateful_folder), trusted=True))
    engine.run(lambda: any(isinstance(e, Segment) for e in events))
    assert next(e for e in events if isinstance(e, Segment)).end == 3.0


def test_latency_excludes_gaps(stateful_folder: Path) -> None:
    source = MemorySource()
    source.real_time = True
    source.feed([music(3, rate=RATE), ring.Gap(RATE, GapReason.SOURCE), music(3, rate=RATE)]).end()
    status = [e for e in run(stateful_folder, source) if isinstance(e, Status)][-1]
    assert status.latency_ms is not None
    assert status.latency_ms["max"] < 900


def test_a_burst_lasts_as_long_as_its_audio(stateful_folder: Path) -> None:
    """As from a radio server: eight seconds that arrive at once are eight seconds of programme."""
    source = MemorySource()
    source.real_time = True
    source.feed([music(8, rate=RATE)[at : at + RATE // 4] for at in range(0, 8 * RATE, RATE // 4)])
    before = time.time()
    segments = [e for e in run(stateful_folder, source.end()) if isinstance(e, Segment)]
    after = time.time()
    assert sum(e.end - e.start for e in segments) == pytest.approx(8, abs=0.1)
    assert before - 10 < segments[0].start_time < after - 6
    for segment in segments:
        lasted = segment.time - segment.start_time
        assert lasted == pytest.approx(segment.end - segment.start, abs=0.01)


def test_a_short_gap_keeps_the_state(stateful_folder: Path) -> None:
    part = music(3, rate=RATE)
    gap = ring.Gap(RATE, GapReason.OVERFLOW)
    rows = table(run(stateful_folder, MemorySource().feed([part, gap, part]).end()))
    assert np.abs(rows[3:] - rows[:3]).max() > 1e-4


def test_lost_and_replaced_samples_are_in_the_status(stateful_folder: Path) -> None:
    signal = music(3, rate=RATE)
    signal[100] = np.nan
    source = MemorySource().feed([signal, ring.Gap(77, GapReason.OVERFLOW), signal]).end()
    events = run(stateful_folder, source)
    status = [e for e in events if isinstance(e, Status)][-1]
    assert status.samples == 6 * RATE
    assert status.samples_lost == 77
    assert status.samples_replaced == 2
    assert status.updates == len(updates(events))
    assert status.model_sha256 == load_model(str(stateful_folder), trusted=True).manifest.sha256
    assert status.source_state == "ended"


def test_stopping_closes_segments_and_reports_the_end(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    source = MemorySource().feed([music(5, rate=RATE)])
    engine.add("fed", source, load_model(str(stateful_folder), trusted=True))
    engine.run(lambda: len(updates(events)) >= 5)
    assert source.stopped
    last = [e for e in events if isinstance(e, Segment)][-1]
    assert last.end == 5.0
    assert isinstance(events[-1], Status)


def test_a_source_failure_is_raised_after_the_last_events(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    source = MemorySource().feed([music(2, rate=RATE)])
    source.failure = ZeroDivisionError("a bug in a capture thread")
    engine.add("fed", source.end(), load_model(str(stateful_folder), trusted=True))
    with pytest.raises(ZeroDivisionError, match="capture thread"):
        engine.run(lambda: False)
    assert isinstance(events[-1], Status)


def test_two_stations_with_one_name_are_rejected(stateful_folder: Path) -> None:
    engine = Engine(lambda _: None, EngineSettings())
    model = load_model(str(stateful_folder), trusted=True)
    engine.add("fed", MemorySource(), model)
    with pytest.raises(SettingsError, match="'fed'"):
        engine.add("fed", MemorySource(), model)
