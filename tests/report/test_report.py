"""A day as a picture: complete, without active content, in the dashboard's colours."""

from __future__ import annotations

import dataclasses
import re
import zlib
from contextlib import closing
from datetime import UTC, date
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import streamgenre
from support.histories import HistoryWriter, record
from support.history_programme import GENRES, T0, Programme

from streamgenre.display.palette import GENRE_COLORS, color, ink
from streamgenre.history.database import open_to_read
from streamgenre.history.recorder import Recorder
from streamgenre.report import svg
from streamgenre.report.data import collect, missing
from streamgenre.report.html import page
from streamgenre.report.ribbons import shortened
from streamgenre.report.svg_page import svg_page
from streamgenre.report.theme import DARK, LIGHT, THEMES, between

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.report.data import DayData

DAY = date(2026, 7, 1)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></svg><iframe src=//evil.example>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "]]><!--",
    "$\\frac{1}{0}$ and $",
    "\x1b[31m\x07\x00\ufeff‮",
    "x" * 400,
    "🎺" * 50,
    "\ud800",
)


class Page(HTMLParser):
    """The page as a browser would see it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "h.sqlite3"
    record(path, Programme().day(8 * 3600), every=20_000)
    return path


def day_of(path: Path, station: str = "kitchen") -> DayData:
    connection = open_to_read(path)
    data = collect(connection, station, DAY, UTC, now=4e9)
    connection.close()
    return data


def check_inert(text: str) -> Page:
    """A page contains no scripts, external resources or links."""
    seen = Page(text)
    assert seen.open == []
    tags = {tag for tag, _ in seen.tags}
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "header", "section", "footer"),
        *("h1", "h2", "p", "dl", "dt", "dd", "div", "ul", "li", "i", "code"),
        *("table", "thead", "tbody", "tr", "th", "td"),
        *("svg", "g", "defs", "pattern", "rect", "text", "line", "polygon", "polyline"),
    }
    for tag, attributes in seen.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("href", "src", "xlink:href", "action", "srcdoc")
            assert not re.search(r"javascript:|https?:|//|@import", value or ""), (tag, value)
            assert "url(" not in (value or "") or value in ("url(#empty)", "url(#lost)")
    assert sum(tag == "script" for tag, _ in seen.tags) == 0
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policy = [a["content"] for t, a in seen.tags if a.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    return seen


def test_a_page_shows_a_whole_day(path: Path) -> None:
    data = day_of(path)
    seen = check_inert(page(data, DARK))
    for heading in ("The day", "Hour by hour", "Shares by hour", "Transitions", "Confidence"):
        assert heading in seen.text
    assert "Wednesday, 01 July 2026" in seen.text
    assert "Beyoncé Doe" in seen.text
    assert "夜の電車" in seen.text
    assert "dead air of" in seen.text
    assert "gap (reconnect)" in seen.text
    assert f"{len(data.titles)}" in seen.text
    for genre in data.genres:
        assert genre in seen.text


@pytest.mark.parametrize("theme", THEMES.values())
def test_genres_have_the_dashboards_colours(path: Path, theme: Any) -> None:
    data = day_of(path)
    seen = Page(page(data, theme))
    fills = {a["fill"] for t, a in seen.tags if t == "rect" and "fill" in a}
    for genre in data.genres:
        assert color("music", genre) in fills
        assert color("music", genre) == GENRE_COLORS[genre]
    assert color("silence", None) in fills
    assert set(data.genres) <= set(GENRES)


def test_the_drawings_are_well_formed(path: Path) -> None:
    text = page(day_of(path), LIGHT)
    drawings = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        for rect in root.iter("rect"):
            assert float(rect.get("width", "0")) >= 0
            assert float(rect.get("height", "0")) >= 0


def test_the_bars_are_as_high_as_the_shares(path: Path) -> None:
    data = day_of(path)
    text = page(data, DARK)
    drawing = re.search(r"<svg [^>]*shares of each hour.*?</svg>", text, re.DOTALL)
    assert drawing is not None
    root = ElementTree.fromstring(drawing[0])
    for hour in (0, 3, 7):
        heights: dict[str, float] = {}
        for rect in root.iter("rect"):
            tip = rect.findtext("title") or ""
            if tip.startswith(f"{hour:02d}:00, "):
                heights[tip.split(", ")[1].split(":")[0]] = float(rect.get("height", "0"))
        expected = {kind.name: s * 200 / 3600 for kind, s in data.hours[hour].seconds.items()}
        assert heights == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("theme", THEMES.values())
def test_hostile_text_is_shown_as_text(tmp_path: Path, theme: Any) -> None:
    path = tmp_path / "h.sqlite3"
    station = "<script>alert(2)</script>"
    maker = Programme(station)
    events: list[Any] = []
    for number, text in enumerate(HOSTILE):
        events += [maker.title(text, text), *maker.stretch("music", GENRES[number % 10], 240)]
    events.append(maker.gap(5.0, "<img src=x>"))
    events += maker.stretch("music", "jazz", 5)
    record(path, events)
    data = day_of(path, station)
    seen = check_inert(page(data, theme))
    assert station in seen.text
    assert HOSTILE[0] in seen.text
    assert not any(ord(c) < 32 and c != "\n" for c in seen.text)


def test_hostile_genres_are_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    name = "<img src=x onerror=alert(1)>"
    events: list[Any] = []
    for event in Programme().stretch("music", "jazz", 600):
        changes: dict[str, Any] = {"genre": name}
        if hasattr(event, "probabilities"):
            changes["probabilities"] = {name: 0.75, "rock": 0.25}
        events.append(dataclasses.replace(event, **changes))
    record(path, events)
    seen = check_inert(page(day_of(path), DARK))
    assert name in seen.text


@given(st.text(max_size=60))
def test_no_text_escapes_its_element(words: str) -> None:
    seen = Page(f"<p>{svg.label(words, 0, 0)}</p>")
    assert [tag for tag, _ in seen.tags] == ["p", "text"]
    seen = Page(svg.box(0, 0, 1, 1, words + "!", fill=words))
    assert [tag for tag, _ in seen.tags] == ["rect", "title"]
    assert len(shortened(words, 10)) <= 10


def test_a_day_without_data_is_drawn(path: Path) -> None:
    connection = open_to_read(path)
    data = collect(connection, "kitchen", date(2025, 1, 1), UTC)
    connection.close()
    seen = check_inert(page(data, DARK))
    assert "not recorded" in seen.text
    (whole,) = missing(data)
    assert whole.seconds == 86_400


def test_an_hour_that_was_heard_twice_is_drawn_within_its_column(tmp_path: Path) -> None:
    """As after the clock was set back by an hour."""
    twice = tmp_path / "h.sqlite3"
    for session in ("before", "after"):
        record(twice, Programme("kitchen", session, T0).day(2 * 3600), every=4000)
    with closing(open_to_read(twice)) as connection:
        data = collect(connection, "kitchen", date.fromtimestamp(T0), UTC, now=T0 + 7200)
    assert max(sum(hour.seconds.values()) for hour in data.hours) > 3600 + 1800
    for box in re.findall(r'<rect[^>]* height="([0-9.]+)"', svg_page(data, DARK)):
        assert float(box) >= 0
    tops = [float(y) for y in re.findall(r'<rect[^>]* y="(-?[0-9.]+)"', svg_page(data, DARK))]
    assert min(tops) >= 0
    assert page(data, DARK)


def test_unrecorded_time_is_shown_as_such(path: Path) -> None:
    data = day_of(path)
    last = missing(data)[-1]
    assert last.end == T0 + 86_400
    assert last.start == pytest.approx(data.segments[-1].end, abs=300)
    total_s = data.recorded_s + sum(g.seconds for g in data.gaps)
    total_s += sum(m.seconds for m in missing(data))
    assert total_s == pytest.approx(86_400, abs=2)


def test_the_rest_of_the_current_day_is_not_missing(path: Path) -> None:
    connection = open_to_read(path)
    ends = collect(connection, "kitchen", DAY, UTC, now=4e9).segments[-1].end
    for now, stretches in ((ends + 5, 0), (ends + 60, 1), (T0 - 5, 0)):
        data = collect(connection, "kitchen", DAY, UTC, now=now)
        late = [m for m in missing(data) if m.start >= ends]
        assert len(late) == stretches
        check_inert(page(data, DARK))
    connection.close()


def test_without_detail_the_confidence_comes_from_the_segments(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    writer = HistoryWriter(path)
    writer.recorder = Recorder(writer.pending, detail=False)
    writer.take(Programme().day(3600))
    writer.end()
    data = day_of(path)
    assert not data.detailed
    assert "no longer kept" in Page(page(data, DARK)).text
    assert len(data.confidence) == 2 * sum(s.confidence is not None for s in data.segments)


def test_a_segment_cut_by_an_unclean_shutdown_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    writer = HistoryWriter(path)
    writer.take(list(Programme().stretch("music", "jazz", 600))[:300])
    writer.flush()
    writer.vanish()
    HistoryWriter(path).vanish()
    seen = Page(page(day_of(path), DARK))
    assert "cut: the daemon did not shut down cleanly" in seen.text


# ---- files --------------------------------------------------------------------------------------


def pixels(path: Path) -> Any:
    """The picture in a file, shape ``(height, width, 3)``."""
    with av.open(str(path)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


def rgb(color: str) -> list[int]:
    """The three values of ``#RRGGBB``."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_a_png_has_the_colours_in_it(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.png"
    done = streamgenre(
        *("report", "--history", path, "--day", "2026-07-01", "--tz", "UTC", "--out", out)
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    image = pixels(out)
    assert image.shape[:2] == (3394, 2400)
    for genre in day_of(path).genres:
        assert (image == rgb(GENRE_COLORS[genre])).all(axis=2).sum() > 300, genre


def test_letters_are_legible_on_their_genre_colour(path: Path, tmp_path: Path) -> None:
    """A letter in the legend is black or white, whichever has the contrast: not the text colour."""
    out = tmp_path / "day.png"
    streamgenre("report", "--history", path, "--day", "2026-07-01", "--tz", "UTC", "--out", out)
    legend = pixels(out)[180:260]
    for genre in day_of(path).genres:
        box = (legend == rgb(GENRE_COLORS[genre])).all(axis=2)
        rows, columns = np.nonzero(box)
        inside = legend[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.shape[0] < 40, genre
        assert (inside == rgb(ink(GENRE_COLORS[genre]))).all(axis=2).sum() > 8, genre


def test_the_page_contains_the_drawings_of_the_html(path: Path) -> None:
    """PNG and PDF contain everything that the HTML shows: every segment and gap, and all cells."""
    data = day_of(path)
    sheet = ElementTree.fromstring(svg_page(data, DARK))
    drawings = {d.get("aria-label"): d for d in sheet.iter("{http://www.w3.org/2000/svg}svg")}
    in_html = {
        ElementTree.fromstring(d).get("aria-label"): ElementTree.fromstring(d)
        for d in re.findall(r"<svg .*?</svg>", page(data, DARK), re.DOTALL)
    }
    for name in (
        *("genres and titles by hour", "shares of each hour", "confidence over the day"),
        "transitions between genres",
    ):
        fills = [
            [r.get("fill") for r in d[name].iter() if r.tag.endswith("rect")]
            for d in (drawings, in_html)
        ]
        assert fills[0] == fills[1], name
    for drawing in drawings.values():
        x, y = (float(drawing.get(a, "0")) for a in ("x", "y"))
        assert x + float(drawing.get("width", "0")) <= float(sheet.get("width", "0"))
        assert y + float(drawing.get("height", "0")) <= float(sheet.get("height", "0"))


def test_a_pdf_is_one_a3_page_whose_text_can_be_found(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.pdf"
    streamgenre("report", "--history", path, "--day", "2026-07-01", "--tz", "UTC", "--out", out)
    written = out.read_bytes()
    # Most objects of a PDF lie in deflated streams.
    for stream in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", written, re.DOTALL):
        written += zlib.decompressobj().decompress(stream)
    boxes = re.findall(rb"/MediaBox *\[0 0 ([\d.]+) ([\d.]+)\]", written)
    assert [[round(float(side)) for side in box] for box in boxes] == [[842, 1191]]
    assert b"/ToUnicode" in written
    assert b"kitchen 2026-07-01" in written


def test_the_command_writes_every_format(path: Path, tmp_path: Path) -> None:
    for name, begins in (
        ("a.html", b"<!DOCTYPE html>"),
        ("a.pdf", b"%PDF-"),
        ("a.png", b"\x89PNG"),
    ):
        done = streamgenre(
            *("report", "--history", path, "--station", "kitchen", "--day", "2026-07-01"),
            *("--theme", "light", "--out", tmp_path / name),
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_pictures_of_hostile_titles_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    maker = Programme("$x_{")
    events: list[Any] = []
    for text in HOSTILE:
        events += [maker.title(text, text), *maker.stretch("music", "jazz", 240)]
    record(path, events)
    for name in ("a.png", "a.pdf"):
        done = streamgenre(
            *("report", "--history", path, "--day", "2026-07-01", "--tz", "UTC"),
            *("--out", tmp_path / name),
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--out", "r.gif"), 2, "ends in .html, .png or .pdf"),
        (("--out", "r"), 2, "ends in .html, .png or .pdf"),
        (("--out", "r.html", "--day", "18:00"), 1, "expected a day"),
        (("--out", "r.html", "--station", "kitchn"), 1, "did you mean 'kitchen'"),
        (("--out", "/nonexistent/r.html"), 1, "cannot be written"),
        (("--out", "r.html", "--tz", "Nowhere"), 1, "no such time zone"),
        ((), 2, "--out"),
    ],
)
def test_bad_arguments_are_explained(
    path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = streamgenre("report", "--history", path, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_one_of_two_stations_must_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    for station in ("a", "b"):
        record(path, Programme(station, station).stretch("music", "jazz", 60))
    done = streamgenre("report", "--history", path, "--out", tmp_path / "r.html")
    assert done.returncode == 1
    assert "--station S; there are a, b" in done.stderr


def test_an_empty_day_is_drawn_and_reported(path: Path, tmp_path: Path) -> None:
    for name in ("r.html", "r.png"):
        done = streamgenre(
            *("report", "--history", path, "--day", "2020-01-01", "--out", tmp_path / name)
        )
        assert done.returncode == 0
        assert "nothing was recorded" in done.stderr


def test_colours_are_interpolated() -> None:
    assert between("#000000", "#FFFFFF", 0) == "#000000"
    assert between("#000000", "#FFFFFF", 1) == "#FFFFFF"
    assert between("#102030", "#302010", 0.5) == "#202020"
