from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from support.audio import MemorySource, music

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import SettingsError
from streamgenre.events import AnyEvent, DeadAir, Segment, Title, Update, schema
from streamgenre.inference.dead_air import DeadAirWatch
from streamgenre.inference.models import load_model
from streamgenre.sources.titles import split_title

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def run(model: Path, source: MemorySource, dead_air_s: float = 5.0) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings(dead_air_s=dead_air_s))
    engine.add(source.name, source, load_model(str(model), trusted=True))
    engine.run(lambda: False)
    return events


def dead_air(events: list[AnyEvent]) -> list[tuple[bool, float, float]]:
    return [(e.active, e.start, e.seconds) for e in events if isinstance(e, DeadAir)]


def silence(seconds: int) -> np.ndarray:
    return np.zeros(seconds * RATE, np.float32)


def test_dead_air_has_a_start_and_an_end(stateful_folder: Path) -> None:
    part = music(3, rate=RATE)
    events = run(stateful_folder, MemorySource().feed([part, silence(8), part]).end())
    # The resampler smears the edges by some milliseconds: the hop grid is decisive.
    assert dead_air(events) == [(True, 3.0, 5.0), (False, 3.0, 8.0)]
    begin, end = (e for e in events if isinstance(e, DeadAir))
    assert end.start_time == begin.start_time
    assert end.time - end.start_time == pytest.approx(8.0)
    for event in (begin, end):
        Draft7Validator(schema("dead_air")).validate(event.as_dict())
    before = events[: events.index(begin)]
    assert [e.state for e in before if isinstance(e, Update)][-1] == "silence"


def test_a_short_silence_or_a_disabled_setting_gives_no_dead_air(
    stateful_folder: Path,
) -> None:
    part = music(3, rate=RATE)
    assert dead_air(run(stateful_folder, MemorySource().feed([part, silence(4), part]).end())) == []
    fed = MemorySource().feed([part, silence(8), part]).end()
    assert dead_air(run(stateful_folder, fed, dead_air_s=0)) == []


def test_a_short_loss_in_a_silence_is_silence_and_a_long_one_ends_it(stateful_folder: Path) -> None:
    short, long = (Gap(seconds * RATE, GapReason.RECONNECT) for seconds in (1, 4))
    fed = MemorySource().feed([silence(3), short, silence(2), music(3, rate=RATE)]).end()
    assert dead_air(run(stateful_folder, fed)) == [(True, 0.0, 5.0), (False, 0.0, 6.0)]
    fed = MemorySource().feed([silence(6), long, silence(4), music(3, rate=RATE)]).end()
    assert dead_air(run(stateful_folder, fed)) == [(True, 0.0, 5.0), (False, 0.0, 6.0)]


def test_a_lost_source_is_not_considered_silent(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings(dead_air_s=5, reset_gap_s=0.3))
    source = MemorySource().feed([silence(7)])
    engine.add(source.name, source, load_model(str(stateful_folder), trusted=True))
    ends = time.monotonic() + 60

    def stopping() -> bool:
        if dead_air(events) and source.state == "live":
            source.set_state("lost", "the server is down")
        return len(dead_air(events)) == 2 or time.monotonic() > ends

    engine.run(stopping)  # nothing comes back
    assert time.monotonic() < ends  # the end of the station did not end it
    assert dead_air(events) == [(True, 0.0, 5.0), (False, 0.0, 7.0)]


def test_the_end_of_the_station_ends_dead_air(stateful_folder: Path) -> None:
    fed = MemorySource().feed([silence(9)]).end()
    assert dead_air(run(stateful_folder, fed)) == [(True, 0.0, 5.0), (False, 0.0, 9.0)]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10))
def test_only_long_silences_are_reported_and_each_once(hops: list[bool], after: int) -> None:
    watch = DeadAirWatch(float(after))
    found = []
    for i, silent in enumerate([*hops, False]):
        item = watch.step(silent, float(i), i + 1.0, 1000.0 + i + 1)
        if item is not None:
            found.append((item.active, item.start, item.start_time, item.end))
    expected = []
    start = None
    for i, silent in enumerate([*hops, False]):
        if silent and start is None:
            start = i
        elif not silent and start is not None:
            if i - start >= after:
                begun = (float(start), 1000.0 + start)
                expected += [(True, *begun, float(start + after)), (False, *begun, float(i))]
            start = None
    assert found == expected


@pytest.mark.parametrize("seconds", [-1.0, 1e10, float("nan")])
def test_a_wrong_setting_is_rejected(seconds: float) -> None:
    with pytest.raises(SettingsError, match="dead_air_s"):
        EngineSettings(dead_air_s=seconds)


def test_updates_and_segments_carry_the_current_title(stateful_folder: Path) -> None:
    source = MemorySource()
    source.announce(split_title("Parker - Ko-Ko"))
    source.feed([music(3, rate=RATE), silence(6), music(5, rate=RATE)]).end()
    events = run(stateful_folder, source)
    playing = {"artist": "Parker", "title": "Ko-Ko", "raw": "Parker - Ko-Ko", "since": 0.0}
    updates = [e for e in events if isinstance(e, Update)]
    segments = [e for e in events if isinstance(e, Segment)]
    assert len(updates) == 14
    assert len(segments) >= 3
    assert all(e.now_playing == playing for e in updates)
    assert all(e.titles == [playing] for e in segments)
    for event in events:
        Draft7Validator(schema(event.TYPE)).validate(event.as_dict())


def test_the_current_title_is_unknown_after_a_reconnect(stateful_folder: Path) -> None:
    before, after = split_title("Parker - Ko-Ko"), split_title("Monk - Misterioso")
    away, late = (Gap(seconds * RATE, GapReason.RECONNECT) for seconds in (4, 1))
    part = music(3, rate=RATE)
    source = MemorySource().feed([before, part, away, part, after, part, late, before, part]).end()
    events = run(stateful_folder, source)
    titles = [(e.raw, e.stream_time) for e in events if isinstance(e, Title)]
    # The second time, the new stream announces its title at once.
    assert titles == [(before.raw, 0), ("", 7), (after.raw, 10), (before.raw, 14)]
    playing = [e.now_playing and e.now_playing["raw"] for e in events if isinstance(e, Update)]
    assert playing == [before.raw] * 3 + [None] * 3 + [after.raw] * 3 + [before.raw] * 3
    first, *rest = [e.titles or [] for e in events if isinstance(e, Segment)]
    assert [t["raw"] for t in first] == [before.raw]
    assert "Ko-Ko" not in str(rest[0]) or len(rest) == 1
