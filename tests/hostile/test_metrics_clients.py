"""No client of the metrics' port can stop it, or keep others from it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.live import until
from support.sample_events import SampleStation

from streamgenre.daemon import metrics_server
from streamgenre.daemon.metrics import MetricsServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = MetricsServer("127.0.0.1:0", warn=print)
    server.start()
    station = SampleStation()
    server.take(station.source())
    server.take(station.update())
    yield server.port
    assert any(thread.name == "metrics" for thread in threading.enumerate())
    server.stop()
    assert not any(thread.name == "metrics" for thread in threading.enumerate())


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def ask(port: int, request: bytes, *, end: bool = False) -> bytes:
    """Send bytes and return the whole answer."""
    with connected(port) as client:
        try:
            client.sendall(request)
            if end:
                client.shutdown(socket.SHUT_WR)
            answer = b""
            while new := client.recv(65_536):
                answer += new
        except ConnectionError:
            return b""
    return answer


def served(port: int) -> None:
    """A scrape, as Prometheus sends it, gets its answer."""
    answer = ask(
        port,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n"
        b"Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n"
        b"Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n",
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'streamgenre_state{state="music",station="kitchen"} 1.0\n' in body
    assert f"Content-Length: {len(body)}".encode() in head


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /metrics?a=b HTTP/1.1\r\n\r\n", b"200"),
        (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\n\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /favicon.ico HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", b"404"),
        (b"GET * HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 999999999\r\n\r\nabc", b"405"),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET  HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 100_000, b"431"),
        (b"\x00" * 9_000, b"431"),
    ],
)
def test_every_request_gets_an_answer(port: int, request_: bytes, status: bytes) -> None:
    answer = ask(port, request_)
    # The rest of a request that was too long may be answered by a reset.
    assert answer.startswith(b"HTTP/1.1 " + status) or (status == b"431" and not answer)
    if request_.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")
    if status == b"405":
        assert b"Allow: GET, HEAD\r\n" in answer
    served(port)


@examples(150)
@given(request=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(b"GET ".__add__)))
@example(request=b"GET //[ HTTP/1.1\n\n")
def test_any_bytes_leave_it_working(port: int, request: bytes) -> None:
    answer = ask(port, request, end=True)
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    answer = ask(port, request + b" HTTP/1.1\r\n\r\n", end=True)
    assert not answer or answer.startswith(b"HTTP/1.1 ")


def test_a_thousand_connections_that_say_nothing_keep_nobody_out(port: int) -> None:
    threads = threading.active_count()
    with ExitStack() as stack:
        for number in range(1_000):
            stack.enter_context(closing(connected(port)))
            if number % 250 == 0:
                served(port)
        served(port)
        assert threading.active_count() == threads


def test_a_client_that_sends_a_byte_at_a_time_is_dropped(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "DEADLINE_S", 0.5)
    with connected(port) as slow:
        slow.settimeout(0.05)

        def dropped() -> bool:
            try:
                slow.send(b"G")
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        until(dropped, 60)
    served(port)


def test_a_client_that_never_reads_is_dropped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "DEADLINE_S", 0.5)
    with connected(port) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        served(port)

        def dropped() -> bool:
            try:
                deaf.send(b"x")
            except ConnectionError:
                return True
            time.sleep(0.05)
            return False

        until(dropped, 60)
    served(port)


def test_clients_that_reset_their_connection_are_forgotten(port: int) -> None:
    for _ in range(100):
        client = connected(port)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.send(b"GET /metrics HTTP/1.1\r\n\r\n")
        client.close()
    served(port)
