"""The spectrogram in a browser: drawn while it is seen, and asked of the daemon only then."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from support.browser import tab
from support.live import until

from streamgenre import Status, Subscriber

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support.web_site import LiveDaemon, Site

PAGE = "/?" + urlencode({"station": "demo"})
PIXELS = """() => {
  const canvas = document.querySelector("#spectrum canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 3).join());
  return found.size;
}"""
DRAWN = f"() => ({PIXELS})() > 30"
"""Whether there are more colours than those of the axis."""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def subscribers(watching: Subscriber) -> int:
    """Return how many subscribers the next status counts."""
    while watching.receive(0) is not None:
        pass
    while True:
        event = watching.receive(60)
        assert isinstance(event, Status)
        if not event.retained:
            return event.subscribers


def test_it_is_drawn_while_it_is_seen_and_only_then_sent(
    site: Site, daemon: LiveDaemon, browser: Browser
) -> None:
    active = "() => document.querySelector('#spectrum').dataset.active ?? ''"
    with (
        Subscriber(daemon.endpoint, types=["status"]) as watching,
        tab(browser, site.url + PAGE, size=(1280, 700)) as found,
    ):
        found.ready()
        before = subscribers(watching)
        found.page.evaluate("() => document.querySelector('#spectrum').scrollIntoView()")
        found.until(DRAWN)
        found.until("() => document.querySelector('.sound').textContent !== ''")
        assert found.text(".sound") in {
            "The level is fine.",
            "Silence: is the input connected, and not muted?",
            "Too quiet: raise the volume of the input, or its gain.",
            "Clipping: lower the volume of the input.",
            "Mostly mains hum: check the cable and the grounding.",
        }
        assert " s ago" in found.text(".spectrum-axis")
        assert found.value(active) == "yes"
        until(lambda: subscribers(watching) == before + 1)
        found.value(HIDE, True)
        assert found.value(active) == ""
        until(lambda: subscribers(watching) == before)
        found.value(HIDE, False)
        assert found.value(active) == "yes"
        found.page.evaluate("() => scrollTo(0, 0)")
        found.page.set_viewport_size({"width": 1280, "height": 300})
        found.until("() => document.querySelector('#spectrum').dataset.active === undefined")
        until(lambda: subscribers(watching) == before)
        found.check("willReadFrequently")  # this test reads the canvas


def test_a_phone_shows_it_too_and_nothing_moves_where_that_is_wished(
    site: Site, browser: Browser
) -> None:
    with tab(
        browser, site.url + PAGE, size=(360, 640), scheme="light", language="de-DE",
        reduced_motion="reduce",
    ) as found:  # fmt: skip
        found.ready()
        found.value(
            "() => { window.frames_ = 0; const real = requestAnimationFrame;"
            " window.requestAnimationFrame = (task) => { frames_ += 1; return real(task); }; }"
        )
        found.page.evaluate("() => document.querySelector('#spectrum').scrollIntoView()")
        found.until(DRAWN)
        assert found.text("#h-spectrum") == "Spektrogramm"
        assert found.value("() => document.documentElement.scrollWidth") <= 360
        # Drawn once an event, not in each frame: a second has one event and 60 frames.
        found.value("() => { window.frames_ = 0; }")
        found.page.wait_for_timeout(2000)
        assert found.value("() => frames_") < 40
        found.check("willReadFrequently")  # this test reads the canvas


def test_the_cards_and_the_wall_ask_for_none(site: Site, browser: Browser) -> None:
    for path in ("/", "/?view=big"):
        with tab(browser, site.url + path) as found:
            found.ready()
            assert not [url for url in found.requests if "spectrum" in url]
