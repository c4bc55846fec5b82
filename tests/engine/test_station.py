from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import MemorySource, music
from support.fuzzing import examples
from support.model_factory import SPEC

from streamgenre.audio.features import MfccStream
from streamgenre.audio.ring import Gap, GapReason
from streamgenre.engine.hops import Hop, PlacedGap
from streamgenre.engine.settings import EngineSettings
from streamgenre.engine.station import Station
from streamgenre.sources.titles import Title, split_title

RATE = SPEC.samplerate


def drain(station: Station) -> list[Hop | PlacedGap | Title]:
    items: list[Hop | PlacedGap | Title] = []
    while (item := station.pull()) is not None:
        items.append(item)
    return items


def listen(
    *items: np.ndarray | Gap, rate: int = RATE, duration: float | None = None
) -> tuple[list[Hop | PlacedGap | Title], Station]:
    source = MemorySource(rate=rate).feed(list(items)).end()
    station = Station("test", source, SPEC, EngineSettings(duration_s=duration))
    return drain(station), station


def hops_of(items: list[Hop | PlacedGap | Title]) -> list[Hop]:
    return [item for item in items if isinstance(item, Hop)]


def test_hops_hold_the_frames_of_the_whole_signal() -> None:
    signal = music(5.5, rate=RATE)
    items, station = listen(signal)
    hops = hops_of(items)
    stream = MfccStream(SPEC)
    whole = np.concatenate([stream.push(signal), stream.flush()])
    np.testing.assert_allclose(np.concatenate([hop.frames for hop in hops]), whole, atol=1e-3)
    assert [hop.end for hop in hops] == [1, 2, 3, 4, 5, 5.5]
    assert [hop.start for hop in hops] == [0, 1, 2, 3, 4, 5]
    assert station.finished


@given(cuts=st.lists(st.integers(0, 3 * 44_100), max_size=10))
@examples(20)
def test_the_split_into_blocks_does_not_matter(cuts: list[int]) -> None:
    signal = music(3, rate=44_100)
    whole, _ = listen(signal, rate=44_100)
    parts, _ = listen(*np.split(signal, sorted(cuts)), rate=44_100)
    for a, b in zip(hops_of(whole), hops_of(parts), strict=True):
        assert (a.start, a.end) == (b.start, b.end)
        assert a.level_dbfs == pytest.approx(b.level_dbfs, abs=1e-4)
        np.testing.assert_allclose(a.frames, b.frames, atol=2e-3)


@pytest.mark.parametrize("rate", [8_000, RATE, 22_050, 44_100, 48_000, 96_000])
def test_a_hop_is_complete_as_soon_as_its_last_sample_is_there(rate: int) -> None:
    source = MemorySource(rate=rate)
    station = Station("test", source, SPEC, EngineSettings())
    signal = music(4, rate=rate)
    for second in range(4):
        start, end = second * rate, (second + 1) * rate
        source.feed([signal[start : end - 1]])
        assert hops_of(drain(station)) == []
        source.feed([signal[end - 1 : end]])
        (hop,) = hops_of(drain(station))
        assert (hop.start, hop.end) == (second, second + 1)
    source.end()
    assert drain(station) == []
    assert station.stream_time == 4.0


def test_a_gain_equals_a_louder_input() -> None:
    signal = music(3, rate=44_100)
    source = (
        MemorySource(rate=44_100)
        .feed([0.01 * signal, Gap(44_100, GapReason.OVERFLOW), 0.01 * signal])
        .end()
    )
    station = Station("test", source, SPEC, EngineSettings(), gain_db=40)
    louder, plain = (
        drain(station),
        listen(signal, Gap(44_100, GapReason.OVERFLOW), signal, rate=44_100)[0],
    )
    for a, b in zip(hops_of(louder), hops_of(plain), strict=True):
        assert a.level_dbfs == pytest.approx(b.level_dbfs, abs=1e-3)
        assert a.peak_dbfs == pytest.approx(b.peak_dbfs, abs=1e-3)
        np.testing.assert_allclose(a.frames, b.frames, atol=2e-3)


def test_stereo_is_mixed_down_by_the_mean() -> None:
    signal = music(2, rate=RATE)
    source = MemorySource(channels=2).feed([np.stack([signal, 0.5 * signal], axis=1)]).end()
    station = Station("test", source, SPEC, EngineSettings())
    mono, _ = listen((0.75 * signal).astype(np.float32))
    for a, b in zip(hops_of(drain(station)), hops_of(mono), strict=True):
        np.testing.assert_allclose(a.frames, b.frames, atol=1e-3)


def test_a_short_gap_moves_the_clock_and_is_bridged() -> None:
    signal = music(4, rate=RATE)
    items, station = listen(signal[:24_000], Gap(8_000, GapReason.OVERFLOW), signal[32_000:])
    gap = next(item for item in items if isinstance(item, PlacedGap))
    assert (gap.samples, gap.reason) == (8_000, GapReason.OVERFLOW)
    assert (gap.start, gap.end, gap.resets) == (1.5, 2.0, False)
    assert station.stream_time == 4.0
    assert [hop.end for hop in hops_of(items)] == [1.0, 1.5, 3.0, 4.0]


def test_no_frame_spans_a_gap() -> None:
    signal = music(4, rate=RATE)
    items, _ = listen(signal[:24_000], Gap(8_000, GapReason.OVERFLOW), signal[32_000:])
    after = np.concatenate([hop.frames for hop in hops_of(items) if hop.start >= 2])
    stream = MfccStream(SPEC)
    np.testing.assert_allclose(after, stream.push(signal[32_000:]), atol=1e-3)


def test_a_live_stream_may_start_with_a_loss() -> None:
    source = MemorySource().feed([Gap(8_000, GapReason.OVERFLOW), music(1, rate=RATE)]).end()
    source.real_time = True
    items = drain(Station("test", source, SPEC, EngineSettings()))
    assert [type(item) for item in items] == [PlacedGap, Hop, Hop]
    assert [hop.end for hop in hops_of(items)] == [1.0, 1.5]


def test_a_long_gap_resets_and_skips_the_hops_in_it() -> None:
    signal = music(3, rate=RATE)
    items, _ = listen(signal[:RATE], Gap(5 * RATE + 100, GapReason.RECONNECT), signal[:RATE])
    gap = next(item for item in items if isinstance(item, PlacedGap))
    assert gap.resets
    assert gap.end == pytest.approx(6 + 100 / RATE)
    assert [hop.end for hop in hops_of(items)] == [1.0, 7.0]


def test_gaps_keep_their_length_through_the_resampler() -> None:
    signal = music(3, rate=44_100)
    items, station = listen(
        signal[:50_000], Gap(44_100, GapReason.SOURCE), signal[50_000:100_000], rate=44_100
    )
    assert station.stream_time == pytest.approx((100_000 + 44_100) / 44_100, abs=2 / RATE)
    assert sum(isinstance(item, PlacedGap) for item in items) == 1


def test_nan_samples_are_replaced_and_counted() -> None:
    signal = music(2, rate=RATE)
    broken = signal.copy()
    broken[[5, 7_000, 20_000]] = [math.nan, math.inf, -math.inf]
    mended = signal.copy()
    mended[[5, 7_000, 20_000]] = 0
    items, station = listen(broken)
    expected, _ = listen(mended)
    assert station.replaced == 3
    for a, b in zip(hops_of(items), hops_of(expected), strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)


def test_digital_silence_has_no_level() -> None:
    items, _ = listen(np.zeros(RATE, np.float32))
    assert hops_of(items)[0].level_dbfs == -math.inf


def test_duration_ends_the_station_in_time() -> None:
    items, station = listen(music(5, rate=RATE), duration=2.5)
    assert [hop.end for hop in hops_of(items)] == [1, 2, 2.5]
    assert station.finished
    assert station.pull() is None


def test_a_very_short_signal_still_gives_one_update() -> None:
    items, _ = listen(music(0.1, rate=RATE))
    assert len(hops_of(items)) == 1


def test_a_short_remainder_at_the_end_gives_no_update() -> None:
    items, _ = listen(music(3.2, rate=RATE))
    assert [hop.end for hop in hops_of(items)] == [1, 2, 3]


def test_audio_before_a_loss_is_reported_at_once() -> None:
    source = MemorySource(rate=44_100).feed([music(1.7)])
    station = Station("test", source, SPEC, EngineSettings())
    assert [hop.end for hop in hops_of(drain(station))] == [1.0]
    source.set_state("lost", "unplugged")
    (last,) = hops_of(drain(station))
    assert last.end == pytest.approx(1.7, abs=1 / RATE)
    assert drain(station) == []
    source.feed([Gap(44_100, GapReason.RECONNECT), music(1.7)])
    source.set_state("live")
    assert [type(item) for item in drain(station)] == [PlacedGap, Hop, Hop]


def test_due_time_counts_down_to_the_hop() -> None:
    source = MemorySource()
    station = Station("test", source, SPEC, EngineSettings())
    assert station.due_s() == pytest.approx(1.0)
    source.feed([music(0.75, rate=RATE)])
    assert station.due_s() == pytest.approx(0.25)
    assert station.pull() is None
    assert station.due_s() == pytest.approx(0.25)


def test_wall_time_of_a_file_starts_now_and_runs_with_its_audio() -> None:
    before = time.time()
    items, _ = listen(music(3, rate=RATE))
    after = time.time()
    walls = [hop.wall for hop in hops_of(items)]
    np.testing.assert_allclose(np.diff(walls), 1.0, atol=1e-6)
    assert before - 0.05 <= walls[0] - 1.0 <= after + 0.05


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_title_is_reported_at_its_first_sample(rate: int) -> None:
    signal = music(4, rate=rate)
    first, second, third = (split_title(name) for name in ("first", "second", "third"))
    cut, lost = int(2.25 * rate), int(0.5 * rate)
    gap = Gap(lost, GapReason.SOURCE)
    source = MemorySource(rate=rate).feed(
        [first, signal[:cut], second, signal[cut : 3 * rate], gap, third, signal[3 * rate :]]
    )
    station = Station("test", source.end(), SPEC, EngineSettings())
    order: list[tuple[Title | None, float]] = []
    while (item := station.pull()) is not None:
        if isinstance(item, Title):
            order.append((item, station.stream_time))
        elif isinstance(item, Hop):
            order.append((None, item.end))
    assert [title for title, _ in order] == [first, None, None, second, None, third, None, None]
    times = [at for title, at in order if title is not None]
    assert times == pytest.approx([0, 2.25, 3.5], abs=1 / RATE)
    # They cost no sample and no frame.
    plain, _ = listen(
        signal[: 3 * rate], Gap(lost, GapReason.SOURCE), signal[3 * rate :], rate=rate
    )
    assert [h.end for h in hops_of(plain)] == [at for title, at in order if title is None]
