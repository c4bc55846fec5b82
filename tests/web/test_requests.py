"""Requests that other sites or broken clients send, and the headers of every answer."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.live import bus, until
from support.web_site import EventReader, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def page() -> Iterator[Site]:
    """Yield a page without a login, with further host names."""
    hostile = "kitchen,<script>alert(1)</script>,\"'&;/../ä\u2028%00"
    with bus("tcp://127.0.0.1:*", "--stations", hostile) as endpoint:
        site = serve("--connect", endpoint, "--hosts", "studio.example, radio.local")
        site.ready()
        try:
            yield site
        finally:
            site.close()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:80", "127.0.0.1:8757", "[::1]:1", "192.168.1.5", "10.0.0.1:80"),
        *("studio.example", "STUDIO.example.", "radio.local:8080", socket.gethostname()),
    ],
)
def test_names_of_this_page_are_accepted(page: Site, host: str) -> None:
    assert page.get("/api/stations", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "xstudio.example"),
        *("", "a b", "localhost:port", "localhost@evil.example", "evil.example#localhost", "[::1"),
    ],
)
def test_other_names_are_refused(page: Site, host: str) -> None:
    """A name of another site that was made to point here: DNS rebinding."""
    answer = page.get("/api/stations", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert "kitchen" not in answer.text


def test_other_origins_are_refused(page: Site) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://["):
        answer = page.get("/api/events", headers={"Origin": origin})
        assert answer.status_code == 403, origin
    assert page.get("/api/stations", headers={"Origin": page.url}).status_code == 200
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert page.get("/api/stations", headers=cross | {"Sec-Fetch-Mode": "cors"}).status_code == 403
    # A link on another site may lead here.
    assert page.get("/", headers=cross | {"Sec-Fetch-Mode": "navigate"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/api/stations", "/static/style.css", "/nowhere", "/api/nowhere", "/healthz", "/login"],
)
def test_every_answer_forbids_scripts_frames_and_other_hosts(page: Site, path: str) -> None:
    headers = page.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/nowhere", "/api/stations", "/api/nowhere", "/api/events?types=x", "/metrics"),
        *("/calendar", "/search?q=a", "/api/history/segments.csv", "/api/session", "/readyz"),
    ],
)
def test_no_cache_for_several_people_keeps_what_one_of_them_sees(page: Site, path: str) -> None:
    [found] = page.get(path).headers.get_list("cache-control")
    assert found in ("no-store", "private, no-cache")


def test_names_are_inert_in_the_page(page: Site) -> None:
    text = page.get("/").text
    assert "<script>alert" not in text
    assert "alert(1)" in text  # the station is there


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/stations", 405),
        ("DELETE", "/api/stations", 405),
        ("GET", "/api/control/reset", 405),
        ("GET", "/api/stations/", 400),
        ("GET", "/api/stations/none", 404),
        ("GET", "/api/stations?limit=0", 400),
        ("GET", "/api/stations?limit=1001", 400),
        ("GET", "/api/stations?limit=ten", 400),
        ("GET", "/api/stations?limit=1&limit=2", 400),
        ("GET", "/api/stations?offset=-1", 400),
        ("GET", "/api/stations?offset=" + "9" * 50, 400),
        ("GET", "/api/stations?unknown=1", 400),
        ("GET", "/api/events?types=nonsense", 400),
        ("GET", "/api/events?types=update,,", 400),
        ("GET", "/api/events?station=", 400),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("POST", "/api/control/reload", 403),
    ],
)
def test_wrong_requests_are_refused_in_words(
    page: Site, method: str, path: str, status: int
) -> None:
    answer = page.client.request(method, path)
    assert answer.status_code == status, answer.text
    if path.startswith("/api/"):
        error = answer.json()["error"]
        assert error["code"] == status
        assert error["message"]


def test_what_is_unchanged_is_not_sent_again(page: Site) -> None:
    first = page.get("/api/openapi.json")
    again = page.get("/api/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = page.get("/api/openapi.json", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


def test_stations_come_in_pages(page: Site) -> None:
    found, offset = [], 0
    while offset is not None:
        answer = page.get("/api/stations", params={"limit": 1, "offset": offset}).json()
        found += [each["station"] for each in answer["stations"]]
        offset = answer["next"]
        assert answer["total"] == 3
    assert len(found) == 3
    assert found == sorted(found)


def test_a_client_that_never_finishes_its_request_is_dropped(page: Site) -> None:
    where = (urlsplit(page.url).hostname, urlsplit(page.url).port)
    clients = [socket.create_connection(where, timeout=60) for _ in range(2)]
    clients[1].sendall(b"GET / HTTP/1.1\r\nHost: loc")
    for client in clients:
        with client, suppress(ConnectionError):
            assert client.recv(1) == b""


# ---- the event stream ---------------------------------------------------------------------------


def test_a_viewer_that_returns_gets_what_it_missed(page: Site) -> None:
    reader = EventReader(page.url, "/api/events?station=kitchen&types=update")
    until(lambda: len(reader.of("update")) >= 3)
    reader.close()
    _, last, identifier = [each for each in reader.messages if each[0] == "update"][-1]
    time.sleep(0.5)
    again = EventReader(
        page.url, "/api/events?station=kitchen&types=update", {"Last-Event-ID": identifier}
    )
    until(lambda: len(again.of("update")) >= 3)
    again.close()
    assert again.of("snapshot") == []
    assert again.of("hole") == []
    assert next(each["seq"] for each in again.of("update")) == last["seq"] + 1


@pytest.mark.parametrize("identifier", ["x", "0-0", "abc-99999999999999999999", ""])
def test_a_viewer_that_was_away_too_long_is_told(page: Site, identifier: str) -> None:
    reader = EventReader(page.url, "/api/events", {"Last-Event-ID": identifier})
    until(lambda: reader.of("snapshot"))
    kinds = [kind for kind, _, _ in reader.messages]
    assert kinds[:2] == ["hole", "snapshot"]
    assert reader.of("hole")[0] == {"by": "viewer", "count": None}
    reader.close()


def test_a_viewer_gets_only_what_it_asked_for(page: Site) -> None:
    reader = EventReader(page.url, "/api/events?station=kitchen&types=update,status")
    until(lambda: len(reader.of("update")) >= 5 and reader.of("status"))
    reader.close()
    assert set(reader.of("snapshot")[0]["stations"]) == {"kitchen"}
    assert {kind for kind, _, _ in reader.messages} <= {"snapshot", "update", "status", "tick"}
    assert {each["station"] for each in reader.of("update")} == {"kitchen"}


@pytest.mark.parametrize("path", ["/api/events", "/api/spectrum?station=kitchen"])
def test_the_head_of_a_stream_is_no_viewer(page: Site, path: str) -> None:
    """The answer ends at once, and the connection with it."""
    host = urlsplit(page.url)
    with socket.create_connection((host.hostname, host.port), timeout=60) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"text/event-stream" in answer
