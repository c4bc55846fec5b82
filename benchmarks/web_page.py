"""What the live web page costs a browser: first paint, bytes, main-thread time, delay of updates.

    python benchmarks/web_page.py

It needs Chromium and the extra ``web``. The stations are made up and travel over a real bus.
Painting is by software here; a GPU takes most of it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.browser import chromium, tab
from support.commands import free_endpoint
from support.live import end, until
from support.web_site import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession

FEEDER: Final = Path(__file__).parent.parent / "tests" / "support" / "made_up_stations.py"
THROTTLE: Final = 4
"""How much slower the CPU is made for the first paint."""
LOADS: Final = 7
WATCH_S: Final = 15
VIEWS: Final = (
    ("cards", "/", (1440, 900)),
    ("cards, 4K", "/", (3840, 2160)),
    ("wall", "/?view=big", (1920, 1080)),
    ("one station", "/?station=FIP", (1440, 900)),
    ("one station, big", "/?station=FIP&view=big", (1920, 1080)),
)


@contextmanager
def site(stations: int) -> Iterator[Site]:
    """Yield a web process with made-up stations."""
    endpoint = free_endpoint()
    feeder = subprocess.Popen(
        [sys.executable, str(FEEDER), endpoint, "--stations", str(stations)],
        stdout=subprocess.PIPE,
        text=True,
    )
    served = serve("--connect", endpoint)
    try:
        until(
            lambda: (
                [
                    "update" in one
                    for one in served.get("/api/stations?limit=1000").json()["stations"]
                ].count(True)
                == stations
            )
        )
        yield served
    finally:
        served.close()
        end(feeder)


def load(browser: Browser, url: str, throttle: float) -> dict[str, float]:
    """Load a page with an empty cache; return paints in ms and bytes over the network."""
    with tab(browser, "about:blank") as found:
        session = found.page.context.new_cdp_session(found.page)
        session.send("Network.enable")
        session.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        sizes: dict[str, float] = {}

        def received(event: dict[str, Any]) -> None:
            name = event["requestId"]
            sizes[name] = sizes.get(name, 0) + event["encodedDataLength"]

        def finished(event: dict[str, Any]) -> None:
            sizes[event["requestId"]] = event["encodedDataLength"]

        session.on("Network.dataReceived", received)
        session.on("Network.loadingFinished", finished)
        found.page.goto(url)
        found.ready()
        at = found.value("() => performance.now()")
        found.page.wait_for_timeout(500)
        paint = found.value(
            "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        return {"paint": paint, "ready": at, "kB": sum(sizes.values()) / 1000}


def seconds(session: CDPSession) -> dict[str, float]:
    """Return the counters of the page's main thread in seconds."""
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def busy(browser: Browser, url: str, size: tuple[int, int]) -> dict[str, float]:
    """Return the main thread's CPU time in ms a second, in all and by what it did."""
    with tab(browser, url, size=size) as found:
        found.ready()
        found.page.wait_for_timeout(3000)
        session = found.page.context.new_cdp_session(found.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time
        before, start = seconds(session), time.monotonic()
        found.page.wait_for_timeout(1000 * WATCH_S)
        after, span = seconds(session), time.monotonic() - start
        return {
            name.removesuffix("Duration"): 1000 * (after[name] - before[name]) / span
            for name in ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
        }


def delays(browser: Browser, url: str) -> list[float]:
    """Return the ms from an update's time until its level is in the page."""
    with tab(browser, url) as found:
        found.ready()
        found.page.wait_for_timeout(2000)
        return found.value(
            """async (ms) => {
              const { stations } = await import('./static/live.js');
              const found = [];
              const watch = new MutationObserver((records) => {
                const now = Date.now();
                for (const record of records) {
                  const card = record.target.closest?.('.card')?.card;
                  const station = card?.station ?? stations.all.get(document.title.split(' · ')[0]);
                  if (station?.update) found.push(now - 1000 * station.update.time);
                }
              });
              for (const one of document.querySelectorAll('[data-field=level]')) {
                watch.observe(one, { childList: true });
              }
              await new Promise((done) => setTimeout(done, ms));
              return found;
            }""",
            1000 * WATCH_S,
        )


def main() -> None:
    with chromium() as browser:
        print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for count in (1, 100):
            with site(count) as served:
                print(f"\n{count} station{'s' if count > 1 else ''}")
                for throttle in (1, THROTTLE):
                    runs = [load(browser, served.url, throttle) for _ in range(LOADS)]
                    paint, ready, size = (
                        statistics.median(run[name] for run in runs)
                        for name in ("paint", "ready", "kB")
                    )
                    least = min(run["paint"] for run in runs)
                    print(
                        f"  CPU 1/{throttle}: first paint {paint:.0f} ms (least {least:.0f}), "
                        f"first events shown {ready:.0f} ms, {size:.0f} kB"
                    )
                if count == 1:
                    views: tuple[tuple[str, str, tuple[int, int]], ...] = (
                        ("one station", "/", (1440, 900)),
                    )
                else:
                    views = VIEWS
                for name, path, size_of in views:
                    parts = busy(browser, served.url + path, size_of)
                    words = ", ".join(f"{key} {value:.1f}" for key, value in parts.items())
                    print(f"  main thread, {name} {size_of[0]}x{size_of[1]}: {words} ms/s")
                found = sorted(delays(browser, served.url))
                if found:
                    half, most = found[len(found) // 2], found[int(0.99 * (len(found) - 1))]
                    print(f"  update to page: median {half:.0f} ms, 99 % below {most:.0f} ms")
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
