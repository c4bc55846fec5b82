"""The spectrum on the web: asked of the daemon only while somebody looks."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from support.live import until
from support.web_site import STATIONS, EventReader, LiveDaemon, Site

from streamgenre import Status, Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERDICTS = {"silence", "clipping", "hum", "quiet", "fine"}


@pytest.fixture
def subscribers_are(daemon: LiveDaemon) -> Iterator[Callable[[int], None]]:
    """Wait until that many more subscribers than at first are connected to the daemon."""
    with Subscriber(daemon.endpoint, types=["status"]) as watching:

        def count() -> int:
            while watching.receive(0) is not None:
                pass  # of a time before
            event = watching.receive(60)
            while not isinstance(event, Status) or event.retained:
                event = watching.receive(60)
            return event.subscribers

        first = count()
        yield lambda more: until(lambda: count() == first + more)


def test_a_viewer_gets_rows_and_a_verdict(site: Site) -> None:
    name = STATIONS[2]
    reader = EventReader(site.url, f"/api/spectrum?station={quote(name)}")
    try:
        until(lambda: len(reader.of("spectrum")) >= 3 and reader.of("sound"))
        for event in reader.of("spectrum"):
            assert event["station"] == name
            levels = base64.b64decode(event["levels"], validate=True)
            assert len(levels) == event["rows"] * (len(event["edges_hz"]) - 1)
        assert all(sound["verdict"] in VERDICTS for sound in reader.of("sound"))
    finally:
        reader.close()


def test_the_daemon_is_asked_only_while_somebody_looks(
    site: Site, subscribers_are: Callable[[int], None]
) -> None:
    readers = [EventReader(site.url, "/api/spectrum?station=demo") for _ in range(3)]
    try:
        until(lambda: all(reader.of("spectrum") for reader in readers))
        subscribers_are(1)  # one connection for all viewers
        readers.pop().close()
        readers.pop().close()
        seen = len(readers[0].of("spectrum"))
        until(lambda: len(readers[0].of("spectrum")) > seen)
        subscribers_are(1)
    finally:
        for reader in readers:
            reader.close()
    subscribers_are(0)


def test_an_event_stream_of_all_types_has_no_spectrum(site: Site) -> None:
    looking = EventReader(site.url, "/api/spectrum?station=demo")
    everything = EventReader(site.url, "/api/events")
    try:
        until(lambda: len(looking.of("spectrum")) >= 2 and len(everything.of("update")) >= 6)
        assert everything.of("spectrum") == []
    finally:
        looking.close()
        everything.close()


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("", 400, "station: missing"),
        ("?station=", 400, "station: expected a text that is not empty"),
        ("?station=nosuch", 404, "no station 'nosuch' is known"),
        ("?station=demo&station=radio", 400, "station: expected once"),
        ("?station=demo&rows=2", 400, "unknown parameter 'rows'"),
    ],
)
def test_a_wrong_request_is_refused_in_words(
    site: Site, query: str, status: int, said: str
) -> None:
    answer = site.get(f"/api/spectrum{query}")
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
