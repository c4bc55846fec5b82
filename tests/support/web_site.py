"""A running web process, and a reader of its event stream."""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.commands import start
from support.live import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from support.radio_server import Icecast


@dataclass(frozen=True)
class LiveDaemon:
    """A daemon that listens to a demo, a file and a radio station."""

    endpoint: str
    control: str
    history: Path
    process: subprocess.Popen[str]
    radio: Icecast


STATIONS = ("demo", "radio", "tunes <b>&amp; / Ünïcode")


class Site:
    """A running web process."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url.rstrip("/")
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.client.post(path, **more)

    def log_in(self, password: str, **more: Any) -> httpx.Response:
        return self.post("/login", data={"password": password, "next": "/"}, **more)

    def ready(self) -> None:
        """Wait until live events are shown."""
        until(lambda: self.get("/readyz").status_code == 200)

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=60)


def serve(*flags: str | Path, env: dict[str, str] | None = None, url: str | None = None) -> Site:
    """Start ``streamgenre web`` on a free port and wait until it serves.

    ``url`` is where it is reached, if that is not what it says.
    """
    where = () if "--listen" in flags else ("--listen", "127.0.0.1:0")
    process = start("web", *where, *flags, env=env)
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.search(r"https?://\S+", line)
    if match is None:
        _, errors = process.communicate(timeout=60)
        pytest.fail(f"the page did not start: {line!r} {errors}")
    return Site(process, url or match[0].replace("0.0.0.0", "127.0.0.1"))


class EventReader:
    """Reads server-sent events in a thread; with ``read=False`` only when told to."""

    def __init__(
        self,
        url: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        read: bool = True,
        **more: Any,
    ) -> None:
        self.messages: list[tuple[str, dict[str, Any], str]] = []
        """Type, data and identifier of each message."""
        self.ended = threading.Event()
        if not read:
            small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
            more["transport"] = httpx.HTTPTransport(socket_options=small)
        self._client = httpx.Client(timeout=60, **more)
        self._request = self._client.build_request("GET", url + path, headers=headers)
        self._response = self._client.send(self._request, stream=True)
        self.status = self._response.status_code
        self._thread = threading.Thread(target=self._read, daemon=True)
        if read:
            self.read()

    def read(self) -> None:
        """Start reading."""
        self._thread.start()

    def _read(self) -> None:
        kind, data, identifier = "message", "", ""
        try:
            for line in self._lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    kind = value
                elif field == "data":
                    data = value
                elif field == "id":
                    identifier = value
                elif not line and data:
                    self.messages.append((kind, json.loads(data), identifier))
                    data = ""
        except (httpx.HTTPError, OSError):
            pass
        finally:
            self.ended.set()

    def _lines(self) -> Iterator[str]:
        # httpx also splits at the line separators of Unicode, which a text may contain.
        rest = b""
        for part in self._response.iter_bytes():
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield line.decode()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of the messages of one type so far."""
        return [data for each, data, _ in list(self.messages) if each == kind]

    def close(self) -> None:
        self._response.close()
        self._client.close()
