"""A station whose genres change while it listens: history, report, pages, metrics, exports."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from support.browser import tab
from support.commands import free_endpoint, start, streamgenre
from support.live import end, until
from support.taught_models import GENRES, WIDTH, constant_head, write_taught_model
from support.web_site import Site, serve

from streamgenre.bus.control import request
from streamgenre.display.palette import genre_color
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import shipped_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

SHIPPED: Final = parse_manifest(shipped_folder() / "lite").labels
OTHERS: Final = ("ragtime", "forró", "<b>演歌", "zouk")
"""Of a second taught model: one genre is also in the first."""


@dataclass
class Heard:
    """A daemon that has changed from the shipped genres to two models of one's own."""

    history: Path
    site: Site
    process: subprocess.Popen[str]
    updates: list[dict[str, Any]] = field(default_factory=list)
    metrics: str = ""
    after: str = ""
    """The metrics once the shipped model is back."""

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.updates[-1]["time"], UTC).date().isoformat()


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    folder = tmp_path_factory.mktemp("labels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("TZ", "UTC")
        models = folder / "data" / "streamgenre" / "models"
        write_taught_model(models / "mine", head=constant_head(WIDTH, 3, winner=1))
        write_taught_model(models / "other", labels=OTHERS, head=constant_head(WIDTH, 4, winner=2))
        publish, control = free_endpoint(), f"ipc://{folder}/control"
        port = free_endpoint().rpartition(":")[2]
        config = folder / "config.toml"
        config.write_text(
            f'model = "lite"\n[bus]\npublish = "{publish}"\ncontrol = "{control}"\n'
            "[decision]\nmusic_enter = 0\nmusic_keep = 0\n",  # not all of the demo is like music
            "utf-8",
        )
        history = folder / "h.sqlite3"
        daemon = start("listen", "--config", config, "--input", "kitchen=demo", "--json",
                       "--history", history, "--metrics", f"127.0.0.1:{port}")  # fmt: skip
        site = None
        try:
            found = Heard(history, serve("--connect", publish, "--history", history), daemon)
            site = found.site
            reader = threading.Thread(target=_read, args=(daemon, found.updates), daemon=True)
            reader.start()
            site.ready()
            _enough(found, SHIPPED)
            for name, labels in (("mine", GENRES), ("other", OTHERS)):
                answer = request(control, {"request": "model", "model": name}, timeout=60)
                assert answer["ok"], answer
                _enough(found, labels)
            found.metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            yield found
        finally:
            end(daemon)
            if site is not None:
                site.close()


def _read(daemon: subprocess.Popen[str], updates: list[dict[str, Any]]) -> None:
    assert daemon.stdout is not None
    for line in daemon.stdout:
        event = json.loads(line)
        if event["type"] == "update":
            updates.append(event)


def _enough(heard: Heard, labels: tuple[str, ...]) -> None:
    """Wait for four updates with these labels."""
    until(lambda: sum(set(u["smoothed"]) == set(labels) for u in list(heard.updates)) >= 4)


def asked(heard: Heard, *arguments: str) -> Any:
    done = streamgenre("history", *arguments, "--history", heard.history, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def recorded(heard: Heard) -> None:
    """Wait until the segments of both first models are in the history."""
    until(lambda: {"tango"} <= {s["genre"] for s in asked(heard, "segments")})


def test_the_page_shows_the_colours_of_genres_before_and_after(
    heard: Heard, browser: Browser
) -> None:
    """A page that is opened after the changes: no stretch or segment is grey."""
    found = heard.site.get("/api/genres?station=kitchen").json()["genres"]
    assert {*OTHERS, "tango"} <= set(found)
    for genre, look in found.items():
        assert look["color"] == genre_color(genre)
    with tab(browser, heard.site.url) as page:
        page.ready()
        names = "() => [...document.querySelectorAll('.bar-row .name')].map(n => n.textContent)"
        until(lambda: set(OTHERS) <= set(page.value(names)))
        dots = """() => [...document.querySelectorAll('[data-field=segments] *')]
          .filter((e) => e.style.getPropertyValue('--genre'))
          .map((e) => e.style.getPropertyValue('--genre'))"""
        until(lambda: genre_color("tango") in page.value(dots))
        page.check()


def test_metrics_are_those_of_the_present_genres(heard: Heard) -> None:
    lines = [line for line in heard.metrics.splitlines() if "streamgenre_probability{" in line]
    assert len(lines) == len(OTHERS)
    assert any('genre="<b>演歌"' in line for line in lines)
    assert 'model="other"' in heard.metrics
    assert any(
        "streamgenre_segments_total{" in line and 'genre="tango"' in line
        for line in heard.metrics.splitlines()
    )


def test_the_history_has_shares_of_both_sets_and_finds_them(heard: Heard) -> None:
    recorded(heard)
    shares = {each["genre"] for each in asked(heard, "shares", "--by", "day")}
    assert "tango" in shares
    assert shares & {*SHIPPED, None, ""}
    by_genre = {s["genre"]: s for s in asked(heard, "segments") if s["genre"]}
    assert by_genre["tango"]["state"] == "music"
    page = heard.site.get("/search?q=TANGO")
    assert "<b>tango</b>" in page.text


def test_details_are_exported_with_the_columns_of_all_genres(heard: Heard) -> None:
    columns = {f"p_{label}" for label in (*SHIPPED, *GENRES, *OTHERS)}

    def exported() -> list[dict[str, str]]:
        done = streamgenre("history", "export", "--what", "detail", "--format", "csv",
                           "--history", heard.history)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))

    until(lambda: columns <= set(exported()[0]))
    rows = exported()
    with_mine = [row for row in rows if float(row["p_tango"] or 0) > 0.9]
    assert len(with_mine) >= 4  # none is lost where the model was changed within a minute
    assert all(float(row["p_blues"] or 0) == 0 for row in with_mine)
    shipped = [sum(float(row[f"p_{genre}"] or 0) for genre in SHIPPED) for row in rows]
    assert sum(share > 0.9 for share in shipped) >= 4


def test_report_and_pages_draw_both_sets(heard: Heard, tmp_path: Path) -> None:
    recorded(heard)
    out = tmp_path / "report.html"
    done = streamgenre("report", "--history", heard.history, "--day", heard.day, "--tz", "UTC",
                       "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = out.read_text("utf-8")
    assert "tango" in text
    assert genre_color("tango") in text
    page = heard.site.get(f"/day/kitchen/{heard.day}?tz=UTC")
    assert page.status_code == 200
    assert "tango" in page.text
    assert genre_color("tango").lower() in page.text.lower()
