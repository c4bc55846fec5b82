"""Events of another version, malformed ones and floods of stations, from a bus that lies."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from support.browser import chromium, tab
from support.live import until
from support.raw_http import memory
from support.sample_events import SampleStation
from support.web_site import EventReader, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1 << 20
MARKUP = "</script><script>alert(1)</script>"
GOOD = SampleStation("good")


class Liar:
    """A bus that sends what the test says, and good events of a station."""

    def __init__(self) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SNDHWM, 100_000)
        self.endpoint = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"

    def say(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def good(self) -> None:
        """Send a good event of each type, and rest: the page must not drown in them."""
        time.sleep(0.02)
        for make in (GOOD.source, GOOD.update, GOOD.status, GOOD.spectrum):
            self.say(*make().parts())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    bus = Liar()
    yield bus
    bus.close()


@pytest.fixture(scope="module")
def page(liar: Liar) -> Iterator[Site]:
    site = serve("--connect", liar.endpoint)
    until(lambda: site.get("/readyz").status_code == 200, pump=liar.good)
    try:
        yield site
        assert site.process.poll() is None
    finally:
        site.client.close()
        site.process.terminate()
        _, said = site.process.communicate(timeout=60)
    assert "Traceback" not in said
    assert len(said) < 20_000


def update(**changes: Any) -> dict[str, Any]:
    return SampleStation("odd").update().as_dict() | changes


def message(event: dict[str, Any]) -> tuple[bytes, bytes]:
    return f"{event['type']}/{event['station']}".encode(), json.dumps(event).encode()


OTHERS = [
    update(v=2),
    update(v="1"),
    update(type="mood"),
    update(state="euphoric"),
    update(mood={"blue": 1}, confidence=1),
    update(genre=MARKUP),
    update(time=-1),
    update(time=1e300),
    update(stream_time="long ago"),
    update(smoothed={}),
    update(smoothed={f"g{n}": 0.001 for n in range(1000)}),
    update(now_playing={"artist": None, "title": "\u2028\n\r\0\x1b[31m" + "x" * 5000, "raw": "",
                        "since": 0.0}),
    update(now_playing={"title": 3}),
    update(station="a\nb: c\n\ndata: {}"),
    update(station="\u2028event: update"),
    update(station="__proto__"),
    update(station="constructor"),
    update(session="x" * 100_000),
]  # fmt: skip


@pytest.mark.parametrize("event", OTHERS, ids=range(len(OTHERS)))
def test_events_of_another_version_disturb_no_stream(
    liar: Liar, page: Site, event: dict[str, Any]
) -> None:
    """Each is passed on if it is valid, else skipped; the good ones beside it arrive."""
    reader = EventReader(page.url, "/api/events")
    try:
        until(lambda: reader.of("snapshot"), pump=liar.good)
        before = len(reader.of("update"))
        liar.say(*message(event))
        liar.say(*message(event)[:1], json.dumps(event, indent=1).encode())
        until(
            lambda: [e for e in reader.of("update")[before:] if e["station"] == "good"],
            pump=liar.good,
        )
        kinds = {kind for kind, _, _ in reader.messages}
        assert kinds <= {"snapshot", "update", "source", "status", "bus", "tick", "hole"}
    finally:
        reader.close()
    assert page.get("/api/stations").status_code == 200
    assert page.get("/").status_code == 200


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"update/x",),
        (b"update/good", b""),
        (b"update/good", b"\xff\xfe"),
        (b"update/good", b"[" * 100_000),
        (b"update/good", b'{"v": NaN}'),
        (b"update/good", b"x" * (2 << 20)),
        (b"update/\xff", b"{}"),
        (b"status/good", b"null"),
        (b"update/good", b"{}", b"{}", b"{}"),
    ],
    ids=range(10),
)
def test_messages_that_are_no_events_are_skipped(
    liar: Liar, page: Site, parts: tuple[bytes, ...]
) -> None:
    reader = EventReader(page.url, "/api/events?station=good&types=update")
    try:
        until(lambda: reader.of("update"), pump=liar.good)
        liar.say(*parts)
        count = len(reader.of("update"))
        until(lambda: len(reader.of("update")) > count + 2, pump=liar.good)
    finally:
        reader.close()


def test_wrong_spectra_are_skipped(liar: Liar, page: Site) -> None:
    reader = EventReader(page.url, "/api/spectrum?station=good")
    good = GOOD.spectrum()
    topic, text, levels = good.parts()
    header = json.loads(text)

    def pump() -> None:
        liar.say(topic, text)
        liar.say(topic, text, levels[1:])
        liar.say(topic, json.dumps(header | {"edges_hz": [3, 2, 1]}).encode(), b"x" * 32)
        liar.say(topic, json.dumps(header | {"row_s": 1e-300}).encode(), levels)
        liar.say(topic, json.dumps(header | {"step_db": 1e300}).encode(), levels)
        liar.good()

    try:
        until(lambda: len(reader.of("spectrum")) > 3, pump=pump)
        assert {len(event["edges_hz"]) for event in reader.of("spectrum")} == {65}
        assert {event["row_s"] for event in reader.of("spectrum")} == {0.0625}
        assert reader.of("sound")
    finally:
        reader.close()


def test_stations_without_number_are_bounded(liar: Liar, page: Site) -> None:
    before = memory(page)
    for number in range(4000):
        liar.say(*SampleStation(f"flood {number}", "s" * 30).update().parts())
        if number % 50 == 0:
            liar.good()
    until(lambda: page.get("/api/stations?limit=1").json()["total"] >= 2000, pump=liar.good)
    assert page.get("/api/stations?limit=1").json()["total"] == 2000
    assert memory(page) - before < 60 * MB
    for number in range(4000):
        status = SampleStation(f"flood {number}", "s" * 30).status().as_dict() | {"removed": True}
        liar.say(*message(status))
    until(lambda: page.get("/api/stations?limit=1").json()["total"] < 100, pump=liar.good)


def test_a_browser_shows_all_of_it_as_text(liar: Liar, page: Site) -> None:
    numbers = itertools.count()
    with chromium() as browser, tab(browser, page.url) as found:

        def pump() -> None:
            liar.good()
            liar.say(*message(update(genre=MARKUP, seq=next(numbers), station="markup")))
            found.page.wait_for_timeout(50)

        until(
            lambda: found.value("() => document.documentElement.dataset.ready === 'yes'"), pump=pump
        )
        for event in OTHERS:
            liar.say(*message(event))
        until(lambda: "alert(1)" in found.text("main").lower(), pump=pump)
        assert "good" in found.text("main")
        found.check()
