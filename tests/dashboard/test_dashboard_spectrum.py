"""The spectrogram in the dashboard: what is drawn, when it is asked for, and its verdict."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.dashboard_events import base, source, update
from support.fuzzing import examples

from streamgenre.dashboard import app
from streamgenre.dashboard.keys import apply_keys
from streamgenre.dashboard.messages import Messages
from streamgenre.dashboard.render import render
from streamgenre.dashboard.view import DashboardView
from streamgenre.display.palette import CIVIDIS, heat_colors
from streamgenre.display.sound_check import WORDS, SoundCheck
from streamgenre.events import Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from streamgenre.events import AnyEvent

ROW_S = 0.0625
EDGES = [0.0, 100, 200, 500, 1000, 2000, 4000, 6000, 8000]
BANDS = len(EDGES) - 1


def spectrum(
    seq: int, rows: Sequence[bytes], *, end: float | None = None, station: str = "kitchen"
) -> Spectrum:
    head = base(station, seq, len(rows) * ROW_S * (seq + 1) if end is None else end)
    return Spectrum(
        **head, rows=len(rows), row_s=ROW_S, edges_hz=EDGES, floor_db=-120.0, step_db=0.5,
        levels=b"".join(rows),
    )  # fmt: skip


def level(db: float) -> int:
    return round((db + 120) / 0.5)


def shown(view: DashboardView, now: float, *, color: bool = False) -> list[str]:
    screen = render(view, width=60, height=20, now=now, color=color)
    return ["".join(text for text, _ in line) for line in screen.lines()]


def viewed(*events: AnyEvent) -> DashboardView:
    view = DashboardView(spectrum=True)
    for event in events:
        view.apply(event, 100.0)
    return view


def test_a_tone_is_a_line_at_its_frequency() -> None:
    row = bytes(level(-20) if band == 4 else 0 for band in range(BANDS))
    view = viewed(source(0, 0, "live"), update(0), spectrum(0, [row] * 16))
    lines = shown(view, 101)
    loud = [line for line in lines if line.count("%") + line.count("@") >= 16]
    assert len(loud) == 2  # of about 12 rows for 8 bands
    named = next(i for i, line in enumerate(lines) if line.startswith("   1 k"))
    assert lines[named] in loud
    colored = render(view, width=60, height=20, now=101, color=True)
    styles = {str(style) for line in colored.lines() for _, style in line}
    assert any(heat_colors(24)[-2].lower() in style for style in styles)


def test_the_rows_of_an_event_appear_one_after_another() -> None:
    row = bytes([level(-20)] * BANDS)
    view = viewed(update(0), spectrum(0, [row] * 16))
    filled = [shown(view, 100 + wait)[8].count("%") for wait in (0.0, 0.3, 0.6, 2.0)]
    assert filled == [1, 5, 10, 16]


def test_what_is_missing_is_blank() -> None:
    row = bytes([level(-20)] * BANDS)
    first, later = spectrum(0, [row] * 4, end=1.0), spectrum(1, [row] * 4, end=1.75)
    line = shown(viewed(update(0), first, later), 110)[8]
    assert line.rstrip().endswith("%%%%" + " " * 8 + "%%%%")


def test_before_the_first_row_it_says_that_it_waits() -> None:
    lines = shown(viewed(update(0)), 100)
    assert any("waiting for the spectrum" in line for line in lines)


@examples(25)
@given(
    st.lists(
        st.tuples(st.integers(1, 64), st.integers(1, 128), st.floats(0.001, 60), st.floats(0, 1e9)),
        max_size=3,
    ),
    st.integers(40, 200),
    st.integers(10, 60),
    st.booleans(),
)
def test_any_spectrum_fits_any_screen(
    events: list[tuple[int, int, float, float]], width: int, height: int, color: bool
) -> None:
    view = DashboardView(spectrum=True)
    view.apply(update(0), 0)
    for seq, (rows, bands, row_s, end) in enumerate(events):
        found = Spectrum(
            **base("kitchen", seq, end), rows=rows, row_s=row_s, floor_db=-120.0, step_db=0.5,
            edges_hz=[62.5 * n for n in range(bands + 1)], levels=bytes(rows * bands),
        )  # fmt: skip
        view.apply(found, float(seq))
        screen = render(view, width=width, height=height, now=seq + 0.5, color=color)
        assert len(screen.rows) == height
        for line in screen.lines():
            assert sum(cell_len(text) for text, _ in line) <= width


def test_s_shows_and_hides() -> None:
    view = DashboardView()
    assert apply_keys(view, b"s")
    assert view.spectrum
    assert view.spectrum_of is None
    view.apply(update(0), 0)
    assert view.spectrum_of == "kitchen"
    view.apply(update(0, station="bath"), 0)
    assert view.spectrum_of is None
    apply_keys(view, b"\x1b[B")
    assert view.spectrum_of == "bath"
    apply_keys(view, b"s")
    assert view.spectrum_of is None


def test_it_is_asked_for_once_and_given_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    typed = iter([b"", b"s", b"", b"", b"s", b"", b"s", b""])
    monkeypatch.setattr(app._Screen, "open", lambda self: None)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, _environ={})
    screen = app._Screen(console, Messages(), asked.append)
    screen._live = type("Live", (), {"update": lambda self, picture, refresh: None})()
    screen._typed = lambda: next(typed)
    screen.take(update(0))
    for _ in range(8):
        screen._drawn_at = float("-inf")
        assert screen.refresh()
    assert asked == ["kitchen", None, "kitchen"]


def test_others_who_look_meanwhile_make_no_hole() -> None:
    row = bytes(BANDS)
    view = viewed(update(0), spectrum(0, [row]), spectrum(1, [row]))
    view.drop_spectrum("kitchen")
    view.apply(spectrum(50, [row]), 101)
    assert view.stations["kitchen"].missed == 0
    view.apply(spectrum(52, [row]), 102)
    assert view.stations["kitchen"].missed == 1


def hum(seq: int, low: float, rest: float, spread: float = 0.0) -> Spectrum:
    rows = []
    for n in range(16):
        move = spread if n % 2 else 0.0
        rows.append(bytes([level(low + move), level(low + move), *[level(rest)] * (BANDS - 2)]))
    return spectrum(seq, rows)


def judged(*events: AnyEvent) -> str | None:
    check = SoundCheck()
    for event in events:
        check.take(event)
    return check.verdict


def test_the_sound_is_judged_in_a_word() -> None:
    quiet, normal = update(0, level=-50.0), update(0)
    loud = replace(normal, peak_dbfs=0.0)
    after = [replace(update(n), peak_dbfs=-6.0) for n in range(3)]
    assert judged() is None
    assert judged(update(0, level=None)) == judged(update(0, level=-75.0)) == "silence"
    assert judged(quiet) == "quiet"
    assert judged(normal) == "fine"
    assert judged(loud) == judged(loud, *after[:2]) == "clipping"
    assert judged(loud, *after) == "fine"
    humming = [hum(n, -40, -90) for n in range(4)]
    assert judged(normal, *humming) == judged(quiet, *humming) == "hum"
    assert judged(normal, *humming[:2]) == "fine"  # too short to say
    assert judged(normal, *[hum(n, -40, -50) for n in range(4)]) == "fine"  # music above it
    assert judged(normal, *[hum(n, -60, -90, 20) for n in range(4)]) == "fine"  # a bass drum
    assert judged(update(0, level=None), *humming) == "silence"
    assert set(WORDS) == {"silence", "clipping", "hum", "quiet", "fine"}


def test_the_colours_go_evenly_from_dark_to_bright() -> None:
    assert heat_colors(10) == list(CIVIDIS)
    many = heat_colors(64)
    assert (many[0], many[-1], len(set(many))) == (CIVIDIS[0], CIVIDIS[-1], 64)
