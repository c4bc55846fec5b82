"""Malformed, ambiguous and endless HTTP: refused, bounded, and without effect on other clients."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.live import bus, until
from support.raw_http import allow_files, connect, exchange, files, memory, statuses
from support.web_site import EventReader, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

MB: Final = 1 << 20
HOST: Final = b"Host: localhost\r\n"
CLOSE: Final = b"Connection: close\r\n"
END: Final = b"\r\n\r\n"
NEXT: Final = b"GET /api/stations HTTP/1.1\r\n" + HOST + b"\r\n"
LAST: Final = NEXT[:-2] + CLOSE + b"\r\n"
"""A request that must not be smuggled behind another one."""


def _short(value: str | bytes | int) -> str:
    """Return a name for a case, which may be any bytes."""
    return str(value) if isinstance(value, int) else f"{value[:60]!r}"


@pytest.fixture(scope="module")
def page() -> Iterator[Site]:
    """Yield a page with two stations, and check that it still serves them in the end."""
    with bus("tcp://127.0.0.1:*", "--stations", "kitchen,../../etc/passwd") as endpoint:
        site = serve("--connect", endpoint)
        site.ready()
        before = memory(site)
        try:
            yield site
            assert site.get("/healthz").status_code == 200
            assert site.process.poll() is None
            assert memory(site) - before < 60 * MB
        finally:
            site.client.close()
            site.process.terminate()
            _, said = site.process.communicate(timeout=60)
        # Whoever sends nonsense does not fill the log.
        assert len(said) < 20_000, said[-2000:]
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "head",
    [
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 0x10\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 1e3\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 4, 5\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST
        + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30,
        b"POST /login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b": empty\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200,
        b"\0" * 1000,
        b"\r\n" * 500 + b"x\r\n\r\n",
    ],
    ids=_short,
)  # fmt: skip
def test_ambiguous_requests_are_refused_and_end_the_connection(page: Site, head: bytes) -> None:
    """What follows is never taken for a request of its own: that would be smuggling."""
    found = statuses(exchange(page, head + NEXT))
    assert 200 not in found, found
    assert len(found) <= 1
    assert all(400 <= code <= 505 for code in found), found


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://evil.example/api/stations HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 404),
        (b"GET //evil.example/api/stations HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 404),
        (b"TRACE / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 405),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 404),
        (b"A" * 5000 + b" / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 405),
        (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 404),
        (b"GET /?" + b"a=&" * 15_000 + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", 200),
        (b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"X: y\r\n" * 5000 + b"\r\n", 200),
        (b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"Cookie: " + b"a=b; " * 10_000 + b"\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"Accept-Language: " + b"x," * 8000 + END, 200),
        (b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"Upgrade: websocket" + END, 200),
        (b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"Range: bytes=" + b"0-," * 5000 + END, 200),
    ],
    ids=_short,
)  # fmt: skip
def test_odd_requests_get_an_answer(page: Site, sent: bytes, status: int) -> None:
    assert statuses(exchange(page, sent)) == [status]


@pytest.mark.parametrize(
    "ranges",
    ["bytes=0-,0-,0-" + ",0-" * 1000, "bytes=-1", "bytes=9-1", "x", "bytes=a-b,", "bytes="],
)
def test_ranges_of_a_file_cost_no_more_than_the_file(page: Site, ranges: str) -> None:
    answer = page.get("/static/style.css", headers={"Range": ranges, "Accept-Encoding": "identity"})
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) < 2 * len(page.get("/static/style.css").content) + 1000


def test_headers_without_end_are_cut_off(page: Site) -> None:
    before = memory(page)
    with connect(page) as connection, suppress(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST)
        for _ in range(64):
            connection.sendall(b"X: " + b"y" * (1 << 20) + b"\r\n")
        pytest.fail("64 MB of headers were taken")
    assert memory(page) - before < 20 * MB


def test_bodies_without_end_are_cut_off(page: Site) -> None:
    before = memory(page)
    for head in (b"Content-Length: 100000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        for path in (b"/login", b"/api/control/reload", b"/", b"/nowhere"):
            with connect(page) as connection, suppress(OSError):
                connection.sendall(b"POST " + path + b" HTTP/1.1\r\n" + HOST + head)
                for _ in range(64):
                    if head.startswith(b"T"):
                        connection.sendall(b"100000\r\n")
                    connection.sendall(b"y" * (1 << 20))
                    if head.startswith(b"T"):
                        connection.sendall(b"\r\n")
    assert memory(page) - before < 40 * MB
    assert page.get("/api/stations").status_code == 200


def test_pipelined_requests_are_answered_in_order_and_bounded(page: Site) -> None:
    found = statuses(exchange(page, NEXT * 199 + LAST))
    assert found == [200] * 200
    mixed = exchange(page, NEXT + b"nonsense\r\n\r\n" + NEXT)
    assert statuses(mixed)[:2] == [200, 400]
    assert len(statuses(mixed)) == 2


TRAVERSALS: Final = [
    f"{up}{goal}"
    for up in (
        "../../", "..%2f..%2f", "%2e%2e/%2e%2e/", "%2e%2e%2f%2e%2e%2f", "..%5c..%5c", "....//",
        "%252e%252e%252f", "%c0%ae%c0%ae/", "..%00/", "/", "//", "%2f", "./.././", "texts/../../",
    )
    for goal in ("serve.py", "etc/passwd", "web/serve.py", "")
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_static_serves_only_its_own_files(page: Site, path: str) -> None:
    request = b"GET /static/%s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), HOST, CLOSE)
    answer = exchange(page, request)
    assert statuses(answer)[0] in (400, 404, 405), answer[:200]
    assert b"uvicorn" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "name",
    [
        *("../../../../etc/passwd", "..", ".", "/", "//", "\\..\\..\\x", "%2e%2e", "a\0b", "\0"),
        *("\u202e\u2028\ufeff", "💥" * 100, "a" * 5000, "' OR 1=1 --", "${jndi:ldap://x}"),
        *("{{7*7}}", "{% include 'base.html' %}", "%s%n", "\r\nSet-Cookie: a=b", "\ud800"),
    ],
    ids=_short,
)
def test_names_of_stations_reach_nothing_else(page: Site, name: str) -> None:
    quoted = quote(name.encode("utf-8", "surrogatepass"), safe="")
    for path in ("/api/stations/", "/?station=", "/api/events?station=", "/api/spectrum?station="):
        request = f"GET {path}{quoted} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        with connect(page) as connection:
            connection.sendall(request)
            head = connection.recv(65_536)
        code = statuses(head)[0]
        assert code in (200, 400, 404), (path, head[:300])
        assert b"Set-Cookie: a=b" not in head.partition(b"\r\n\r\n")[0]
        assert b"root:" not in head
        assert b">49<" not in head
    if name == "../../../../etc/passwd":
        assert page.get("/api/stations/" + quote("../../etc/passwd", safe="")).status_code == 200


@examples(60)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"POST /login HTTP/1.1\r\n" + HOST]),
)
def test_any_bytes_are_survived(page: Site, sent: bytes, head: bytes) -> None:
    for code in statuses(exchange(page, head + sent + b"\r\n\r\n", ends=True)):
        assert code != 500


def test_clients_that_never_finish_keep_nobody_out(page: Site) -> None:
    """More of them than connections are allowed, sending a byte now and then."""
    if not allow_files(4000):
        pytest.skip("this system allows too few open files")
    reader = EventReader(page.url, "/api/events?station=kitchen&types=update")
    with ExitStack() as stack:
        slow: list[socket.socket] = []
        for number in range(1500):
            with suppress(OSError):
                client = stack.enter_context(connect(page))
                client.sendall(b"GET / HTTP/1.1\r\n" if number % 2 else b"")
                slow.append(client)
            if number % 100 == 99:
                for client in slow:
                    with suppress(OSError):
                        client.send(b"X")
                assert page.get("/api/stations").status_code == 200
        count = len(reader.of("update"))
        until(lambda: len(reader.of("update")) > count + 20)
        assert reader.of("hole") == []
        until(lambda: files(page) < 200)
    reader.close()


def test_a_flood_of_connections_leaves_nothing_behind(page: Site) -> None:
    until(lambda: files(page) < 100)
    before, taken = files(page), memory(page)
    reset = struct.pack("ii", 1, 0)
    for number in range(5000):
        with suppress(OSError), connect(page) as client:
            if number % 2:
                client.sendall((b"GET / HT", b"\xff\xff", NEXT[:-2])[number % 3])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        if number % 1000 == 0:
            assert page.get("/healthz").status_code == 200
    until(lambda: files(page) <= before + 2)
    assert memory(page) - taken < 20 * MB
