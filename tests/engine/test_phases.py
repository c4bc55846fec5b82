"""The streams of an engine start apart, so that their hops do not fall due together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import MemorySource
from support.fuzzing import examples

from streamgenre.engine.engine import Engine
from streamgenre.engine.phases import GROUP, Phases
from streamgenre.engine.resume import Resume
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.models import load_model
from streamgenre.sources.deferred import DeferredSource
from streamgenre.sources.stream.radio import RadioSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamgenre.inference.model import Model
    from streamgenre.sources.base import Source


@pytest.fixture(scope="module")
def model(stateful_folder: Path) -> Model:
    return load_model(str(stateful_folder), trusted=True)


def waits(model: Model, sources: Iterable[Source], resume: Resume | None = None) -> list[float]:
    """How long each source waits that is added to one engine."""
    engine, found = Engine(lambda event: None, EngineSettings()), list[float]()
    for source in sources:
        engine.add(source.name, source, model, resume=resume)
        found.append(source.start_after_s)
    return found


def radios(count: int) -> list[Source]:
    return [RadioSource(f"http://127.0.0.1:1/{n}") for n in range(count)]


def test_a_group_of_streams_starts_at_once_and_the_next_apart_from_it(model: Model) -> None:
    found = waits(model, radios(3 * GROUP))
    assert set(found[:GROUP]) == {0.0}
    assert all(0 < wait_s < 1 for wait_s in found[GROUP:])


def test_files_do_not_wait(model: Model) -> None:
    assert set(waits(model, (MemorySource(f"file {n}") for n in range(2 * GROUP)))) == {0.0}


def test_a_session_that_goes_on_keeps_its_phase(model: Model) -> None:
    assert set(waits(model, radios(2 * GROUP), Resume(session="before", away_s=1.0))) == {0.0}
    assert set(waits(model, radios(2 * GROUP), Resume(session="new"))) != {0.0}


@given(st.integers(2, 60), st.floats(0.1, 60), st.lists(st.floats(0, 3), min_size=60, max_size=60))
@examples(60)
def test_any_number_of_groups_is_spread_evenly(
    groups: int, hop_s: float, pauses: list[float]
) -> None:
    phases, now, period = Phases(hop_s), 1000.0, min(hop_s, 1.0)
    starts = list[float]()
    for pause in pauses[:groups]:
        for _ in range(GROUP):
            wait_s = phases.wait_s(now)
            assert 0 <= wait_s < period
            starts.append(now + wait_s)
        now += pause if starts[GROUP:] else 0.0
    circle = sorted((start - 1000.0) / period % 1 for start in starts)
    apart = [b - a for a, b in zip(circle, [*circle[1:], circle[0] + 1], strict=True)]
    # Rounding may place a start just before the end of the circle instead of at its beginning.
    assert max(apart) <= 2 / groups + 1e-6


@pytest.mark.parametrize("deferred", [False, True])
def test_a_source_that_waits_has_not_begun_and_stops_at_once(*, deferred: bool) -> None:
    opened = list[str]()

    def open_it() -> Source:
        opened.append("it")
        return MemorySource()

    source: Source = DeferredSource("x", open_it, waits=True) if deferred else radios(1)[0]
    source.start_after_s = 1e6
    source.start()
    source.stop()
    assert opened == []
    assert [change.state for change in source.state_changes] == ["ended"]
