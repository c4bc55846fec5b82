"""The live page in a browser, before a live daemon with a demo, a file and a radio station."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from support.browser import axe, tab
from support.live import until
from support.web_site import STATIONS, Site

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

FILE = STATIONS[2]
"""Name of the file station, full of markup."""
VIEWS = {
    "all": "/",
    "one": "/?" + urlencode({"station": FILE}),
    "big": "/?" + urlencode({"station": "demo", "view": "big"}),
    "wall": "/?view=big",
}
CARD = """(name) => [...document.querySelectorAll('.card')]
  .find((card) => card.querySelector('h2').textContent === name)"""


def test_cards_follow_the_events(site: Site, browser: Browser) -> None:
    with tab(browser, site.url) as found:
        found.ready()
        found.until("(count) => document.querySelectorAll('.card').length === count", len(STATIONS))
        names = found.value(
            "() => [...document.querySelectorAll('.card h2')].map(h => h.innerText)"
        )
        assert sorted(names) == sorted(STATIONS)
        for name in STATIONS:
            found.until(
                f"(name) => ({CARD})(name).querySelector('.state').innerText.includes('live')", name
            )
            found.until(f"(name) => /since \\d\\d:\\d\\d/.test(({CARD})(name).innerText)", name)
        # The level of the file changes with each update.
        level = f"(name) => ({CARD})(name).querySelector('[data-field=level]').textContent"
        seen = set()

        def changes() -> bool:
            seen.add(found.value(level, FILE))
            found.page.wait_for_timeout(100)
            return len(seen) >= 3

        until(changes)
        found.check()


def test_a_card_shows_what_the_update_says(site: Site, browser: Browser) -> None:
    """The page's last update is read from the same stream as the card."""
    with tab(browser, f"{site.url}/?{urlencode({'station': 'demo'})}") as found:
        found.ready()
        found.until("() => document.querySelectorAll('.bar-row').length >= 10")
        shown = found.value("""async () => {
          const { stations } = await import('./static/live.js');
          await new Promise((done) => setTimeout(done, 300));
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const station = stations.all.get('demo');
          const rows = [...document.querySelectorAll('.bar-row')].map((row) => ({
            letter: row.querySelector('[data-field=letter]').textContent,
            smoothed: row.querySelector('[data-field=smoothed]').textContent,
            raw: row.querySelector('[data-field=raw]').textContent,
            chosen: row.dataset.chosen ?? null,
          }));
          const since = document.querySelector('.since').innerText;
          return { update: station.update, rows, since };
        }""")
        update = shown["update"]
        assert [row["letter"] for row in shown["rows"]] == [*"BCYDHJMPGR", "s"]
        assert [row["smoothed"] for row in shown["rows"][:10]] == [
            f"{round(100 * part)}%" for part in update["smoothed"].values()
        ]
        assert [row["raw"] for row in shown["rows"][:10]] == [
            f"{round(100 * part)}%" for part in update["probabilities"].values()
        ]
        chosen = [i for i, row in enumerate(shown["rows"]) if row["chosen"]]
        wanted = [*update["smoothed"]].index(update["genre"]) if update["genre"] else None
        assert chosen == (
            [10] if update["state"] == "speech" else [] if wanted is None else [wanted]
        )
        assert shown["since"].startswith("since ")
        found.page.emulate_media(reduced_motion="reduce")
        gaps = found.value("""() => [...document.querySelectorAll('.bar-row')].map((row) => {
          const track = row.querySelector('.track').getBoundingClientRect();
          const at = (part) => row.querySelector(`[data-field=${part}]`).getBoundingClientRect();
          const shares = ['smoothed', 'raw'].map((name) => (
            parseInt(row.querySelector(`[data-field=${name}]`).textContent) / 100
          ));
          const ends = [at('bar').right, at('mark').left];
          return ends.map((end, i) => Math.abs((end - track.left) / track.width - shares[i]));
        }).slice(0, 10)""")
        assert max(max(pair) for pair in gaps) < 0.01
        for field in ("Model", "CPU", "Memory", "Daemon up for", "Audio lost"):
            assert field in found.text(".health")
        found.check()


def test_the_title_of_a_radio_is_shown(site: Site, browser: Browser) -> None:
    with tab(browser, f"{site.url}/?station=radio") as found:
        found.ready()
        found.until("() => document.querySelector('.decision .genre').innerText !== '–'")
        assert found.text("h1") == "radio"
        found.check()


def test_markup_in_a_name_stays_text(site: Site, browser: Browser) -> None:
    for path in ("/", VIEWS["one"], VIEWS["one"] + "&view=big"):
        with tab(browser, site.url + path) as found:
            found.ready()
            found.until("(name) => document.body.innerText.includes(name)", FILE)
            assert found.value("() => document.querySelectorAll('main b').length") == 0
            found.check()


def test_the_ribbon_has_a_past_at_once(site: Site, browser: Browser) -> None:
    """The server remembers the last minutes: a new page does not begin with an empty ribbon."""
    until(lambda: site.get("/api/stations/demo").json()["recent"])
    with tab(browser, f"{site.url}/?station=demo") as found:
        found.ready()
        past = found.value("""async () => {
          const { stations } = await import('./static/live.js');
          const demo = stations.all.get('demo');
          return [demo.runs.length, demo.levels.length, demo.log.length];
        }""")
        assert all(count > 0 for count in past)
        label = "document.querySelector('canvas.ribbon').getAttribute('aria-label')"
        found.until(f"() => /\\d+%/.test({label})")
        found.check()


def test_the_keyboard_is_enough(site: Site, browser: Browser) -> None:
    with tab(browser, site.url) as found:
        found.ready()
        found.until("(count) => document.querySelectorAll('.card').length === count", len(STATIONS))
        found.page.keyboard.press("Tab")
        assert found.value("() => document.activeElement.className") == "skip"
        found.page.keyboard.press("Enter")
        found.page.keyboard.press("Tab")
        assert found.value("() => document.activeElement.className") == "cover"
        first = found.value("() => document.activeElement.textContent")
        found.page.keyboard.press("Enter")
        found.until("(name) => document.querySelector('h1').innerText === name", first)
        found.ready()
        found.page.keyboard.press("ArrowRight")
        found.until("(name) => document.querySelector('h1')?.innerText !== name", first)
        found.ready()
        found.page.keyboard.press("Escape")
        found.until("() => document.querySelectorAll('.card').length > 0")


def test_keys_change_the_station_of_the_big_view_and_leave_it(site: Site, browser: Browser) -> None:
    with tab(browser, site.url + VIEWS["big"]) as found:
        found.ready()
        found.page.keyboard.press("ArrowRight")
        found.until("() => !location.search.includes('station=demo')")
        found.ready()
        assert "view=big" in found.page.url
        found.page.keyboard.press("ArrowLeft")
        found.until("() => location.search.includes('station=demo')")
        found.ready()
        found.page.keyboard.press("Escape")
        found.until("() => !location.search.includes('view=big')")
        found.ready()
        assert "station=demo" in found.page.url
        found.page.click(".menu summary")
        found.page.keyboard.press("Escape")
        assert found.value("() => document.querySelector('.menu').open") is False
        assert "station=demo" in found.page.url


@pytest.mark.parametrize(
    ("view", "scheme", "size"),
    [
        ("all", "dark", (1280, 800)),
        ("all", "light", (360, 780)),
        ("one", "light", (1280, 800)),
        ("one", "dark", (360, 780)),
        ("big", "dark", (1280, 800)),
        ("wall", "light", (360, 780)),
    ],
)
def test_axe_finds_nothing(
    site: Site, browser: Browser, view: str, scheme: str, size: tuple[int, int]
) -> None:
    with tab(browser, site.url + VIEWS[view], scheme=scheme, size=size) as found:
        found.ready()
        found.until("() => /[.●!▲]/.test(document.querySelector('[data-field=sign]').textContent)")
        result = axe(found)
        assert result.violations_count == 0, result.generate_report()
        found.check()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_from_phone_to_wall(
    site: Site, browser: Browser, view: str, tmp_path: Path
) -> None:
    with tab(browser, site.url + VIEWS[view], size=(360, 780)) as found:
        found.ready()
        for number, (width, height) in enumerate(((360, 780), (1440, 900), (3840, 2160))):
            found.page.set_viewport_size({"width": width, "height": height})
            found.page.wait_for_timeout(300)
            picture = tmp_path / f"{number}.png"
            found.page.screenshot(path=picture)
            assert found.value("() => document.documentElement.scrollWidth <= innerWidth")
            if view in ("big", "wall"):
                assert found.value("() => document.documentElement.scrollHeight <= innerHeight")
            head = picture.read_bytes()[:24]
            assert struct.unpack(">II", head[16:24]) == (width, height)
        found.check()


def test_a_genre_fills_the_big_view(site: Site, browser: Browser) -> None:
    # Without the fade to the next colour, which the demo's many changes would have seen halfway.
    with tab(browser, site.url + VIEWS["big"], reduced_motion="reduce") as found:
        found.ready()
        found.until("""async () => {
          const { stations } = await import('./static/live.js');
          const { look } = await import('./static/looks.js');
          const { update } = stations.all.get('demo');
          const probe = document.createElement('i');
          probe.style.color = look(update.state, update.genre).color;
          document.body.append(probe);
          const color = getComputedStyle(probe).color;
          probe.remove();
          return getComputedStyle(document.querySelector('.stage')).backgroundColor === color;
        }""")
        assert found.value("() => document.querySelector('.bar')") is None


def test_language_and_colours_are_chosen_and_kept(site: Site, browser: Browser) -> None:
    with tab(browser, site.url, language="de-AT") as found:
        found.ready()
        assert found.text("h1") == "Sender"
        assert found.value("() => document.documentElement.lang") == "de"
        assert "3 Sender" in found.text("#summary")
        found.page.click("summary")
        ground = "() => getComputedStyle(document.body).backgroundColor"
        assert found.value(ground) == "rgb(20, 23, 27)"
        found.page.select_option("#theme", "light")
        assert found.value(ground) == "rgb(246, 247, 249)"
        found.page.select_option("#language", "en")
        found.until("() => document.documentElement.lang === 'en'")
        found.ready()
        assert found.text("h1") == "Stations"
        assert found.value(ground) == "rgb(246, 247, 249)"
        found.check()


def test_nothing_moves_for_who_wants_it_so(site: Site, browser: Browser) -> None:
    path = site.url + VIEWS["one"]
    for wish, moves in (("no-preference", True), ("reduce", False)):
        with tab(browser, path, reduced_motion=wish) as found:
            found.ready()
            found.until("() => document.querySelectorAll('.fill').length > 0")
            times = found.value("""() => [...document.querySelectorAll('.fill, .stage')]
              .map((one) => parseFloat(getComputedStyle(one).transitionDuration))""")
            assert any(time > 0 for time in times) == moves


def test_a_device_that_slept_gets_the_present_at_once(site: Site, browser: Browser) -> None:
    with tab(browser, site.url) as found:
        found.ready()

        def streams() -> int:
            found.page.wait_for_timeout(50)
            return len([url for url in found.requests if "/api/events" in url])

        before = streams()
        # A timer that runs an hour late is what a page sees of a sleep.
        found.value("() => { const now = Date.now; Date.now = () => now() + 3_600_000; }")
        until(lambda: streams() > before)
        found.until("() => document.querySelector('.notice')?.innerText.includes('is back')")
        found.until("() => document.querySelector('#link').dataset.tone === 'good'")
        found.page.click(".close")
        found.until("() => !document.querySelector('.notice')?.innerText.includes('is back')")
        found.check()


def test_a_page_that_nobody_sees_gives_its_connection_back(site: Site, browser: Browser) -> None:
    with tab(browser, site.url) as found:
        found.page.clock.install()
        found.page.goto(site.url)
        found.ready()
        state = "async () => (await import('./static/live.js')).feed.source.readyState"
        look = """(hidden) => {
          Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
        found.value(look, True)
        found.page.clock.fast_forward(30_000)
        assert found.value(state) != 2
        found.page.clock.fast_forward(31_000)
        until(lambda: found.value(state) == 2)
        found.value(look, False)
        until(lambda: found.value(state) == 1)
        found.check()


def test_a_clock_that_differs_is_reported_and_not_used(site: Site, browser: Browser) -> None:
    ahead = "{ const now = Date.now; Date.now = () => now() + 86_400_000; }"
    with tab(browser, site.url, script=ahead) as found:
        found.ready()
        found.until("() => document.querySelector('.notice').innerText.includes('1 d')")
        # By this device's clock every station would have been silent for a day.
        assert "live" in found.text(".card .state")
        found.check()


def test_without_scripts_the_stations_are_listed(site: Site, browser: Browser) -> None:
    with tab(browser, site.url, java_script_enabled=False) as found:
        found.page.wait_for_selector(".card")
        content = found.page.content()
        assert "demo" in content
        assert "needs JavaScript" in content


def test_the_page_can_be_installed(site: Site, browser: Browser) -> None:
    with tab(browser, site.url) as found:
        found.ready()
        session = found.page.context.new_cdp_session(found.page)
        answer = session.send("Page.getAppManifest")
        assert answer["errors"] == []
        manifest = json.loads(answer["data"])
        problems = [
            one["errorId"]
            for one in session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        ]
        assert set(problems) <= {"in-incognito"}  # as every context of a test is
    assert site.get("/static/live.js").headers["cache-control"] == "no-cache"
    for icon in manifest["icons"]:
        body = site.get(icon["src"]).content
        if icon["type"] == "image/png":
            size = int(icon["sizes"].partition("x")[0])
            assert struct.unpack(">II", body[16:24]) == (size, size)
        else:
            assert b"<svg" in body


def test_an_unknown_station_is_waited_for(site: Site, browser: Browser) -> None:
    name = "x</script><script>alert(1)</script>"
    with tab(browser, f"{site.url}/?{urlencode({'station': name})}") as found:
        found.ready()
        assert "No station with this name" in found.text("#waiting")
        assert found.page.title().startswith("x</script>")
        found.check()
