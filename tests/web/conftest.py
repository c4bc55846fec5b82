"""One live daemon, one web process and one client for all tests of the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import browser as chromium
from support.audio import music, write_wav
from support.commands import free_endpoint, start
from support.live import until
from support.radio_server import Icecast
from support.web_site import STATIONS, LiveDaemon, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """Yield a live daemon; tests must not stop it. It ends with the last test of this folder."""
    folder = Path(tmp_path_factory.mktemp("web"))
    wav = write_wav(folder / "tunes.wav", music(20))
    icecast = Icecast(folder)
    icecast.start()
    icecast.feed(
        "live",
        wav,
        "-c:a",
        "libmp3lame",
        "-b:a",
        "128k",
        "-content_type",
        "audio/mpeg",
        "-f",
        "mp3",
    )
    endpoint, control = free_endpoint(), free_endpoint()
    history = folder / "history.sqlite3"
    settings = f"""
history = {{ path = "{history}", keep = "all", flush_s = 1.0 }}
bus = {{ publish = "{endpoint}", control = "{control}" }}
engine = {{ status_s = 1.0 }}
[[station]]
name = "demo"
input = "demo"
[[station]]
name = "radio"
input = "{icecast.url("live")}"
[[station]]
name = "{STATIONS[2]}"
input = "{wav}"
loop = true
"""
    config = folder / "config.toml"
    config.write_text(settings, "utf-8")
    process = start("listen", "--config", config, "--quiet")
    try:
        yield LiveDaemon(endpoint, control, history, process, icecast)
    finally:
        process.terminate()
        process.communicate(timeout=60)
        icecast.stop()


@pytest.fixture(scope="package")
def site(daemon: LiveDaemon) -> Iterator[Site]:
    """Yield a web process that shows the live daemon and its history."""
    found = serve("--connect", daemon.endpoint, "--history", daemon.history)
    found.ready()

    def heard() -> list[str]:
        stations = found.get("/api/stations").json()["stations"]
        return [each["station"] for each in stations if "update" in each]

    until(lambda: len(heard()) == len(STATIONS))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Chromium; not for the session: Playwright keeps an event loop in this thread."""
    with chromium.chromium() as found:
        yield found
