"""Requests to a daemon: valid ones, and the answers to bad ones."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from support.audio import MemorySource, music
from support.commands import COMMAND, environment, free_endpoint, start, streamgenre
from support.live import KeyRing, until
from support.other_features import OTHER_FEATURES
from support.sample_events import SampleStation

from streamgenre.bus.auth import Authenticator
from streamgenre.bus.control import MAX_MESSAGE, MAX_PENDING, MAX_REQUEST, ControlSocket, request
from streamgenre.bus.keys import revoke
from streamgenre.bus.publisher import Publisher
from streamgenre.cli.arguments_bus import REQUESTS as NAMES
from streamgenre.cli.control import confirmation
from streamgenre.client.encryption import use_keys
from streamgenre.daemon.requests import REQUESTS, EngineRequests
from streamgenre.engine.engine import Engine
from streamgenre.engine.requests import use_model
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import BusError, ControlError
from streamgenre.events import Segment, Update
from streamgenre.inference.models import load_model
from streamgenre.worker.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamgenre.bus.control import Answer
    from streamgenre.events import AnyEvent

ANY = "tcp://127.0.0.1:*"


class Echo:
    """Answers with the request, or never."""

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        if request.get("request") != "never":
            answer(request)


@pytest.fixture
def echo() -> Iterator[ControlSocket]:
    control = ControlSocket(ANY, Echo(), patience=0.5)
    with Publisher(ANY, control=control):
        yield control


def raw(endpoint: str, *parts: bytes, timeout: float = 3) -> dict[str, Any] | None:
    """Send parts as a DEALER; return the answer."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    with socket:
        socket.set(zmq.LINGER, 0)
        socket.connect(endpoint)
        socket.send_multipart(list(parts))
        if not socket.poll(round(1000 * timeout)):
            return None
        answer: dict[str, Any] = json.loads(socket.recv_multipart()[-1])
        return answer


def test_a_request_from_any_client_is_answered_with_its_id(echo: ControlSocket) -> None:
    body = {"request": "x", "id": "ü7"}
    wanted = {"id": "ü7", "ok": True, "result": {"request": "x"}}
    assert request(echo.endpoint, body) == wanted
    text = json.dumps(body).encode()
    assert raw(echo.endpoint, text) == raw(echo.endpoint, b"", text) == wanted
    rep: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
    with rep:
        rep.connect(echo.endpoint)
        for _ in range(3):
            rep.send(text)
            assert rep.poll(60_000)
            assert json.loads(rep.recv()) == wanted


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"{", "invalid"),
        (b"\xff\xfe", "invalid"),
        (b"[" * 4000, "invalid"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (b'{"id": {}}', "invalid"),
        (b'"' + b"a" * MAX_REQUEST + b'"', "oversize"),
        (b'{"request": "never"}', "timeout"),
    ],
    ids=range(9),
)
def test_bad_requests_get_a_json_error(echo: ControlSocket, body: bytes, code: str) -> None:
    answer = raw(echo.endpoint, body)
    assert answer is not None
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]
    assert raw(echo.endpoint, b'{"request": "x"}') is not None  # and it continues


def test_a_huge_message_closes_the_connection(echo: ControlSocket) -> None:
    assert raw(echo.endpoint, bytes(MAX_MESSAGE + 1), timeout=1) is None
    assert raw(echo.endpoint, b"a", b"b", b"c", b"d", timeout=0.5) is None
    assert raw(echo.endpoint, b'{"request": "x"}') is not None


def test_too_many_requests_at_once_are_asked_to_retry(echo: ControlSocket) -> None:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    with socket:
        socket.connect(echo.endpoint)
        for n in range(MAX_PENDING + 5):
            socket.send(json.dumps({"request": "never", "id": n}).encode())
        codes = []
        for _ in range(MAX_PENDING + 5):
            assert socket.poll(60_000)
            codes.append(json.loads(socket.recv())["error"]["code"])
    assert (codes.count("busy"), codes.count("timeout")) == (5, MAX_PENDING)


def test_events_continue_under_a_flood_of_requests(echo: ControlSocket) -> None:
    stop = threading.Event()

    def flood() -> None:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        with socket:
            socket.set(zmq.LINGER, 0)
            socket.connect(echo.endpoint)
            while not stop.is_set():
                if socket.poll(0, zmq.POLLOUT):
                    socket.send(b"{")

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(20):
            assert raw(echo.endpoint, b'{"request": "x"}') is not None
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def daemon() -> Iterator[tuple[str, MemorySource, list[AnyEvent]]]:
    """An engine with one station and a real control socket."""
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    source = MemorySource("kitchen").feed([music(5, rate=16_000)])
    engine.add("kitchen", source, load_model("lstm"))
    control = ControlSocket(ANY, EngineRequests(Unit(engine), lambda: publisher.reload()))
    stop = threading.Event()
    with Publisher(ANY, control=control) as publisher:
        thread = threading.Thread(target=lambda: engine.run(stop.is_set))
        thread.start()
        until(lambda: sum(isinstance(e, Update) for e in events) >= 4)
        yield control.endpoint, source, events
        stop.set()
        thread.join()


def test_status_and_stations_can_be_requested(
    daemon: tuple[str, MemorySource, list[AnyEvent]],
) -> None:
    answer = request(daemon[0], {"request": "status"})
    assert answer["ok"]
    assert set(answer["result"]) == {"version", "uptime_s", "bus", "stations"}
    stations = request(daemon[0], {"request": "stations"})["result"]
    assert [s["station"] for s in stations] == ["kitchen"]
    assert stations[0]["updates"] >= 4
    assert stations[0]["source_state"] == "live"


def test_reset_ends_the_segment_and_clears_the_state(
    daemon: tuple[str, MemorySource, list[AnyEvent]],
) -> None:
    endpoint, _, events = daemon
    segments = sum(isinstance(e, Segment) for e in events)
    assert request(endpoint, {"request": "reset", "station": "kitchen"}) == {
        "ok": True,
        "result": None,
    }
    assert sum(isinstance(e, Segment) for e in events) == segments + 1
    answer = request(endpoint, {"request": "reset", "station": "kitchn"})
    assert "did you mean 'kitchen'" in answer["error"]["message"]


def test_the_model_can_be_changed_while_running(
    daemon: tuple[str, MemorySource, list[AnyEvent]],
) -> None:
    endpoint, source, events = daemon
    answer = request(endpoint, {"request": "model", "model": "cnn"}, timeout=60)
    assert answer == {"ok": True, "result": None}
    source.feed([music(5, seed=1, rate=16_000)])
    before = len(events)
    until(lambda: sum(isinstance(e, Update) for e in events[before:]) >= 3)
    stations = request(endpoint, {"request": "stations"})["result"]
    assert stations[0]["model"] == "cnn"
    numbers = [e.seq for e in events if isinstance(e, Update)]
    assert numbers == list(range(len(numbers)))  # the session continues


def test_a_model_with_other_features_is_rejected(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    engine.add("kitchen", MemorySource("kitchen"), load_model("lstm"))
    with pytest.raises(ControlError, match=r"'kitchen' uses model lstm.*other features.*--model"):
        use_model(engine.runners, load_model(str(stateful_folder), trusted=True))


def test_one_of_stations_with_different_models_can_switch() -> None:
    events: list[AnyEvent] = []
    engine = Engine(events.append, EngineSettings())
    for name, model in (("a", "lstm"), ("b", OTHER_FEATURES), ("c", "lstm")):
        engine.add(name, MemorySource(name), load_model(model))
    unit = Unit(engine)

    def models() -> list[str]:
        return [station["model"] for station in engine.describe()["stations"]]

    cnn = load_model("cnn")
    with pytest.raises(
        ControlError,
        match=r"station 'b' uses model other-features, and model cnn needs other features.*"
        r'model = "cnn".*reload.*--station switches one of the others \(\'a\', \'c\'\)',
    ):
        use_model(engine.runners, cnn)
    with pytest.raises(ControlError, match=r"station 'b' uses model other-features.*--model cnn$"):
        use_model(engine.runners, cnn, "b")
    with pytest.raises(ControlError, match=r"no station 'd': there are 'a', 'b', 'c'"):
        use_model(engine.runners, cnn, "d")
    assert models() == ["lstm", "other-features", "lstm"]
    stop = threading.Event()
    thread = threading.Thread(target=lambda: engine.run(stop.is_set))
    thread.start()
    try:
        unit.use_model("cnn", "a")
        assert models() == ["cnn", "other-features", "lstm"]
        unit.use_model("cnn", "c")
        runners = [engine.runner(name) for name in "ac"]
        assert len({id(each.model) for each in runners if each is not None}) == 1  # one batch
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"request": "stauts"}, "did you mean 'status'"),
        ({"request": 7}, "no request 7"),
        ({}, "no request None"),
        ({"request": "reset"}, 'expected "station"'),
        ({"request": "reset", "station": 3}, 'expected "station"'),
        ({"request": "model", "model": "lstn"}, "did you mean 'lstm'"),
        ({"request": "model", "model": "/etc"}, "no model '/etc'"),
        ({"request": "model", "model": "cnn", "station": 3}, 'expected "station" with a name'),
        ({"request": "model", "model": "cnn", "station": "kitchn"}, "did you mean 'kitchen'"),
        ({"request": "reset", "station": "kitchen", "model": "cnn"}, "unexpected 'model'"),
        ({"request": "status", "loud": True}, "unexpected 'loud'"),
    ],
    ids=range(11),
)
def test_wrong_requests_are_explained(
    daemon: tuple[str, MemorySource, list[AnyEvent]], body: dict[str, Any], words: str
) -> None:
    answer = request(daemon[0], body)
    assert answer["ok"] is False
    assert words in answer["error"]["message"]


def test_the_control_socket_uses_the_keys_of_the_bus(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)

    def keys(pair: Any) -> Callable[[zmq.Socket[bytes]], None]:
        return lambda socket: use_keys(socket, pair, ring.server.public)

    control = ControlSocket(ANY, Echo())
    with Publisher(ANY, auth=Authenticator(ring.daemon, print), control=control) as publisher:
        body = {"request": "x"}
        assert request(control.endpoint, body, configure=keys(ring.alice))["ok"]
        for wrong in (keys(ring.mallory), lambda socket: None):
            with pytest.raises(BusError, match="allow this client's key"):
                request(control.endpoint, body, configure=wrong, timeout=1)
        # An open connection is rejected too once its key is revoked.
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        with socket:
            socket.set(zmq.LINGER, 0)
            keys(ring.alice)(socket)
            socket.connect(control.endpoint)
            socket.send(b'{"request": "x"}')
            assert socket.poll(60_000)
            assert json.loads(socket.recv())["ok"]
            revoke(ring.daemon, "alice")

            def answer() -> dict[str, Any]:
                socket.send(b'{"request": "x"}')
                assert socket.poll(60_000)
                answered: dict[str, Any] = json.loads(socket.recv())
                return answered

            refused = until(lambda: next((a for a in [answer()] if not a["ok"]), None))
            assert refused["error"]["code"] == "refused"
        publisher.send(SampleStation().update())


def test_an_exposed_control_socket_needs_keys() -> None:
    with pytest.raises(BusError, match="refusing"):
        Publisher(ANY, control=ControlSocket("tcp://0.0.0.0:*", Echo()))


def test_the_flags_cover_the_requests() -> None:
    assert set(NAMES) == set(REQUESTS)


def on_terminal(*arguments: str) -> str:
    """Return what the command prints on a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdout=its, env=environment()) as process:
        os.close(its)
        shown = b""
        with suppress(OSError):  # EIO: the other end is closed
            while some := os.read(ours, 4096):
                shown += some
    os.close(ours)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("body", "result", "line"),
    [
        ({"request": "model", "model": "cnn"}, None, "all stations: model cnn"),
        ({"request": "model", "model": "cnn", "station": "a"}, None, "a: model cnn"),
        ({"request": "reload"}, {"keys": True, "clients": 2}, "keys read again: 2 clients"),
        ({"request": "reload"}, {"keys": False}, "nothing to read again"),
        (
            {"request": "reload"},
            {"config": {"started": ["a", "b\x1b[2J"], "unchanged": ["c"], "needs_restart": ["x"]}},
            "configuration read again: started: a, b[2J; needs restart: x",
        ),
        (
            {"request": "reload"},
            {"config": {"started": [], "unchanged": ["c"]}},
            "configuration read again: nothing has changed",
        ),
    ],
)
def test_a_confirmation_says_what_was_done(body: dict[str, Any], result: Any, line: str) -> None:
    assert (confirmation(body, result) or "").startswith(line)


def test_the_commands_work(stateful_folder: Path, tmp_path: Path) -> None:
    control, ipc = free_endpoint(), f"ipc://{tmp_path / 'bus'}"
    ask = ("control", "--connect", control, "--timeout", "60")
    with start(
        *("listen", "--model", stateful_folder, "--input", "demo", "-q", "--publish", ipc),
        *("--control", control, "--ipc-mode", "660"),
    ) as daemon:
        status = streamgenre(*ask, "status")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["stations"][0]["station"] == "demo"
        assert (tmp_path / "bus").stat().st_mode & 0o777 == 0o660
        assert streamgenre(*ask, "reset", "demo").stdout == "null\n"
        assert on_terminal(*ask, "reset", "demo") == "demo: reset\n"
        assert on_terminal(*ask, "reset", "demo", "--json") == "null\n"
        assert on_terminal(*ask, "status").startswith("{")
        assert json.loads(streamgenre(*ask, "reload").stdout) == {"keys": False}
        for wrong, word in (
            (("reset", "x"), "no station 'x'"),
            (("reset",), "reset STATION"),
            (("reset", "demo", "--station", "demo"), "--station is for"),
            (("model", "cnn", "--station", "x"), "no station 'x'"),
            (("model", "cnn", "--station", "demo"), "station 'demo' uses model"),
        ):
            done = streamgenre(*ask, *wrong)
            assert done.returncode != 0
            assert word in done.stderr
            assert "Traceback" not in done.stderr
        daemon.terminate()
        assert daemon.wait(60) == 0
    gone = streamgenre(*ask, "status", "--timeout", "1")
    assert gone.returncode == 1
    assert "no answer" in gone.stderr


class Broken:
    """A handler with errors of its own."""

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        if request.get("request") == "unsendable":
            answer({"figure": float("nan"), "thing": object()})
        else:
            raise RuntimeError("our own error")


def test_an_error_of_our_own_ends_one_request_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    control = ControlSocket(ANY, Broken(), patience=1)
    with caplog.at_level("DEBUG", "streamgenre.bus"), Publisher(ANY, control=control) as publisher:
        for _ in range(3):
            answer = raw(control.endpoint, b'{"request": "x", "id": 4}')
            assert answer is not None
            assert answer["id"] == 4
            assert answer["error"]["code"] == "failed"
            answer = raw(control.endpoint, b'{"request": "unsendable"}')
            assert answer is not None
            assert answer["error"]["code"] == "failed"
        publisher.send(SampleStation().update())
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2
    assert sum(record.exc_info is not None for record in caplog.records) == 6
