"""The pages of the history in Chromium: zoom, pointing, keys, time zones, and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser import axe, tab
from support.histories import record
from support.history_programme import T0, Programme
from support.web_site import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

HEADING = "document.querySelector('#zoom h2')?.innerText"
DAY = "/day/kitchen/2026-07-01"
HOUR = f"{DAY}?start={T0 + 7200:.0f}&end={T0 + 10_800:.0f}"
PAGES = (
    *("/calendar", "/calendar/kitchen/2026", DAY, HOUR, "/playlist/kitchen/2026-07-01"),
    *("/shares?from=2026-07-01&to=2026-07-02", "/search?q=o", "/search", "/search?q=%CC%81"),
    "/dead-air?from=2026-07-01&to=2026-07-02",
)
WORST = "<img src=x onerror=alert(1)>" + "long" * 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path: Path = tmp_path_factory.mktemp("seen") / "h.sqlite3"
    for name in ("kitchen", WORST):
        maker = Programme(name, name[:9], T0, hop=6.0)
        events = [*maker.day(8 * 3600), maker.title(WORST, WORST), maker.dead_air(active=True)]
        events += [*maker.stretch("silence", None, 40), maker.dead_air(active=False)]
        record(path, [*events, maker.gap(40), *maker.day(8 * 3600)], every=20_000)
    found = serve("--no-live", "--history", path, env={"TZ": "Europe/Berlin"})
    try:
        yield found
    finally:
        found.close()


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_inaccessible_or_wider_than_a_telephone(
    site: Site, browser: Browser, scheme: str
) -> None:
    with tab(
        browser, site.url + "/calendar", size=(360, 740), scheme=scheme, timezone_id=BERLIN
    ) as seen:
        for path in PAGES:
            seen.page.goto(site.url + path)
            seen.page.wait_for_load_state("networkidle")
            found = axe(seen)
            assert found.violations_count == 0, (path, found.generate_report())
            assert seen.value("() => document.documentElement.scrollWidth") <= 360, path
        seen.check("status of 400")


def test_a_part_of_the_day_is_enlarged_by_dragging_keys_and_links(
    site: Site, browser: Browser
) -> None:
    with tab(browser, site.url + DAY, timezone_id=BERLIN) as seen:
        seen.page.wait_for_selector(".live.overview")
        assert not seen.page.is_visible("#zoom")
        box = seen.page.locator("#overview").bounding_box()
        assert box is not None
        left = box["x"] + box["width"] * 54 / 1200
        width = box["x"] + box["width"] - left
        middle = box["y"] + box["height"] / 2
        seen.page.mouse.move(left + width / 4, middle)
        seen.page.mouse.down()
        seen.page.mouse.move(left + width / 3, middle, steps=4)
        seen.page.mouse.up()
        # A quarter to a third of the day: 06:00 to 08:00, give or take a pixel.
        seen.until(f"() => /^0[56]:\\d\\d:\\d\\d – 0[78]:/.test({HEADING})")
        assert "start=" in seen.page.url
        before = seen.text("#zoom h2")
        seen.page.click("#zoom [data-zoom=later]")
        seen.until("(old) => document.querySelector('#zoom h2').innerText !== old", before)
        before = seen.text("#zoom h2")
        seen.page.focus("#overview")
        seen.page.keyboard.press("ArrowLeft")
        seen.until("(old) => document.querySelector('#zoom h2').innerText !== old", before)
        before = seen.text("#zoom h2")
        seen.page.keyboard.press("+")
        seen.until("(old) => document.querySelector('#zoom h2').innerText !== old", before)
        assert seen.text("#said") == seen.text("#zoom h2")
        # The address leads to the same part.
        address, heading = seen.page.url, seen.text("#zoom h2")
        seen.page.goto(address)
        assert seen.text("#zoom h2") == heading
        seen.page.focus("#overview")
        seen.page.keyboard.press("Escape")
        seen.until("() => document.getElementById('zoom').hidden")
        assert "start=" not in seen.page.url
        seen.page.click("nav.hours a >> nth=4")
        seen.until("() => document.querySelector('#zoom h2')?.innerText === '04:00:00 – 05:00:00'")
        seen.check()


def test_pointing_reads_and_a_click_goes_to_the_title(site: Site, browser: Browser) -> None:
    with tab(browser, site.url + HOUR, timezone_id=BERLIN) as seen:
        seen.page.wait_for_selector(".live.overview")
        shown = seen.page.locator("#hourly .wide text[data-title]").nth(6)
        at = shown.get_attribute("data-title")
        assert at is not None
        shown.hover()
        tip = shown.get_attribute("data-tip")
        seen.until("(tip) => document.querySelector('.tip').innerText === tip", tip)
        shown.click()
        row = f"t{round(float(at) * 1000)}"
        seen.until("(row) => document.getElementById(row).className === 'reached'", row)
        assert seen.page.url.endswith(f"#{row}")
        assert seen.value("() => document.activeElement.getAttribute('href')") == f"#{row}"
        # The link alone leads there as well.
        seen.page.goto(site.url + DAY + f"#{row}")
        seen.until("(row) => document.getElementById(row)?.className === 'reached'", row)
        seen.check()


def test_viewers_in_another_time_zone_see_their_own(site: Site, browser: Browser) -> None:
    with tab(browser, site.url + DAY, timezone_id="America/New_York") as seen:
        seen.until("() => document.querySelector('.zones')?.innerText.includes('America/New_York')")
        assert "Europe/Berlin" in seen.text(".zones")
        seen.page.click("text=Show the station's times")
        seen.until("() => document.querySelector('.zones')?.innerText.startsWith('Times: Europe')")
        seen.page.click("[data-own-zone]")
        seen.until("() => document.querySelector('.zones')?.innerText.includes('America/New_York')")
        seen.check()
    with tab(browser, site.url + DAY, timezone_id="Europe/Berlin") as seen:
        seen.page.wait_for_load_state("networkidle")
        assert seen.text(".zones") == "Times: Europe/Berlin"


def test_everything_is_reached_without_scripts(site: Site, browser: Browser) -> None:
    with tab(browser, site.url + "/calendar", java_script_enabled=False) as seen:
        page = seen.page
        page.wait_for_load_state()
        page.click("section:has(h2:text-is('kitchen')) a:text('Year 2026')")
        page.click("a[title^='Wednesday, 1 July 2026']")
        page.wait_for_url("**/day/kitchen/2026-07-01")
        page.click("nav.hours a >> nth=5")
        page.wait_for_selector("#zoom h2:text('05:00:00 – 06:00:00')")
        page.click("#zoom [data-zoom=closer]")
        page.wait_for_selector("#zoom h2:text('05:15:00 – 05:45:00')")
        page.select_option("select[name=station]", index=0)
        page.click(".pick button")
        page.wait_for_url("**/day/**/2026-07-01")
        page.click("nav.tabs a:text('Shares')")
        page.fill("input[name=from]", "2026-07-01")
        page.fill("input[name=to]", "2026-07-03")
        page.click(".pick button >> nth=0")
        page.wait_for_selector("h2:text('Shares by weekday')")
        page.click(".bar a:text('Search')")
        page.fill("input[type=search]", "beyonce")
        page.press("input[type=search]", "Enter")
        page.wait_for_selector("td:text('Beyoncé Doe')")
        with page.expect_download() as saved:
            page.click("a:text('CSV')")
        assert saved.value.suggested_filename == "streamgenre-search.csv"
