"""Two hundred viewers, and ten that never read: bounded memory, and nobody else notices."""

from __future__ import annotations

import selectors
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.live import bus, until
from support.web_site import EventReader, Site, serve

from streamgenre.client.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWERS = 200
SLEEPERS = 10
STATIONS = [f"station {number}" for number in range(20)]
MB = 1 << 20


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[Site, str]]:
    """Yield a page of 20 stations with 5 updates a second each, and the bus."""
    names = ",".join(STATIONS)
    with bus("tcp://127.0.0.1:*", "--stations", names, "--hop", "0.2") as endpoint:
        site = serve("--connect", endpoint)
        site.ready()
        try:
            yield site, endpoint
        finally:
            site.close()


def rss(site: Site) -> int:
    status = Path(f"/proc/{site.process.pid}/status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def connect(site: Site, path: str) -> socket.socket:
    parts = urlsplit(site.url)
    client = socket.create_connection((parts.hostname, parts.port), timeout=60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def test_many_viewers_and_sleepers_cost_the_others_nothing(busy: tuple[Site, str]) -> None:
    site, endpoint = busy
    before = rss(site)
    sleepers = []
    for _ in range(SLEEPERS):
        sleeper = connect(site, "/api/events")
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleepers.append(sleeper)
    one = "/api/events?station=station%20{}&types=update"
    viewers = [connect(site, one.format(number % len(STATIONS))) for number in range(VIEWERS)]
    heard = dict.fromkeys(viewers, 0)
    with selectors.DefaultSelector() as selector, Subscriber(endpoint, types=["update"]) as other:
        for viewer in viewers:
            viewer.setblocking(False)
            selector.register(viewer, selectors.EVENT_READ)
        received = 0
        ends = time.monotonic() + 90
        while min(heard.values()) < 10 or received < 1000:
            assert time.monotonic() < ends, f"{min(heard.values())} updates, {received} events"
            for key, _ in selector.select(0.1):
                part = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                assert part, "a viewer was dropped"
                heard[key.fileobj] += part.count(b"event: update\n")  # type: ignore[index]
            while other.receive(timeout=0) is not None:
                received += 1
        assert other.missed == 0
    assert site.get("/healthz").json()["viewers"] == VIEWERS + SLEEPERS
    # What 210 connections and ten full queues may take.
    assert rss(site) - before < 40 * MB
    for each in (*viewers, *sleepers):
        each.close()
    until(lambda: site.get("/healthz").json()["viewers"] == 0)


def test_a_viewer_that_slept_is_told_what_it_lost(busy: tuple[Site, str]) -> None:
    site, _ = busy
    sleeper = EventReader(site.url, "/api/events", read=False)
    # More than the connection and its queue hold: 100 events a second of about 700 bytes.
    events = EventReader(site.url, "/api/events?types=update")
    until(lambda: len(events.messages) > 1500)
    events.close()
    sleeper.read()
    until(lambda: sleeper.of("hole"))
    until(lambda: len(sleeper.of("snapshot")) == 2)
    kinds = [kind for kind, _, _ in sleeper.messages]
    assert kinds[kinds.index("hole") + 1] == "snapshot"
    assert sleeper.of("hole")[0]["count"] > 0
    sleeper.close()


def test_there_is_a_limit_of_viewers(busy: tuple[Site, str]) -> None:
    site, _ = busy
    viewers = [connect(site, "/api/events?types=gap&station=x") for _ in range(500)]
    until(lambda: site.get("/healthz").json()["viewers"] == 500)
    refused = site.get("/api/events")
    assert refused.status_code == 503
    assert "viewers already watch" in refused.json()["error"]["message"]
    assert site.get("/").status_code == 200
    for each in viewers:
        each.close()
    until(lambda: site.get("/healthz").json()["viewers"] == 0)
