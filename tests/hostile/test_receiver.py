"""Nothing that a webhook's receiver does holds the queue, ends the bridge or gets a secret."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.live import until
from support.mosquitto import make_certificate
from support.receiver import OK, Receiver, drip
from support.requirements import require_programs

from streamgenre.bridges import webhook as module
from streamgenre.bridges.bodies import body_format
from streamgenre.bridges.http_post import Answer, PostError, post, retry_after
from streamgenre.bridges.http_target import parse_url
from streamgenre.bridges.tls import tls_context
from streamgenre.bridges.webhook import Receiver as Settings
from streamgenre.bridges.webhook import Webhook, basic, bearer
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG_S = 60
TIMEOUT_S = 0.7


def send(url: str, **more: Any) -> Answer:
    settings = {"timeout_s": TIMEOUT_S, "context": tls_context(None), **more}
    secret = settings.pop("secret", {})
    return post(parse_url(url), b'{"n": 1}', {"Idempotency-Key": "a"}, secret, **settings)


def forever(data: bytes) -> Callable[[int, socket.socket], None]:
    def answer(_: int, peer: socket.socket) -> None:
        while True:
            peer.sendall(data)

    return answer


def dripping(data: bytes) -> Callable[[int, socket.socket], object]:
    return lambda _, peer: drip(peer, data)


HEAD = b"HTTP/1.1 200 OK\r\n"
UNANSWERED: dict[str, Any] = {
    "silence": lambda _, peer: time.sleep(5),
    "a head that drips": dripping(HEAD + b"X: " + b"y" * 1000),
    "headers that drip": dripping((HEAD + b"X: y\r\n") * 100),
    "a status line that drips": dripping(b"HTTP/1.1 200 " + b"O" * 1000),
    "interim answers without end": forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "interim answers that drip": dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "a header without end": lambda n, peer: (peer.sendall(HEAD + b"X: "), forever(b"y")(n, peer)),
    "headers without end": lambda n, peer: (peer.sendall(HEAD), forever(b"X: y\r\n")(n, peer)),
    "zeros": forever(b"\0" * 1000),
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0",
    "an odd version": b"HTTP/9.9 200 OK\r\n\r\n",
    "an odd status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a close": b"",
    "half a head": HEAD + b"X: y",
}
ANSWERED: dict[str, Any] = {
    "a body without end": lambda n, peer: (peer.sendall(HEAD + b"\r\n"), forever(b"y")(n, peer)),
    "a body that drips": lambda _, peer: (
        peer.sendall(HEAD + b"Content-Length: 1000\r\n\r\n"),
        drip(peer, b"y" * 1000),
    ),
    "a body shorter than it says": HEAD + b"Content-Length: 99999999999999999999\r\n\r\ny",
    "chunks that drip": lambda _, peer: (
        peer.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        drip(peer, b"1\r\ny\r\n" * 1000),
    ),
    "odd bytes in headers": HEAD + b"X: \xff\xfe\0\r\nno colon\r\n: empty\r\n\r\n",
    "lines without CR": b"HTTP/1.1 200 OK\nX: y\n\n",
    "an interim answer first": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"\r\n",
    "no reason": b"HTTP/1.0 200\r\n\r\n",
}


@pytest.mark.parametrize("answer", UNANSWERED.values(), ids=UNANSWERED)
def test_every_stage_of_an_answer_has_the_same_deadline(answer: Any) -> None:
    receiver = Receiver(answer)
    with pytest.raises(PostError) as caught:
        send(receiver.url)
    assert "S3CRET" not in str(caught.value)
    receiver.close()


@pytest.mark.parametrize("answer", ANSWERED.values(), ids=ANSWERED)
def test_the_head_of_an_answer_is_enough(answer: Any) -> None:
    slow = "drips" in next(name for name, each in ANSWERED.items() if each is answer)
    receiver = Receiver(answer)
    assert send(receiver.url, timeout_s=30 if slow else 5).status == 200
    receiver.close()


def test_connecting_tls_and_sending_have_the_deadline_too(tmp_path: Path) -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):  # the queue of connections is full: further ones get no answer
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        with suppress(BlockingIOError):
            waiting[-1].connect(full.getsockname())
    with pytest.raises(PostError, match=r"no complete answer within|no answer in time"):
        send(f"http://127.0.0.1:{full.getsockname()[1]}/")
    for each in (full, *waiting):
        each.close()
    # A TLS handshake that never comes, or drips.
    for answer in (lambda n, peer: time.sleep(5), dripping(b"\x16\x03\x03\x40\x00" * 100)):
        silent = Receiver(answer, read=False)
        with pytest.raises(PostError):
            send(silent.url.replace("http:", "https:"))
        silent.close()

    # A receiver that takes the request a little at a time.
    def sip(_: int, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        while True:
            peer.recv(100)
            time.sleep(0.05)

    sipping = Receiver(sip, read=False)
    with pytest.raises(PostError, match="no complete answer"):
        post(
            parse_url(sipping.url),
            b"x" * 30_000_000,
            {},
            {},
            timeout_s=TIMEOUT_S,
            context=tls_context(None),
        )
    sipping.close()


def test_redirections_share_the_deadline_and_are_counted() -> None:
    def around(_: int, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 308 Moved\r\nLocation: /again\r\n\r\n")

    circle = Receiver(around)
    with pytest.raises(PostError, match="redirects more than 5 times"):
        send(circle.url, timeout_s=LONG_S)

    def slowly(_: int, peer: socket.socket) -> None:
        time.sleep(0.3)
        peer.sendall(b"HTTP/1.1 307 Moved\r\nLocation: /again\r\n\r\n")

    slow = Receiver(slowly)
    with pytest.raises(PostError, match="no complete answer"):
        send(slow.url)
    assert slow.accepted <= 4
    for each in (circle, slow):
        each.close()


def test_a_redirection_to_another_host_gets_no_secret() -> None:
    thief, own = Receiver(OK), Receiver(OK)
    places = {
        # Another port is another server.
        "a": f"http://127.0.0.1:{thief.port}/x",
        "b": f"http://localhost:{thief.port}/x",
        "c": f"//127.0.0.1:{thief.port}/x",
    }
    for place in places.values():
        moved = Receiver(f"HTTP/1.1 307 M\r\nLocation: {place}\r\n\r\n".encode())
        secret = {**bearer("hush"), "X-Key": "hush"}
        assert send(moved.url, secret=secret, timeout_s=LONG_S).status == 204
        assert b"hush" in moved.requests[0]
        moved.close()
    assert len(thief.requests) == len(places)
    assert not any(b"hush" in each or b"S3CRET" in each for each in thief.requests)
    assert thief.bodies == [b'{"n": 1}'] * 3

    def within(number: int, peer: socket.socket) -> None:
        peer.sendall(OK if number else b"HTTP/1.1 308 M\r\nLocation: /new?a=b c\r\n\r\n")

    same = Receiver(within)
    assert send(same.url, secret=bearer("hush"), timeout_s=LONG_S).status == 204
    assert b"hush" in same.requests[1]
    assert same.requests[1].startswith(b"POST /new?a=b%20c HTTP/1.1\r\n")
    for each in (thief, own, same):
        each.close()


@pytest.mark.parametrize(
    "location",
    ["ftp://h/x", "http://u:p@h/", "file:///etc/passwd", "http://[::1", "http://h:0/"],
)
def test_a_redirection_to_nowhere_is_a_refusal(location: str) -> None:
    answer = b"HTTP/1.1 307 M\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n"
    receiver = Receiver(answer)
    assert send(receiver.url, timeout_s=LONG_S).status == 307
    receiver.close()


def test_nothing_is_sent_from_https_to_http(tmp_path: Path) -> None:
    require_programs("openssl")
    key = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", key)
    plain = Receiver(OK)
    moved = Receiver(f"HTTP/1.1 307 M\r\nLocation: {plain.url}\r\n\r\n".encode(), context=server)
    trusted = tls_context(tmp_path / "cert.pem")
    with pytest.raises(PostError, match="from https to http"):
        send(moved.url, context=trusted, timeout_s=LONG_S)
    assert plain.accepted == 0
    # Without the CA file, the certificate is not accepted, and the message says so.
    with pytest.raises(PostError, match=r"not trusted.*--ca FILE"):
        send(moved.url, timeout_s=LONG_S)
    good = Receiver(OK, context=server)
    assert send(good.url, context=trusted, timeout_s=LONG_S).status == 204
    for each in (plain, moved, good):
        each.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, None), ("", None), ("0", 0.0), ("7", 7.0), ("0.5", 0.5), ("-5", None)),
        *(("²", None), ("٣", None), ("nan", None), ("inf", None), ("1e9", None), ("9" * 400, None)),
        *(("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 99 Foo 2015", None)),
    ],
)
def test_an_odd_retry_after_is_none(value: str | None, expected: float | None) -> None:
    assert retry_after(value) == expected


def test_a_date_in_retry_after_is_a_time_to_wait() -> None:
    wait = retry_after(formatdate(time.time() + 100, usegmt=True))
    assert wait is not None
    assert 50 < wait <= 101


@examples(100)
@given(st.text(), st.binary(max_size=200))
def test_any_header_and_any_bytes_are_survived(value: str, data: bytes) -> None:
    wait = retry_after(value)
    assert wait is None or wait >= 0
    with suppress(SettingsError):
        parse_url(f"http://{value}/")


def test_any_answer_is_an_answer_or_an_error() -> None:
    """A thousand heads made of pieces, over real connections."""
    pieces = st.lists(
        st.sampled_from(
            [
                *(
                    b"HTTP/1.1 ",
                    b"200",
                    b"503",
                    b" OK",
                    b"\r\n",
                    b"\n",
                    b"Retry-After: ",
                    b"9" * 30,
                ),
                *(b"\xff", b": ", b"\0", b"Location: /", b"Content-Length: -1", b"307"),
            ]
        ),
        max_size=12,
    )
    answers: list[bytes] = []
    receiver = Receiver(lambda _, peer: peer.sendall(answers[-1]))

    @examples(60)
    @given(pieces)
    def run(parts: list[bytes]) -> None:
        answers.append(b"".join(parts))
        with suppress(PostError):
            send(receiver.url, timeout_s=5)

    run()
    receiver.close()


def queue(receiver: Receiver, warned: list[str], **more: Any) -> Webhook:
    settings = Settings(timeout_s=TIMEOUT_S, **more)
    return Webhook(receiver.url, warned.append, receiver=settings, first_pause=0.05)


def test_retry_after_is_obeyed_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_ASKED_S", 1.0)
    waits = [b"1", b"999999999", b"soon"]
    times: list[float] = []

    def answer(number: int, peer: socket.socket) -> None:
        times.append(time.monotonic())
        if number < len(waits):
            peer.sendall(b"HTTP/1.1 429 Slow\r\nRetry-After: " + waits[number] + b"\r\n\r\n")
        else:
            peer.sendall(OK)

    receiver, warned = Receiver(answer), list[str]()
    webhook = queue(receiver, warned)
    webhook.post({"n": 1}, "a")
    until(lambda: webhook.sent == 1, LONG_S)
    assert times[1] - times[0] >= 1.0
    assert times[2] - times[1] >= 1.0  # not 30 years
    assert receiver.ids == ["a"] * 4
    webhook.close()
    receiver.close()


def test_order_is_kept_and_a_refusal_is_counted() -> None:
    codes = [500, 204, 400, 408, 204, 204]

    def answer(number: int, peer: socket.socket) -> None:
        code = codes[number] if number < len(codes) else 204
        peer.sendall(f"HTTP/1.1 {code} X\r\n\r\n".encode())

    receiver, warned = Receiver(answer), list[str]()
    webhook = queue(receiver, warned)
    for name in "abcd":
        webhook.post({"type": "segment"}, name)
    until(lambda: webhook.sent == 3, LONG_S)
    assert receiver.ids == ["a", "a", "b", "c", "c", "d"]
    assert webhook.given_up == 1
    assert any("answered 400 (check --format); 1 refused so far" in line for line in warned)
    webhook.close()
    assert webhook.farewell() == ["1 event was given up: refused, too old or too many"]
    assert "S3CRET" not in "".join(warned)
    receiver.close()


def test_a_post_of_a_dripping_receiver_does_not_hold_the_others() -> None:
    def answer(number: int, peer: socket.socket) -> None:
        if number < 2:
            drip(peer, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)
        peer.sendall(OK)

    receiver, warned = Receiver(answer), list[str]()
    webhook = queue(receiver, warned)
    for name in "ab":
        webhook.post({}, name)
    until(lambda: webhook.sent == 2, LONG_S)
    assert receiver.ids == ["a", "a", "a", "b"]
    webhook.close()
    receiver.close()


def test_secrets_reach_the_receiver_and_no_line(tmp_path: Path) -> None:
    receiver, warned = Receiver(b"HTTP/1.1 401 No\r\n\r\n"), list[str]()
    webhook = queue(receiver, warned, headers={**basic("me", "hush:ü"), "X-Key": "hush"})
    webhook.post({}, "a\r\nX-Evil: 1 ü")
    until(lambda: webhook.given_up == 1, LONG_S)
    (asked,) = receiver.requests
    assert b"Authorization: Basic bWU6aHVzaDrDvA==\r\n" in asked
    assert b"X-Key: hush\r\n" in asked
    assert b"\r\nX-Evil" not in asked
    assert "hush" not in "".join(warned) + repr(Settings(headers={"X-Key": "hush"}))
    webhook.close()
    receiver.close()


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Receiver(OK)
    monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "direct.example")
    assert send("http://far.example/x?y", timeout_s=LONG_S).status == 204
    assert proxy.requests[0].startswith(b"POST http://far.example/x?y HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in proxy.requests[0]
    refusing = Receiver(b"HTTP/1.1 403 No\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{refusing.port}")
    with pytest.raises(PostError, match=r"the proxy http://127.0.0.1:\d+ answered 403"):
        send("https://far.example/x", timeout_s=LONG_S)
    assert refusing.requests[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\n")
    for each in (proxy, refusing):
        each.close()


def test_a_name_that_is_never_resolved_has_the_deadline_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(LONG_S))
    with pytest.raises(PostError, match="no complete answer"):
        send("http://slow.example/")
    released.set()


def test_a_server_that_answers_before_it_has_read_all_is_heard() -> None:
    def early(_: int, peer: socket.socket) -> None:
        peer.recv(10)
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while peer.recv(1 << 16):
                pass

    receiver = Receiver(early, read=False)
    answer = post(
        parse_url(receiver.url),
        b"x" * 3_000_000,
        {},
        {},
        timeout_s=LONG_S,
        context=tls_context(None),
    )
    assert answer.status == 413
    receiver.close()


def test_damaged_events_in_the_spool_are_dropped_with_a_word() -> None:
    receiver, warned = Receiver(OK), list[str]()
    webhook = queue(receiver, warned, format=body_format("slack"))
    for number, data in enumerate((b"\xff", b"[]", b"5", b"null", b"[" * 9999)):
        webhook._spool.add(data, str(number))
    webhook.post({"type": "segment", "station": "a"}, "good")
    until(lambda: webhook.sent == 1, LONG_S)
    assert receiver.ids == ["good"]
    assert webhook.refused == 5
    webhook.close()
    receiver.close()
