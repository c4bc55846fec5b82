"""Headers and the user agent of a station go to its own server and appear in no output."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import music, write_wav
from support.certificate import new_certificate
from support.commands import free_endpoint, start, streamgenre
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.client.subscriber import Subscriber
from streamgenre.config import StationSettings
from streamgenre.config.build import load
from streamgenre.doctor.bundle import without_headers
from streamgenre.errors import InputError, SettingsError
from streamgenre.events import SourceChange, Update
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.settings import Headers, StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "hunter2-geheim"
AGENT = "Geheim/7.1"
OK = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"
SETTINGS = StreamSettings(
    Headers([("X-Token", SECRET), ("Referer", "http://radio.example/")]), user_agent=AGENT
)


@pytest.fixture
def server() -> Iterator[Callable[..., MisbehavingServer]]:
    servers: list[MisbehavingServer] = []

    def start_server(behave: Any, tls: Any = None) -> MisbehavingServer:
        servers.append(MisbehavingServer(behave, tls))
        return servers[-1]

    yield start_server
    for one in servers:
        one.close()


def moved(location: str) -> bytes:
    return f"HTTP/1.0 302 Found\r\nLocation: {location}\r\n\r\n".encode()


def test_headers_reach_the_own_server_and_no_other(server: Any) -> None:
    other = server(lambda c, _: c.sendall(OK))

    def behave(connection: Any, request: bytes) -> None:
        connection.sendall(moved("/again" if b"/live" in request else other.url))

    own = server(behave)
    open_url(own.url, timeout_s=20, settings=SETTINGS).close()
    assert len(own.requests) == 2
    for request in own.requests:
        assert f"X-Token: {SECRET}\r\n".encode() in request
    (request,) = other.requests
    assert SECRET.encode() not in request
    assert b"Referer: http://radio.example/\r\n" in request
    assert f"User-Agent: {AGENT}\r\n".encode() in request
    assert request.count(b"User-Agent") == 1


def test_a_header_replaces_the_login_of_the_url(server: Any) -> None:
    own = server(lambda c, _: c.sendall(OK))
    settings = StreamSettings(Headers([("authorization", f"Bearer {SECRET}")]))
    url = own.url.replace("http://", "http://user:password@")
    open_url(url, timeout_s=20, settings=settings).close()
    assert own.requests[0].lower().count(b"authorization") == 1
    assert f"authorization: Bearer {SECRET}".encode() in own.requests[0]


def test_headers_do_not_leave_encryption(server: Any, tmp_path: Path) -> None:
    certificate, tls = new_certificate(tmp_path)
    plain = server(lambda c, _: c.sendall(OK))
    own = server(lambda c, _: c.sendall(moved(plain.url)), tls)
    settings = StreamSettings(SETTINGS.headers, ca_file=certificate)
    open_url(own.url, timeout_s=20, settings=settings).close()
    assert SECRET.encode() in own.requests[0]
    assert SECRET.encode() not in plain.requests[0]


def test_a_private_certificate_is_accepted_only_by_ca_file(server: Any, tmp_path: Path) -> None:
    _, tls = new_certificate(tmp_path)
    own = server(lambda c, _: c.sendall(OK), tls)
    with pytest.raises(InputError, match=r"certificate is not valid: self.signed certificate; ca_"):
        open_url(own.url, timeout_s=20)
    assert not own.requests


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Token": f"{SECRET}\r\nHost: evil"},
        {"X-Token": f"{SECRET}\n"},
        {"X-Token": f" {SECRET}"},
        {"X-Token": f"{SECRET}é"},
        {"X-Token": f"{SECRET}\0"},
        {"X-Token": f"{SECRET}\x7f"},
        {"X-Token": SECRET * 1000},
        {"X-Token": ""},
        {"X Token": SECRET},
        {"X-Token:": SECRET},
        {"": SECRET},
        {"X\r\nY": SECRET},
        {"Host": SECRET},
        {"Icy-MetaData": SECRET},
        {"transfer-encoding": SECRET},
        {"User-Agent": SECRET},
        {"x-a": SECRET, "X-A": SECRET},
        {f"X-{n}": SECRET for n in range(33)},
    ],
)
def test_a_header_that_cannot_be_sent_is_explained_without_its_value(
    headers: dict[str, str],
) -> None:
    with pytest.raises(SettingsError) as error:
        StationSettings(headers=Headers(headers.items()))
    assert SECRET not in str(error.value)
    assert re.search("expected|given twice", str(error.value))
    with pytest.raises(SettingsError) as error:
        StationSettings(user_agent=f"{SECRET}\r\n")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "lines",
    [
        f'headers = "{SECRET}"',
        f'headers = ["{SECRET}"]',
        f'headers = {{ X-Token = ["{SECRET}"] }}',
        f'headers = {{ X-Token = {{ a = "{SECRET}" }} }}',
        f'headers = {{ X-Token = "{SECRET}" ',
        f'headers = {{ "X Token" = "{SECRET}" }}',
        f'headers.X-Token = "{SECRET}\\n"',
        f"headers.X-Token = {SECRET}",
        f'headers = {SECRET} = "x"',
        f'"headers" = {{ X-Token = {SECRET} }}',
        f'[headers]\nX-Token = "{SECRET}\nY = 1',
        f'[headers]\nX-Token = "a" {SECRET}',
        f'header = {{ X-Token = "{SECRET}" }}',
        f'user_agent = ["{SECRET}"]',
        f"user_agent = {SECRET}",
        f'user_agent = "{SECRET}\\r\\n"',
        f'user-agent = "{SECRET}"',
        f'[bus]\nheaders = {{ X-Token = "{SECRET}" }}',
        f'[[station]]\nname = "a"\ninput = "http://x/"\nheaders = {{ X-Token = "{SECRET}", a }}',
        f'[[station]]\nname = "a"\ninput = "http://x/"\n[station.headers]\nX = "{SECRET}\\u0000"',
        f'[[station]]\nname = "a"\ninput = "http://x/"\n[station.headers]\nX = \'{SECRET}',
    ],
)
def test_no_error_in_the_configuration_shows_a_value(lines: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"{lines}\n")
    with pytest.raises(SettingsError) as error:
        load(str(path), {})
    assert SECRET not in str(error.value)
    assert f"{path}:" in str(error.value)
    misspelt = "header = " in lines or "user-" in lines
    assert misspelt or SECRET not in without_headers(path.read_text())


def test_values_in_variables_are_not_shown() -> None:
    for name, values in {
        "STREAMGENRE_HEADERS": (f'{{ X-Token = "{SECRET}\\n" }}', SECRET, f"{{ {SECRET}"),
        "STREAMGENRE_USER_AGENT": (f"{SECRET}\n", f"{SECRET}é"),
    }.items():
        for value in values:
            with pytest.raises(SettingsError) as error:
                load("/dev/null", {name: value})
            assert f"${name}" in str(error.value)
            assert SECRET not in str(error.value)
    variables = {"STREAMGENRE_HEADERS": f'{{ X-Token = "{SECRET}" }}'}
    done = streamgenre("config", "show", "--config", "/dev/null", env=variables)
    assert 'headers = { X-Token = "…" }' in done.stdout
    assert "$STREAMGENRE_HEADERS" in done.stdout


def test_no_output_of_a_listening_daemon_has_a_value(
    server: Any, tmp_path: Path, stateful_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_programs("ffmpeg")
    monkeypatch.setenv("STREAMGENRE_USER_AGENT", AGENT)
    wav, file = write_wav(tmp_path / "a.wav", music(30)), tmp_path / "a.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "64k", file], check=True)
    mp3 = file.read_bytes()

    def good(connection: Any, request: bytes) -> None:
        allowed = SECRET.encode() in request and AGENT.encode() in request
        connection.sendall(OK + mp3 if allowed else b"HTTP/1.0 403 Forbidden\r\n\r\n")

    own = server(good)
    bad = server(lambda c, _: c.sendall(b"HTTP/1.0 401 Unauthorized\r\n\r\n"))
    endpoint, history = free_endpoint(), tmp_path / "h.sqlite3"
    config = tmp_path / "c.toml"
    config.write_text(
        f'[bus]\npublish = "{endpoint}"\n[history]\npath = "{history}"\nkeep = "all"\n'
        f'[[station]]\nname = "good"\ninput = "{own.url}"\n'
        f'headers = {{ X-Token = "{SECRET}" }}\n'
        f'[[station]]\nname = "bad"\ninput = "{bad.url}"\n'
        f'headers.Authorization = "Basic {SECRET}"\n'
    )
    config.chmod(0o644)
    bundle = tmp_path / "b.tar.gz"
    common = ("--config", config)
    flags = (*common, "--model", stateful_folder, "--json", "--log-level", "debug")
    output = tmp_path / "out"
    with output.open("w") as out:
        daemon = start("listen", *flags, stdout=out, stderr=out)
        try:
            with Subscriber(endpoint, types=["source", "update"]) as subscriber:
                seen: set[tuple[str, str]] = set()
                until(
                    lambda: {("good", "update"), ("bad", "lost")} <= seen,
                    60,
                    pump=lambda: seen.add(next_event(subscriber)),
                )
            doctor = streamgenre("doctor", *common, "--bundle", bundle)
        finally:
            daemon.terminate()
            daemon.wait(60)
    shown = streamgenre("config", "show", *common)
    listed = streamgenre("config", "show", *common, "--json")
    checked = streamgenre("config", "check", config)
    with tarfile.open(bundle) as archive:
        parts = "".join(
            part.read().decode() for each in archive if (part := archive.extractfile(each))
        )
    texts = [output.read_text(), parts, history.read_bytes().decode("latin-1")]
    texts += [done.stdout + done.stderr for done in (doctor, shown, listed, checked)]
    for text in texts:
        assert SECRET not in text
        assert AGENT not in text
    assert "answers 401" in texts[0]
    assert 'headers = { X-Token = "…" }' in shown.stdout
    assert 'user_agent = "…"' in shown.stdout
    rows = json.loads(listed.stdout)["settings"]
    assert {"X-Token": "…"} in [row["value"] for row in rows if row["key"] == "headers"]
    assert "readable by others" in checked.stderr
    assert f"{own.url} answers" in doctor.stdout  # the doctor sends them too


def next_event(subscriber: Subscriber) -> tuple[str, str]:
    event = subscriber.receive(timeout=1)
    if isinstance(event, Update):
        return event.station, "update"
    return (event.station, event.state) if isinstance(event, SourceChange) else ("", "")
