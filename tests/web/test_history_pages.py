"""The pages and the API of the history, served over HTTP from a history that these tests write."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import streamgenre
from support.fuzzing import examples
from support.histories import HistoryWriter, record
from support.history_programme import T0, Programme
from support.postgres import PostgresServer
from support.web_site import Site, serve

from streamgenre.events import Segment
from streamgenre.history.database import open_to_read
from streamgenre.report.data import collect
from streamgenre.report.html import page as report_page
from streamgenre.report.theme import LIGHT
from streamgenre.web.station_paths import from_path, to_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.events import AnyEvent

BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=BERLIN).timestamp()
SPRING = datetime(2026, 3, 28, 12, tzinfo=BERLIN).timestamp()
NAMES = (
    *("a/b", "..", ".", "~tilde", "100% # ? ; &", "<script>alert(1)</script>", "日本 🎺 Ünï", "\\"),
    *("a/2026-07-01", "x" * 200, "%2F", "../../etc/passwd", "tab\tname", "quote\"'", "２０２６"),
)
HOSTILE = (
    ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'),
    ("' onmouseover='alert(1)", "{{ 7*7 }} {% raw %}"),
    ("=cmd|' /C calc'!A0", "\x1b[31m‮evil"),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "h.sqlite3"
    maker = Programme("kitchen", "k1", T0, hop=3.0)
    events = [*maker.day(4 * 3600), maker.gap(30), maker.dead_air(active=True)]
    events += [*maker.stretch("silence", None, 40), maker.dead_air(active=False)]
    events += maker.day(25 * 3600)
    record(path, [tagged(event) for event in events], every=50_000)
    for start in (AUTUMN, SPRING):
        record(
            path, Programme("kitchen", f"k{start}", start, hop=20.0).day(42 * 3600), every=50_000
        )
    for number, name in enumerate(NAMES):
        maker = Programme(name, f"n{number}", T0 + 3600)
        events = []
        for artist, title in HOSTILE:
            events += [maker.title(artist, title), *maker.stretch("music", "jazz", 30)]
        record(path, events)
    return path


def tagged(event: AnyEvent) -> AnyEvent:
    """Return an event as a model with tags sends it."""
    if isinstance(event, Segment) and event.genre == "pop":
        return replace(event, tags={"<b>synth</b> pop": 0.5})
    return event


@pytest.fixture(scope="module")
def site(path: Path) -> Iterator[Site]:
    found = serve("--no-live", "--history", path, env={"TZ": "Europe/Berlin"})
    try:
        yield found
    finally:
        found.close()


def ok(site: Site, path: str) -> str:
    answer = site.get(path)
    assert answer.status_code == 200, (path, answer.text[:400])
    return answer.text


def rows(site: Site, path: str) -> list[dict[str, object]]:
    answer = site.get(path)
    assert answer.status_code == 200, (path, answer.text[:400])
    found: list[dict[str, object]] = answer.json()["rows"]
    return found


def test_the_day_shows_charts_titles_and_losses(site: Site) -> None:
    text = ok(site, "/day/kitchen/2026-07-01")
    for part in ("Beyoncé Doe", "夜の電車", "Hour by hour", "Transitions", "dead air of", "60 min"):
        assert part in text
    assert text.count("<svg viewBox") >= 9  # five charts for wide and narrow screens, a matrix
    assert "Wednesday, 1 July 2026" in text
    zoomed = ok(site, f"/day/kitchen/2026-07-01?start={T0 + 3600}&end={T0 + 7200}")
    assert "<h2>03:00:00 – 04:00:00</h2>" in zoomed
    part = ok(site, f"/day/kitchen/2026-07-01?start={T0 + 3600}&end={T0 + 7200}&part=zoom")
    assert len(part) < len(zoomed) / 5


def test_every_row_is_that_of_the_command_line(site: Site, path: Path) -> None:
    """Pages, API and ``streamgenre history`` ask the same queries."""
    for listing in ("segments", "titles", "gaps", "dead-air", "sources", "playlist"):
        there = rows(site, f"/api/history/{listing}?day=2026-07-01&station=kitchen&limit=5000")
        more = ("--day", "2026-07-01", "--station", "kitchen", "--tz", "Europe/Berlin", "--json")
        here = json.loads(streamgenre("history", listing, "--history", path, *more).stdout)
        assert there == here, listing
        assert there
        answer = site.get(f"/api/history/{listing}.csv?day=2026-07-01&station=kitchen&limit=5000")
        assert "attachment" in answer.headers["content-disposition"]
        table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert len(table) == len(here)
        assert [*table[0]] == [*here[0]]
    by_month = rows(site, "/api/history/shares?by=month&since=2026-01-01&station=kitchen")
    assert {row["part"] for row in by_month} == {"2026-03", "2026-07", "2026-10"}


def test_a_report_is_the_file_that_the_command_writes(site: Site, path: Path) -> None:
    answer = site.get("/api/history/report?station=kitchen&day=2026-07-01&theme=light")
    assert "attachment" in answer.headers["content-disposition"]
    with closing(open_to_read(path)) as connection:
        data = collect(
            connection, "kitchen", datetime(2026, 7, 1).date(), ZoneInfo("Europe/Berlin")
        )
    assert answer.text == report_page(data, LIGHT)


def test_a_page_of_rows_names_the_next(site: Site) -> None:
    whole = rows(site, "/api/history/titles?day=2026-07-01&station=kitchen")
    found, offset = [], 0
    while offset is not None:
        url = f"/api/history/titles?day=2026-07-01&station=kitchen&limit=30&offset={offset}"
        answer = site.get(url).json()
        found += answer["rows"]
        offset = answer["next"]
    assert found == whole
    assert len(whole) > 60


def test_the_calendar_has_the_main_genre_of_each_day(site: Site) -> None:
    days = site.get("/api/history/calendar?station=kitchen&year=2026").json()["days"]
    assert [day["day"] for day in days] == [
        *("2026-03-28", "2026-03-29", "2026-03-30"),
        *("2026-07-01", "2026-07-02", "2026-10-24", "2026-10-25", "2026-10-26"),
    ]
    for day in days:
        by_hand: dict[str, float] = {}
        url = f"/api/history/segments?day={day['day']}&station=kitchen&limit=9999"
        start, end = (
            datetime.fromisoformat(f"{day['day']}T00:00").replace(tzinfo=BERLIN).timestamp() + plus
            for plus in (0, 86_400)
        )
        if day["day"] in ("2026-03-29", "2026-10-25"):
            end += 3600 if day["day"] > "2026-04" else -3600
        for row in rows(site, url):
            first, last = (
                datetime.fromisoformat(str(row[n])).timestamp() for n in ("start", "end")
            )
            if row["genre"]:
                part = min(last, end) - max(first, start)
                by_hand[str(row["genre"])] = by_hand.get(str(row["genre"]), 0.0) + part
        assert day["genre"] == max(by_hand, key=lambda genre: by_hand[genre])
    text = ok(site, "/calendar/kitchen/2026")
    assert text.count('href="/day/kitchen/') == len(days) + 1  # and the tab
    assert "Sunday, 25 October 2026: " in text


def test_days_on_which_clocks_change_have_23_and_25_hours(site: Site) -> None:
    for day, count, twice in (("2026-03-29", 23, 0), ("2026-10-25", 25, 2), ("2026-10-26", 24, 1)):
        found = site.get(f"/api/history/day?station=kitchen&day={day}").json()
        assert len(found["hours"]) == count
        text = ok(site, f"/day/kitchen/{day}")
        assert (f"{count} hours: the clocks change" in text) == (count != 24)
        assert text.count('<th scope="row">02:00</th>') == twice
    # The sum over the hours is the whole day: no hour is lost or counted twice.
    found = site.get("/api/history/day?station=kitchen&day=2026-10-25").json()
    assert sum(p["seconds"] for h in found["hours"] for p in h["parts"]) == pytest.approx(
        found["recorded_s"], abs=1
    )
    assert 80_000 < found["recorded_s"] < 90_000


def test_viewers_see_their_time_and_the_stations_beside_it(site: Site) -> None:
    text = ok(site, "/day/kitchen/2026-07-01?tz=Asia/Tokyo")
    assert "Times: Asia/Tokyo" in text
    assert "Time zone of the station: Europe/Berlin" in text
    assert "this day runs from 2026-06-30 17:00:00 to 2026-07-01 17:00:00" in unescape(text)
    assert "At the station" in text
    # 2026-07-01 00:00 UTC, when recording began.
    assert re.search(r"<time[^>]*>09:00:00</time></a></td><td class=\"n\">02:00:00</td>", text)
    assert "tz=Asia%2FTokyo" in text  # links keep it
    own = site.get("/day/kitchen/2026-07-01", headers={"Cookie": "tz=Asia/Tokyo"}).text
    assert "Times: Asia/Tokyo" in own
    assert "tz=Asia%2FTokyo" not in own.partition("<main")[2].partition("/api/")[0]
    station = site.get("/day/kitchen/2026-07-01?tz=station", headers={"Cookie": "tz=Asia/Tokyo"})
    assert "Times: Europe/Berlin" in station.text
    assert "At the station" not in station.text
    same = ok(site, "/day/kitchen/2026-07-01?tz=Europe/Paris")
    assert "the same as at the station" in same
    wrong = site.get("/calendar", headers={"Cookie": "tz=No/Where"})
    assert "Times: Europe/Berlin" in wrong.text


def test_links_to_a_moment_lead_to_its_line(site: Site) -> None:
    first = rows(site, "/api/history/titles?day=2026-07-01&station=kitchen&limit=1")[0]
    moment = datetime.fromisoformat(str(first["start"])).timestamp()
    answer = site.get(f"/day?station=kitchen&at={moment}&tz=UTC")
    assert answer.status_code == 303
    target = answer.headers["location"]
    assert target == f"/day/kitchen/2026-07-01?tz=UTC#t{round(1000 * moment)}"
    assert f'id="t{round(1000 * moment)}"' in ok(site, target)
    assert site.get("/day/kitchen/yesterday").headers["location"].startswith("/day/kitchen/20")


def test_search_finds_words_in_any_order_and_a_page_at_a_time(site: Site) -> None:
    for words in ("beyonce halo", "HALO   Beyoncé", "tin"):
        text = ok(site, f"/search?q={words}")
        assert "Beyoncé Doe" in text
        assert "Mar de Outono" not in text.partition("<tbody>")[2]
    first, second = ok(site, "/search?q=a"), ok(site, "/search?q=a&page=2")
    assert first.count("<tr>") == 101
    assert 1 < second.count("<tr>") < 101
    assert first.partition("<tbody>")[2] != second.partition("<tbody>")[2]
    assert "page=2" in first
    genre = ok(site, "/search?q=reggae&station=kitchen")
    assert "Genres" in genre
    assert "last heard" in genre
    assert "No title contains" in ok(site, "/search?q=zzzzz")
    tag = ok(site, "/search?q=SYNTH")
    assert "&lt;b&gt;synth&lt;/b&gt; pop" in tag
    assert "last heard 2026-07-" in tag


def test_hostile_text_stays_text(site: Site) -> None:
    for name in NAMES[:6]:
        text = ok(site, f"/playlist/{to_path(name)}/2026-07-01")
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert not re.search(r"<[^>]*\sonmouseover", text)
        assert "{{ 7*7 }}" in text
        assert "\x1b" not in text
    table = site.get("/api/history/titles.csv?day=2026-07-01").content.decode("utf-8-sig")
    assert "'=cmd" in table  # a spreadsheet shows it and runs nothing


def test_pages_have_no_inline_style_or_script(site: Site) -> None:
    for path in ("/calendar", "/calendar/kitchen/2026", "/day/kitchen/2026-07-01", "/shares"):
        text = ok(site, path)
        assert not re.search(r"<[^>]*\sstyle=", text)
        assert "<style" not in text
        assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", text) == [
            '<script type="application/json" id="page-data">'
        ]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_characters_have_a_link_that_works(site: Site, name: str) -> None:
    links = re.findall(r'href="(/calendar/[^"]*)"', ok(site, "/calendar"))
    own = f"/calendar/{to_path(name)}/2026"
    assert any(unescape(link) == own for link in links)
    ok(site, own)
    ok(site, f"/day/{to_path(name)}/2026-07-01")
    assert site.get("/day", params={"station": name, "date": "2026-07-01"}).status_code == 303
    found = site.get("/api/history/titles", params={"station": name, "day": "2026-07-01"}).json()
    assert {row["station"] for row in found["rows"]} == {name}


@examples(300)
@given(st.text(max_size=80))
def test_a_name_survives_its_path(name: str) -> None:
    part = to_path(name)
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", part)
    assert part not in (".", "..")
    if "\0" not in name and name.encode("utf-8", "replace").decode() == name:
        from urllib.parse import unquote

        assert from_path(unquote(part)) == name


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/day/nowhere/2026-07-01", 404, "no station 'nowhere'"),
        ("/day/kitchen/2026-02-30", 400, "expected a day"),
        ("/day/kitchen/1066-10-14", 400, "expected a day of the years"),
        ("/day/kitchen/someday", 400, "expected a day"),
        ("/day/kitchen/2026-07-01?start=x&end=y", 400, "expected UNIX seconds"),
        ("/day/kitchen/2026-07-01?start=1e400&end=nan", 400, "expected UNIX seconds"),
        ("/day/kitchen/2026-07-01?tz=Mars/Base", 400, "no such time zone"),
        ("/day/kitchen/2026-07-01?tz=../../etc/passwd", 400, "expected a name like"),
        ("/day?station=kitchen&at=never", 400, "expected UNIX seconds"),
        ("/day?station=kitchen&at=1e99", 400, "years 1 to 9999"),
        ("/day/~%21%21/2026-07-01", 404, "no such station"),
        ("/calendar/kitchen/99999999999999999999", 404, "expected 1970"),
        ("/calendar/kitchen/02026000000", 404, "expected 1970"),
        ("/calendar/kitchen/last", 404, "expected 1970"),
        ("/shares?from=2026-07-02&to=2026-07-01", 400, "expected the first day"),
        ("/shares?from=1970-01-01&to=2999-01-01", 400, "at most ten years"),
        ("/dead-air?page=0", 400, "expected a number from 1"),
        ("/dead-air?page=99999999999999999999999", 400, "expected a number from 1"),
        ("/search?q=" + "x" * 10_000, 400, "10000 characters"),
        ("/search?q=" + "+".join(f"a{i}" for i in range(60)), 400, "60 words"),
        ("/search?q=%CC%81", 400, "nothing to search for"),
        ("/api/history/titles?day=2026-02-30", 400, "expected a day"),
        ("/api/history/titles?since=tomorrow-ish", 400, "not understood|expected something"),
        ("/api/history/titles?since=2026-07-02&until=2026-07-01", 400, "range starts"),
        ("/api/history/titles?day=2026-07-01&since=now", 400, "without since"),
        ("/api/history/titles?station=nowhere", 404, "no station"),
        ("/api/history/titles?limit=0", 400, "limit"),
        ("/api/history/titles?colour=red", 400, "unknown parameter"),
        ("/api/history/playlist?since=2026-01-01", 400, "at most 32 days"),
        ("/api/history/search?q=%20", 400, "nothing to search for"),
        ("/api/history/calendar?station=kitchen&year=12", 400, "year"),
    ],
)
def test_wrong_requests_are_explained(site: Site, url: str, status: int, words: str) -> None:
    answer = site.get(url)
    assert answer.status_code == status, answer.text[:500]
    assert re.search(words, unescape(answer.text))
    assert "Traceback" not in answer.text


@examples(40)
@given(
    st.sampled_from(["/day", "/calendar", "/shares", "/search", "/playlist", "/dead-air"]),
    st.dictionaries(
        st.sampled_from(
            [
                "q",
                "station",
                "date",
                "from",
                "to",
                "tz",
                "start",
                "end",
                "at",
                "page",
                "path",
                "self",
            ]
        ),
        st.text(max_size=20) | st.sampled_from(["kitchen", "2026-07-01", "UTC", "1e9", "-1"]),
        max_size=5,
    ),
)
def test_no_query_string_breaks_a_page(site: Site, path: str, query: dict[str, str]) -> None:
    answer = site.get(path, params={k: v.encode("utf-8", "replace") for k, v in query.items()})
    assert answer.status_code in (200, 303, 400, 404)


def test_parameters_that_a_page_does_not_know_stay_in_its_links(site: Site) -> None:
    odd = "path=a&self=b&query=c&name=d&request=e"
    for path in (
        "/search?q=a&page=2",
        "/dead-air?page=2",
        "/day/kitchen/2026-07-01?start=0&end=9e9",
    ):
        answer = site.get(f"{path}&{odd}")
        assert answer.status_code == 200, path
    assert "path=a&self=b" in unescape(answer.text)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/nowhere", "Diese Seite gibt es nicht."),
        ("/calendar/nowhere", "Diese Seite gibt es nicht."),
        ("/day/kitchen/someday", "Diese Anfrage lässt sich nicht beantworten."),
    ],
)
def test_errors_are_in_the_language_of_the_page(site: Site, url: str, words: str) -> None:
    for answer in (
        site.get(url, headers={"Accept-Language": "de"}),
        site.get(url, headers={"Cookie": "language=de"}),
        site.get(f"{url}?lang=de"),
    ):
        text = unescape(answer.text)
        assert words in text
        # What a program says too is marked as English.
        assert "there is no" not in re.sub(r"<p [^>]*lang=.en.*?</p>", "", text)


def test_numbers_are_in_the_language_of_the_page(site: Site) -> None:
    assert re.search(r"\d\.\d %", site.get("/shares?from=2026-07-01&to=2026-07-02").text)
    german = site.get("/shares?from=2026-07-01&to=2026-07-02&lang=de").text
    assert re.search(r"\d,\d %", german)
    assert not re.search(r"\d\.\d %", german)


def test_answers_that_did_not_change_are_not_sent_again(site: Site) -> None:
    for path in ("/calendar/kitchen/2026", "/api/history/titles?day=2026-07-01", "/charts.css"):
        first = site.get(path)
        again = site.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
    german = site.get("/calendar", headers={"Accept-Language": "de"})
    assert german.headers["etag"] != site.get("/calendar").headers["etag"]
    assert "Archiv" in german.text
    day = site.get("/day/kitchen/2026-07-01", headers={"Accept-Language": "de"}).text
    assert "Mittwoch, 1. Juli 2026" in day
    assert "Unbekannt" in day


def test_a_history_that_begins_while_the_page_is_served(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    site = serve("--no-live", "--history", path)
    try:
        answer = site.get("/calendar")
        assert answer.status_code == 503
        assert "no history yet" in answer.text
        assert site.get("/api/history/titles").status_code == 503
        path.touch()
        assert "nothing was recorded yet" in site.get("/calendar").text
        path.unlink()
        writer = HistoryWriter(path)
        maker = Programme("kitchen", "live", datetime.now(UTC).timestamp() - 60)
        writer.take(
            [maker.title("Ana Peixoto", "Mar de Outono"), *maker.stretch("music", "pop", 30)]
        )
        writer.flush()
        assert "Ana Peixoto" in site.get("/search?q=outono").text
        writer.take([maker.title("Glass Arcade", "Neon"), *maker.stretch("music", "rock", 10)])
        assert "Neon" not in site.get("/search?q=neon").text.partition("<tbody>")[2]
        writer.flush()
        assert "Glass Arcade" in site.get("/search?q=neon").text
        assert "listening now" in site.get("/calendar").text
        writer.end()
        # Removed and started again, as the daemon does with a damaged file.
        for file in tmp_path.glob("new.sqlite3*"):
            file.unlink()
        record(path, Programme("hall", "h", T0).day(600))
        assert "hall" in site.get("/calendar").text
        assert "kitchen" not in site.get("/calendar").text
        for file in tmp_path.glob("new.sqlite3*"):
            file.unlink()
        path.write_bytes(b"\xff" * 9000)
        answer = site.get("/calendar")
        assert answer.status_code == 503
        assert "damaged" in answer.text
    finally:
        site.close()


def test_a_database_gives_the_same_pages_as_a_file(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        where, file = server.database(), tmp_path / "h.sqlite3"
        for place in (where, file):
            record(place, Programme("hall", "h", T0, hop=5.0).day(12 * 3600), every=50_000)
        sites = [serve("--no-live", "--history", each) for each in (where.url, file)]
        try:
            for path in (
                *("/calendar/hall/2026", "/day/hall/2026-07-01?tz=Asia/Kolkata", "/search?q=o"),
                *("/shares/hall?from=2026-07-01&to=2026-07-02", "/playlist/hall/2026-07-01"),
                *("/api/history/gaps?day=2026-07-01", "/api/history/stations", "/search?q=jazz"),
            ):
                database, expected = (
                    re.sub(r'<meta name="csrf"[^>]*>', "", ok(each, path)) for each in sites
                )
                assert database == expected, path
        finally:
            for each in sites:
                each.close()
    finally:
        server.close()
