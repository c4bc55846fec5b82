"""No request ends the daemon or delays its events, whatever its bytes are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st
from support.commands import free_endpoint, start
from support.fuzzing import examples
from support.live import end, until

from streamgenre import Subscriber
from streamgenre.bus.control import MAX_MESSAGE, MAX_REQUEST, request
from streamgenre.daemon.requests import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

SURROGATE: Final = b'{"request":"status","id":"\\ud800"}'
SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=("Cs", "Cc", "Cf", "Co")), max_size=5),
    st.sampled_from((10**400, -(10**300), 1e308, float("nan"), float("-inf"), "kitchen", "lstm")),
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES: Final = st.sampled_from((*REQUESTS, "request", "id", "", "\ud800")) | st.text(max_size=8)
# A change of model takes a second of computing each.
OBJECTS: Final = st.dictionaries(
    st.sampled_from(("request", "id", "station")) | NAMES, NAMES | VALUES, max_size=5
).filter(lambda found: found.get("model") != "lstm")
BODIES: Final = st.one_of(
    OBJECTS.map(lambda value: json.dumps(value).encode()),
    OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")),
    OBJECTS.map(lambda value: json.dumps(value).encode("utf-16")),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
    st.tuples(st.sampled_from((b"[", b'{"a":', b'{"request":')), st.integers(1, 4200)).map(
        lambda pair: (pair[0] * pair[1])[: MAX_REQUEST + 50]
    ),
    st.integers(1, MAX_REQUEST).map(lambda n: b'{"request":"status","id":' + b"9" * n + b"}"),
)
MESSAGES: Final = st.lists(st.just(b"") | BODIES, min_size=1, max_size=4)


class Live:
    """A running daemon, a client and a subscriber."""

    def __init__(self, control: str, publish: str) -> None:
        self.control = control
        self.subscriber = Subscriber(publish, types=["update"])
        self._updates = 0
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.connect(control)

    def send(self, *parts: bytes) -> None:
        """Send a message, and read the answers so far."""
        self.socket.send_multipart(list(parts))
        while self.socket.poll(0):
            self.socket.recv_multipart()

    def works(self) -> None:
        """Check that requests are answered and that no update was lost."""
        answer = request(self.control, {"request": "status"}, timeout=60)
        assert answer["ok"] or answer["error"]["code"] == "busy", answer
        while self.subscriber.receive(timeout=0) is not None:
            self._updates += 1
        assert self.subscriber.missed == 0

    def goes_on(self) -> None:
        """Check that a further update arrives."""
        before = self._updates
        until(lambda: self._updates > before, 60, pump=self.works)

    def answer(self, *parts: bytes) -> dict[str, Any]:
        """Return the answer to one message."""
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        with socket:
            socket.set(zmq.LINGER, 0)
            socket.connect(self.control)
            socket.send_multipart(list(parts))
            assert socket.poll(60_000), "no answer"
            found: dict[str, Any] = json.loads(socket.recv_multipart()[-1])
            return found


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    control, publish = free_endpoint(), free_endpoint()
    daemon = start(
        *("listen", "--input", "demo", "-q", "--no-history", "--control", control),
        *("--publish", publish),
    )
    try:
        found = Live(control, publish)
        found.goes_on()
        yield found
        found.goes_on()
        assert daemon.poll() is None
        daemon.terminate()
        _, errors = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, errors
        assert "Traceback" not in errors
        assert "could not be handled" not in errors
    finally:
        end(daemon)


@examples(60)
@example([[b"", SURROGATE]])
@example([[b"", b'{"request":"\\ud800"}'], [b'{"request":"reset","station":"\\udfff"}']])
@example([[b'{"request":"model","model":"\\udc00","id":"\\ud800"}']])
@example([[b'{"request":"status","\\ud800":1}']])
@example([[b'{"request":' + b"[" * 2000 + b"]" * 2000 + b"}"]])
@example([[b'{"request":"status","id":' + b"[" * 2000 + b"]" * 2000 + b"}"]])
@example([[b'{"request":"status","id":1e400}'], [b'{"request":"status","id":NaN}']])
@example([[b'{"request":"status","id":' + b"9" * 4000 + b"}"]])
@example([[bytes(MAX_MESSAGE)], [b""], [b"", b"", b"", b"", b""]])
@given(st.lists(MESSAGES, min_size=1, max_size=20))
def test_no_request_ends_the_daemon_or_costs_an_update(
    live: Live, messages: list[list[bytes]]
) -> None:
    for parts in messages:
        live.send(*parts)
    live.works()


@pytest.mark.parametrize(
    ("body", "ok", "identifier"),
    [
        (SURROGATE, True, "\ud800"),
        (b'{"request":"status","id":"\xf0\x9f\x8e\xb7"}', True, "🎷"),
        (b'{"request":"status","id":1.5}', True, 1.5),
        (b'{"request":"status","id":-7}', True, -7),
        (b'{"request":"status","id":' + b"9" * 300 + b"}", True, int("9" * 300)),
        (b'{"request":"status","id":true}', False, None),
        (b'{"request":"status","id":1e400}', False, None),
        (b'{"request":"status","id":Infinity}', False, None),
        (b'{"request":"status","id":' + b"9" * 500 + b"}", False, None),
        (b'{"request":"status","request":"reset"}', False, None),
        ('{"request":"status"}'.encode("utf-16"), False, None),
        (b'\xef\xbb\xbf{"request":"status"}', False, None),
        (b'{"request":"\xff"}', False, None),
        (b'{"request":["status"]}', False, None),
        (b'{"request":"reset","station":"\\ud83d"}', False, None),
    ],
    ids=range(15),
)
def test_every_request_is_answered_in_words(
    live: Live, body: bytes, ok: bool, identifier: object
) -> None:
    answer = live.answer(b"", body)
    assert answer["ok"] is ok, answer
    assert answer.get("id") == identifier
    if not ok:
        assert answer["error"]["code"] == "invalid" or "station" in answer["error"]["message"]
        assert len(answer["error"]["message"]) < 300


def test_requests_without_pause_do_not_stop_the_stations(live: Live) -> None:
    for n in range(3000):
        live.send(b"", b'{"request":"status","id":%d}' % n)
    live.goes_on()
