"""The engine's spectrum: only of stations that somebody looks at, and without any other effect."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from jsonschema import Draft7Validator
from support.audio import MemorySource, music

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import AnyEvent, Spectrum, Update, schema
from streamgenre.inference.models import load_model
from streamgenre.sources.demo import open_demo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

ALL: Final = frozenset([""])
NOBODY: Final[frozenset[str]] = frozenset()


def run(
    model: Path,
    *sources: MemorySource,
    watched: frozenset[str] = ALL,
    hop_s: float = 1.0,
) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings(hop_s=hop_s))
    shared = load_model(str(model), trusted=True)
    engine.watch_spectrum(watched)
    for source in sources:
        engine.add(source.name, source, shared)
    engine.run(lambda: False)
    return events


def spectra(events: list[AnyEvent]) -> list[Spectrum]:
    return [event for event in events if isinstance(event, Spectrum)]


def fed(*items: np.ndarray | Gap, name: str = "fed") -> MemorySource:
    return MemorySource(name=name).feed(list(items)).end()


def test_nobody_looks_and_none_is_made(stateful_folder: Path) -> None:
    assert spectra(run(stateful_folder, fed(music(3, rate=16_000)), watched=NOBODY)) == []


def test_the_events_of_a_station_follow_each_other(stateful_folder: Path) -> None:
    events = run(stateful_folder, fed(music(5.5, rate=16_000)))
    found = spectra(events)
    validator = Draft7Validator(schema("spectrum"))
    assert [each.seq for each in found] == list(range(6))
    end = None
    for each in found:
        validator.validate(each.as_dict())
        assert each.station == "fed"
        assert len(each.levels) == each.rows * each.bands
        assert 10 <= 1 / each.row_s <= 20
        if end is not None:
            assert each.stream_time == pytest.approx(end + each.rows * each.row_s, abs=1e-6)
        end = each.stream_time
    assert end == pytest.approx(5.5, abs=0.2)
    # Each event comes right after the update of its hop.
    kinds = [each.TYPE for each in events if each.TYPE in ("update", "spectrum")]
    assert kinds[:6] == ["update", "spectrum"] * 3
    first = next(each for each in events if isinstance(each, Update))
    assert found[0].time - first.time == pytest.approx(found[0].stream_time - 1, abs=1e-3)


def test_updates_are_the_same_to_the_last_bit_while_somebody_looks(stateful_folder: Path) -> None:
    def looked_at(watched: frozenset[str]) -> list[tuple[object, ...]]:
        events = run(stateful_folder, fed(music(6, rate=16_000)), watched=watched)
        updates = [each for each in events if isinstance(each, Update)]
        assert len(updates) == 6
        return [(e.stream_time, e.probabilities, e.smoothed, e.level_dbfs) for e in updates]

    assert looked_at(ALL) == looked_at(NOBODY)


def test_it_begins_and_ends_with_the_looking(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []

    def take(event: AnyEvent) -> None:
        events.append(event)
        if isinstance(event, Update):
            engine.watch_spectrum(ALL if 10 <= event.stream_time < 20 else NOBODY)

    engine = Engine(take, EngineSettings(duration_s=40))
    engine.add("demo", open_demo(pace="fast"), load_model(str(stateful_folder), trusted=True))
    engine.run(lambda: False)
    found = spectra(events)
    assert [each.seq for each in found] == list(range(len(found)))
    times = [each.stream_time for each in found]
    assert times
    assert min(times) > 10
    assert max(times) < 22


def test_only_the_stations_whose_names_begin_so(stateful_folder: Path) -> None:
    sources = [fed(music(2, rate=16_000), name=name) for name in ("küche", "küche 2", "bad")]
    events = run(stateful_folder, *sources, watched=frozenset(["küche"]))
    assert {each.station for each in spectra(events)} == {"küche", "küche 2"}


def test_no_row_spans_a_gap(stateful_folder: Path) -> None:
    signal = music(4, rate=16_000)
    source = fed(signal[:24_000], Gap(8_000, GapReason.OVERFLOW), signal[32_000:])
    found = spectra(run(stateful_folder, source))
    before = [each for each in found if each.stream_time <= 1.5]
    after = [each for each in found if each.stream_time > 1.5]
    assert before
    assert after[0].stream_time - after[0].rows * after[0].row_s >= 2.0 - 0.05
    whole = spectra(run(stateful_folder, fed(signal[32_000:])))
    assert b"".join(e.levels for e in whole) == b"".join(e.levels for e in after)


def test_a_long_hop_is_several_events(stateful_folder: Path) -> None:
    found = spectra(run(stateful_folder, fed(music(21, rate=16_000)), hop_s=20.0))
    assert max(each.rows for each in found) == 64
    first = found[0].stream_time - found[0].rows * found[0].row_s
    assert first == pytest.approx(0, abs=0.1)
    for before, after in pairwise(found):
        start = after.stream_time - after.rows * after.row_s
        assert start == pytest.approx(before.stream_time, abs=1e-5)
        assert after.time - before.time == pytest.approx(
            after.stream_time - before.stream_time, abs=1e-3
        )
