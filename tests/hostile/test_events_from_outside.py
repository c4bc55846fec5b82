"""No event ends a program that reads events: a malformed one is skipped, reported once, counted."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st
from support.commands import environment, start
from support.fuzzing import examples
from support.live import end, until
from support.sample_events import SampleStation

from streamgenre import BusError, Subscriber
from streamgenre.dashboard.render import render
from streamgenre.dashboard.view import DashboardView
from streamgenre.events import TYPES

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

EXAMPLES: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "docs" / "examples.jsonl").read_text().splitlines()
]
FIELDS: Final = sorted({name for event in EXAMPLES for name in event})
VALUES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        (1.7e308, 1e300, -1e300, 2**53, 10**400, 253402300799, 253402300800, 0, -0.0, 5e-324)
    ),
    st.text(max_size=12),
    st.text(st.characters(categories=("Cs", "Cc", "Cf", "Co")), max_size=4),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=4), st.floats() | st.none(), max_size=3),
)


@st.composite
def messages(draw: st.DrawFn) -> list[bytes]:
    """A real event with some fields changed, removed or added; or its bytes cut or changed."""
    event = dict(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(FIELDS) | st.text(max_size=6))
        if draw(st.booleans()):
            event[name] = draw(VALUES)
        else:
            event.pop(name, None)
    topic = f"{event.get('type')}/{event.get('station')}".encode("utf-8", "replace")
    body = json.dumps(event).encode()
    match draw(st.integers(0, 9)):
        case 0:
            body = body[: draw(st.integers(0, len(body)))]
        case 1:
            at = draw(st.integers(0, len(body)))
            body = body[:at] + draw(st.binary(max_size=4)) + body[at:]
        case 2:
            topic = draw(st.sampled_from([f"{kind}/x".encode() for kind in TYPES]))
        case 3:
            return [topic, body, draw(st.binary(max_size=4))][: draw(st.integers(1, 3))]
    return [topic, body]


def changed(kind: str, **fields: Any) -> list[bytes]:
    """A real event of a type with other fields."""
    event = next(one for one in EXAMPLES if one["type"] == kind) | fields
    return [f"{kind}/{event['station']}".encode("utf-8", "replace"), json.dumps(event).encode()]


class Feed:
    """A daemon's socket, whose events a command reads."""

    def __init__(self) -> None:
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, 10_000)
        port: int = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"

    def wait_for_reader(self) -> None:
        """Wait until somebody subscribes to all types."""
        topics: set[bytes] = set()

        def look() -> bool:
            if self.socket.poll(100):
                topics.add(self.socket.recv())
            return topics >= {f"\x01{kind}/".encode() for kind in TYPES}

        until(look, 60)


class Reader:
    """A command that reads events, and the lines that it writes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, text: str) -> None:
        """Wait for a line with a text."""
        ends = time.monotonic() + 60
        while text not in self._lines.get(timeout=max(0.1, ends - time.monotonic())):
            assert self.process.poll() is None


COMMANDS: Final = {"subscribe": ("subscribe",), "dashboard": ("dashboard",)}


@pytest.fixture(scope="module", params=list(COMMANDS.values()), ids=list(COMMANDS))
def reading(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Feed, Reader]]:
    feed = Feed()
    errors = tmp_path_factory.mktemp("errors") / "errors"
    with feed.socket, errors.open("w") as file:
        process = start(*request.param, "--connect", feed.endpoint, stderr=file)
        try:
            feed.wait_for_reader()
            yield feed, Reader(process)
            assert process.poll() is None
            said = errors.read_text("utf-8", errors="replace")
            assert "Traceback" not in said
            assert "skipping malformed messages: gap event: time 1.7e+308: expected" in said
            assert said.count("gap event: time") == 1
            assert len(said.splitlines()) < 40
        finally:
            end(process)


@examples(60)
@example([changed("gap", time=1.7e308)])
@example([changed("gap", time=1.7e308), changed("update", time=1.7e308), changed("gap", time=-1)])
@example([[b"gap/kitchen", changed("gap", time=0)[1].replace(b'"time": 0', b'"time": 1.8e308')]])
@example([changed("update", station="\ud800")])
@example([changed("status", rss_bytes=10**400)])
@example([[b"update/kitchen", b'{"v":1,"type":"update","station":' + b"[" * 9000]])
@example([[b"update/kitchen", b'{"v":2,"type":"update"}'], [b"mood/kitchen", b'{"v":1}']])
@given(st.lists(messages(), min_size=1, max_size=10))
def test_readers_go_on_after_any_message(
    reading: tuple[Feed, Reader], batch: list[list[bytes]]
) -> None:
    feed, reader = reading
    for parts in batch:
        feed.socket.send_multipart(parts)
    station = SampleStation(f"after-{time.monotonic_ns()}")
    feed.socket.send_multipart([f"gap/{station.name}".encode(), station.gap().to_json().encode()])
    reader.wait_for(station.name)


@pytest.fixture(scope="module")
def shown() -> Iterator[tuple[Feed, Subscriber, list[str]]]:
    said: list[str] = []
    feed = Feed()
    with feed.socket, Subscriber(feed.endpoint, on_malformed=said.append) as subscriber:
        feed.wait_for_reader()
        yield feed, subscriber, said
        assert subscriber.malformed > len(said) > 0


@examples(100)
@example([changed("gap", time=1.7e308), changed("update")], 80)
@example([changed("gap", seconds=253402300799), changed("update")], 80)
@example([changed("update", time=253402300799, stream_time=253402300799)], 120)
@example([changed("segment", start=253402300799, end=0), changed("update", since=253402300799)], 80)
@given(st.lists(messages(), min_size=1, max_size=10), st.integers(10, 200))
def test_the_dashboard_can_show_what_the_client_lets_through(
    shown: tuple[Feed, Subscriber, list[str]], batch: list[list[bytes]], width: int
) -> None:
    feed, subscriber, _ = shown
    for parts in batch:
        feed.socket.send_multipart(parts)
    station = SampleStation("last", f"{time.monotonic_ns()}")
    last = station.update()
    feed.socket.send_multipart([b"update/last", last.to_json().encode()])
    view = DashboardView()
    while (event := subscriber.receive(60)) != last:
        assert event is not None
        view.apply(event, time.monotonic())
        event.to_json().encode()
    render(view, width=width, height=24, now=time.monotonic(), color=True)


def test_without_a_callback_a_malformed_event_is_an_error_and_the_next_one_is_read() -> None:
    feed = Feed()
    with feed.socket, Subscriber(feed.endpoint) as subscriber:
        feed.wait_for_reader()
        feed.socket.send_multipart(changed("gap", time=1.7e308))
        feed.socket.send_multipart(changed("gap"))
        with pytest.raises(BusError, match="gap event: time"):
            subscriber.receive(60)
        assert subscriber.receive(60) is not None
        assert subscriber.malformed == 1


def test_a_flood_of_malformed_messages_does_not_outlast_the_time_limit() -> None:
    feed, stop = Feed(), threading.Event()

    def send() -> None:
        while not stop.is_set():
            feed.socket.send_multipart([b"gap/kitchen", b"{"])

    with feed.socket, Subscriber(feed.endpoint, on_malformed=lambda text: None) as subscriber:
        feed.wait_for_reader()
        thread = threading.Thread(target=send)
        thread.start()
        try:
            for _ in range(3):
                assert subscriber.receive(0.1) is None
                assert asyncio.run(subscriber.receive_async(0.1)) is None
        finally:
            stop.set()
            thread.join()
        assert subscriber.malformed > 0


def test_the_bridge_goes_on_after_a_malformed_event(tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    posted: queue.Queue[dict[str, Any]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    feed = Feed()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server, feed.socket:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        bridge = start(
            *("bridge", "webhook", "--connect", feed.endpoint, "--url", url),
            env=environment({"XDG_STATE_HOME": str(tmp_path)}),
        )
        try:
            until(lambda: feed.socket.poll(100) and b"segment" in feed.socket.recv(), 60)
            feed.socket.send_multipart(changed("segment", end=1.7e308))
            feed.socket.send_multipart(changed("segment", station="good"))
            assert posted.get(timeout=60)["station"] == "good"
            bridge.terminate()
            _, errors = bridge.communicate(timeout=60)
            assert "segment event: end" in errors
            assert bridge.returncode == 0
        finally:
            end(bridge)
            server.shutdown()
