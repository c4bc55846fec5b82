from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.dashboard_events import (
    GENRES,
    T0,
    base,
    dead_air,
    gap,
    programme,
    segment,
    source,
    status,
    update,
)
from support.fuzzing import examples

from streamgenre.dashboard.bigtext import big
from streamgenre.dashboard.keys import apply_keys
from streamgenre.dashboard.messages import Message
from streamgenre.dashboard.picture import save_picture
from streamgenre.dashboard.render import render
from streamgenre.dashboard.view import DashboardView
from streamgenre.display.text import clean, duration
from streamgenre.events import Title

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamgenre.events import AnyEvent, SourceState

HOSTILE = "\x1b]0;owned\x07\x1b[31m[red]x[/red]\u202e\ud800\r\n\x9b2Jé\u0301\u0301\u0301\u0301"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterable[None]:
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def viewed(events: Iterable[AnyEvent]) -> tuple[DashboardView, float]:
    view = DashboardView()
    now = T0
    for event in events:
        view.apply(event)
        if math.isfinite(event.time):
            now = max(now, event.time)
    return view, now


def written(
    view: DashboardView, now: float, width: int = 80, height: int = 24, *, color: bool = False,
    encoding: str = "utf-8",
) -> str:  # fmt: skip
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system="truecolor",
        legacy_windows=False, _environ={},
    )  # fmt: skip
    console.print(render(view, width=width, height=height, now=now, color=color), end="")
    file.flush()
    return raw.getvalue().decode(encoding)


def test_all_required_fields_fit_on_80x24() -> None:
    view, now = viewed([*programme(600), source(2, 601, "live")])
    text = written(view, now)
    for words in (
        "kitchen", "● live", "http://radio.example/jazz", "00:10:00", "for 2 min 30 s",
        "since 00:07:30", "level", "-60", "lost 2 205 samples", "latency 3.4 / 8.9 ms",
        "CPU 2.1 %", "RSS 84 MB", "model gtzan-lstm", "updates 600", "up 10 min 3 s", "00:05",
        *GENRES,
    ):  # fmt: skip
        assert words in text, words
    assert "digital silence" in text
    assert "nothing heard" in text


def test_raw_and_smoothed_values_are_both_shown() -> None:
    view, now = viewed([update(0, "jazz", confidence=0.75, raw=0.25)])
    row = next(line for line in written(view, now).split("\n") if " jazz " in line)
    assert row.startswith("▸ J  jazz")
    assert "75 %" in row
    assert "◆  25 %" in row
    gauge = row[12:].split("%")[0]
    bar = gauge[: gauge.rindex("─") + 1].strip()
    assert abs(bar.index("◆") / len(bar) - 0.25) < 0.03
    assert abs(bar.rindex("━") / len(bar) - 0.75) < 0.05


def test_without_colour_plain_letters_identify_the_genres() -> None:
    view, now = viewed(programme(200))
    text = written(view, now, color=False)
    assert "\x1b" not in text
    assert "CCCCCCCCCC" in text, "every cell of the timeline has its letter"
    assert "\x1b[" in written(view, now, color=True)


def test_stations_without_updates_are_marked() -> None:
    view, now = viewed([update(0)])
    assert "no update" not in written(view, now + 2)
    assert "no update for 7 s" in written(view, now + 7.5)


@pytest.mark.parametrize(
    ("state", "words"),
    [("unknown", "likeliest jazz 34 %"), ("speech", "S"), ("noise", "34 %")],
)
def test_other_states_are_named(state: str, words: str) -> None:
    event = update(0, None, state="unknown", confidence=0.34)
    view, now = viewed([replace(event, state=state)])  # type: ignore[arg-type]
    assert words in written(view, now)
    assert state.upper() in written(view, now, 40, 10)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 10), (160, 40)])
def test_tags_stand_beside_the_decision(width: int, height: int) -> None:
    tags = {"electronic": 0.8, "instrumental": 0.6, "\x1b[31mchill": 0.3}
    view, now = viewed([replace(update(0), tags=tags)])
    text = written(view, now, width, height, color=False)
    assert "electronic, instrumental" in text
    assert "\x1b" not in text
    assert "since" in text


def test_gaps_are_marked_in_the_timeline() -> None:
    view, now = viewed([update(i) for i in range(20)])
    assert "×" not in written(view, now)
    view.apply(gap(0, 12))
    assert "×" in written(view, now)


def test_external_text_cannot_control_the_terminal() -> None:
    event = replace(update(0), station=HOSTILE, genre=HOSTILE, smoothed={HOSTILE: 1.0, "b": 0.0})
    change = replace(source(0, 0, "lost", detail=HOSTILE * 9), station=HOSTILE, input=HOSTILE)
    view, now = viewed([event, change, replace(status(0, 1), station=HOSTILE, model=HOSTILE)])
    for size in ((40, 10), (80, 24), (200, 50)):
        text = written(view, now, *size)
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\ud800"}
        assert "[red]x" in text or size == (40, 10), "markup is text"
        view.apply(replace(update(0), station="other"))
        assert "\x1b" not in written(view, now, *size)
        del view.stations["other"]


@given(st.text())
def test_cleaning_leaves_one_printable_line(text: str) -> None:
    kept = clean(text)
    assert kept == clean(kept)
    kept.encode("utf-8")
    assert all(char.isprintable() for char in kept if char not in "\u3000\xa0")


def test_several_stations_form_a_table_and_one_can_be_selected() -> None:
    events = [e for name in ("kitchen", "bar", "[b]loud[/b]") for e in programme(30, name)]
    view, now = viewed(events)
    text = written(view, now)
    assert "3 stations" in text
    assert "[b]loud[/b]" in text
    assert text.index("bar") < text.index("kitchen")
    view.selected = "bar"
    assert "stations" not in written(view, now)
    assert "bar" in written(view, now)


def mixed() -> Iterable[AnyEvent]:
    """Six stations, each in a different state; the time is 100."""
    for name, state in (
        ("alpha", "live"), ("bravo", "lost"), ("delta", "ended"), ("hotel", "connecting"),
        ("india", "live"), ("tango", "live"),
    ):  # fmt: skip
        if state == "connecting":
            yield source(0, 0, "connecting", station=name, detail="404 Not Found: no such mount")
        else:
            yield source(0, 0, "live", station=name)
        for i in range(0 if state == "connecting" else 20 if name == "tango" else 100):
            yield update(i, "classical", station=name)
        if state in ("lost", "ended"):
            why = {"lost": "the server hung up", "ended": "end of the file"}[state]
            yield source(1, 100, state, station=name, detail=why)  # type: ignore[arg-type]
    yield dead_air(0, 100, station="india", seconds=80)


STANDINGS = {
    "alpha": "● live", "bravo": "▲ lost", "delta": "■ ended", "hotel": "◌ connecting",
    "india": "! dead air", "tango": "○ no update",
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 100, 120, 160, 250])
def test_columns_are_shown_fully_or_not_at_all(width: int) -> None:
    view, now = viewed(mixed())
    lines = written(view, now, width, 15).split("\n")
    assert "…" not in lines[0]
    assert lines[0].split()[:1] == ["station"] or lines[0].startswith(" stat")
    for heading, least in (("genre", 40), ("sure", 40), ("source", 60), ("dBFS", 60)):
        assert width < least or heading in lines[0], heading
    for name, words in STANDINGS.items():
        row = next(line for line in lines if line.startswith(f" {name} "))
        assert row.split()[1] == words.split()[0], "the sign is always there"
        if "source" in lines[0]:
            assert words in row
        if words in ("● live", "! dead air", "○ no update"):
            assert "classical" in row
            assert "83 %" in row
            if "dBFS" in lines[0]:
                assert "-18.2" in row
    if width >= 100:
        text = "\n".join(lines)
        for words in ("dead air 1 min 20 s", "connecting 1 min 40 s", "no update 1 min 20 s"):
            assert words in text
        assert "last minutes" in lines[0]
    # A missing value leaves its space to the reason.
    assert "404 Not Fo" in "\n".join(lines)
    assert "the server" in "\n".join(lines)
    assert lines[7].startswith(" delta"), "what has ended comes last"


def test_the_totals_name_every_state_and_drop_only_whole_parts() -> None:
    view, now = viewed(mixed())
    wide = written(view, now, 160, 15).split("\n")[-1]
    for words in STANDINGS.values():
        sign, word = words.split(" ", 1)
        assert f"{sign} 1 {word}" in wide
    narrow = written(view, now, 40, 15).split("\n")[-1]
    assert narrow.strip() == "6 stations ●1 !1 ○1 ◌1 ▲1 ■1"


@pytest.mark.parametrize("size", [(40, 10), (60, 15), (100, 30), (160, 45)])
def test_a_single_station_shows_why_it_does_not_play(size: tuple[int, int]) -> None:
    reason = "404 Not Found: the server has no such mount"
    states: tuple[SourceState, ...] = ("connecting", "lost", "ended")
    for state in states:
        view, now = viewed([source(0, 100, state, detail=reason)])
        text = written(view, now + 373, *size)
        assert "404 Not Found" in text
        assert "waiting for the first update" not in text
        assert ("since 00:01:40" if state == "ended" else "for 6 min 13 s") in text
    view, now = viewed([replace(source(0, 100, "lost"), detail="word " * 60)])
    assert "word word" in written(view, now, *size)


def test_speech_is_named_and_has_its_own_bar() -> None:
    event = replace(
        update(0, None, state="speech"), speech=0.92, loudness_lufs=-17.3, peak_dbfs=-3.1
    )
    view, now = viewed([event])
    text = written(view, now, 80, 24)
    row = next(line for line in text.split("\n") if line.startswith("▸"))
    assert row.split()[:3] == ["▸", "s", "speech"]
    assert "92 %" in row
    assert "-17.3 LUFS" in text
    assert "peak -3.1 dBFS" in text
    assert "likeliest" not in text
    view.apply(replace(event, station="other"))
    view.apply(source(0, 1, "live", station="other"))
    row = next(line for line in written(view, now, 80, 24).split("\n") if "other" in line)
    assert row.split()[3:7] == ["s", "speech", "92", "%"]


@pytest.mark.parametrize("stations", [0, 1, 3])
@pytest.mark.parametrize("size", [(40, 10), (60, 15), (160, 45)])
def test_messages_appear_above_the_last_row(stations: int, size: tuple[int, int]) -> None:
    view, now = viewed(update(0, station=f"s{i}") for i in range(stations))
    last = written(view, now, *size).split("\n")[-1].rstrip()
    view.messages.append(Message(T0 + 5, "old", False))
    view.messages.append(
        Message(T0 + 7, "the configuration stays as it was: \x1b[2Jx.toml: " * 4, True)
    )
    lines = written(view, now, *size).split("\n")
    assert len(lines) <= size[1]
    at = next(i for i, line in enumerate(lines) if line.startswith(" 00:00:07  the config"))
    assert lines[-1].rstrip() == last or stations == 0
    assert at >= size[1] // 2 or stations == 3
    assert "\x1b" not in "".join(lines)
    assert (" 00:00:05  old" in "\n".join(lines)) == (size[1] > 15)


def test_more_stations_than_rows_are_counted() -> None:
    view, now = viewed(update(0, station=f"s{i:02}") for i in range(40))
    text = written(view, now, 80, 24)
    assert "… and 21 more" in text
    assert "40 stations" in text


def test_keys_page_through_the_table_and_show_one_station_after_another() -> None:
    view, now = viewed(update(0, station=f"s{i:02}") for i in range(40))
    assert "s00" in written(view, now, 80, 24)
    assert apply_keys(view, b" ")
    text = written(view, now, 80, 24)
    assert "s00" not in text
    assert "s19" in text
    assert "page 2 of 3" in text
    assert apply_keys(view, b" \x1b[6~")  # past the last page to the first
    assert "s00" in written(view, now, 80, 24)
    seen = []
    for key in (b"\x1b[B", b"j", b"\t", b"\x1b[A"):
        assert apply_keys(view, key)
        seen.append(view.selected)
    assert seen == ["s00", "s01", "s02", "s01"]
    assert "stations" not in written(view, now, 80, 24)
    assert apply_keys(view, b"\x1b")
    assert "40 stations" in written(view, now, 80, 24)
    assert apply_keys(view, b"k")
    assert view.selected == "s39"
    assert not apply_keys(view, b"x\x1b[15~\xff\n")
    assert view.selected == "s39"
    del view.stations["s39"]  # dropped for lack of room
    assert apply_keys(view, b"j")
    assert view.selected == "s00"


@given(st.binary(max_size=20))
def test_no_key_causes_an_error(typed: bytes) -> None:
    view, now = viewed(update(0, station=f"s{i}") for i in range(3))
    apply_keys(view, typed)
    assert view.selected in (None, *view.stations)
    assert written(view, now, 80, 24)


def test_the_table_shows_what_is_playing_or_why_not() -> None:
    titles = [
        Title(**base(name, 0, 1), artist="Parker", title="Ko-Ko", raw="Parker\x1b[2J - Ko-Ko" * 9)
        for name in ("kitchen", "bar")
    ]
    lost = [source(0, 2, "lost", station="bar", detail="the server hung up")]
    events: list[AnyEvent] = [update(0), update(0, station="bar"), *titles, *lost]
    view, now = viewed(events)
    text = written(view, now, 120, 24)
    assert "playing" in text
    assert "Parker - Ko-Ko" in text.replace("[2J", "")
    assert "the server hung up" in text
    assert "\x1b" not in text
    assert "playing" not in written(view, now, 70, 24)


def test_an_ascii_terminal_gets_ascii() -> None:
    view, now = viewed(programme(200))
    assert "kitchen" in written(view, now, encoding="ascii")


def test_a_tiny_terminal_without_events_is_drawn() -> None:
    assert "waiting for events" in written(DashboardView(), 0.0)
    assert "needs 40×10" in written(DashboardView(), 0.0, 30, 5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h"),
     (float("nan"), "0 s"), (-3, "0 s")],
)  # fmt: skip
def test_durations_are_formatted(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_every_genre_has_large_letters() -> None:
    for genre in (*GENRES, "hip-hop", "drum & bass", "Forró", "silence", "unknown", "speech"):
        rows = big(genre)
        assert rows is not None, genre
        assert len({len(row) for row in rows}) == 1
    assert big("音楽") is None


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.one_of(st.sampled_from(["kitchen", HOSTILE]), st.text(max_size=30))


@st.composite
def streams(draw: st.DrawFn) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    for i in range(draw(st.integers(0, 12))):
        kind = draw(st.integers(0, 4))
        name = draw(NAMES)
        event: AnyEvent
        if kind == 0:
            labels = draw(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=30))
            values = {label: draw(NUMBERS) for label in labels}
            event = replace(
                update(i),
                smoothed=values,
                probabilities=values,
                confidence=draw(NUMBERS),
                level_dbfs=draw(st.none() | NUMBERS),
                since=draw(NUMBERS),
                genre=draw(st.none() | st.sampled_from(labels)),
            )
        elif kind == 1:
            event = replace(gap(i, 1), seconds=draw(st.floats(0, 1e9)))
        elif kind == 2:
            event = source(i, i, draw(st.sampled_from(["live", "lost", "ended"])), detail=name)
        elif kind == 3:
            event = replace(segment(i, 0, 1), end=draw(NUMBERS), mean_probability=draw(NUMBERS))
        else:
            event = replace(status(i, i), model=name, cpu_share=draw(NUMBERS))
        time = T0 + draw(st.floats(-4000, 4000)) if draw(st.booleans()) else draw(NUMBERS)
        session = draw(st.sampled_from(["a", "b"]))
        events.append(replace(event, station=name, session=session, time=time))
    return events


@examples(150)
@example([replace(gap(0, 1), time=1.7e308)], 80, 24, 0.0, False)
@example([replace(update(0), time=1.7e308), gap(0, 1)], 80, 24, 0.0, False)
@example(
    [update(0), replace(gap(0, 1), time=2.5e11), replace(update(1), time=2.5e11)], 80, 24, 0.0, True
)
@given(streams(), st.integers(1, 260), st.integers(1, 80), st.floats(0, 1e6), st.booleans())
def test_rendering_never_fails_and_never_overflows(
    events: list[AnyEvent], width: int, height: int, later: float, color: bool
) -> None:
    view, now = viewed(events)
    screen = render(view, width=width, height=height, now=now + later, color=color)
    lines = list(screen.lines())
    assert len(lines) <= height
    for parts in lines:
        assert cell_len("".join(text for text, _ in parts)) <= width


@pytest.mark.parametrize("height", range(10, 60, 3))
@pytest.mark.parametrize("width", [40, 61, 80, 119, 120, 200, 250])
def test_every_size_shows_the_essentials_and_fits_without_cutting_rows(
    width: int, height: int
) -> None:
    view, now = viewed(programme(700))
    screen = render(view, width=width, height=height, now=now, color=False)
    assert len(screen.rows) == height
    assert max(row.width for row in screen.rows) <= width
    text = "\n".join(row.text for row in screen.rows)
    assert "kitchen" in text
    assert "level" in text
    assert "lost 2 205" in text.replace("\n", " ")


def test_a_picture_is_an_svg_of_the_screen(tmp_path: Path) -> None:
    save_picture(programme(100), tmp_path / "dashboard.svg", width=100, height=30)
    root = ET.parse(tmp_path / "dashboard.svg").getroot()
    assert root.tag.endswith("svg")
    text = "".join(root.itertext()).replace("\xa0", " ")
    assert "kitchen" in text
    assert "gtzan-lstm" in text
