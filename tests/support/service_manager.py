"""A service manager that speaks systemd's notify protocol, as far as it listens."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from support.live import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUND_S: Final = 0.05


@dataclass(frozen=True)
class Message:
    """The content of one datagram."""

    fields: dict[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def status(self) -> str:
        return self.fields.get("STATUS", "")

    @property
    def feeds(self) -> bool:
        """Return whether this message is a watchdog signal."""
        return self.fields.get("WATCHDOG") == "1"


class Manager:
    """The receiving end, at a path or at an ``@name`` of the abstract namespace."""

    def __init__(self, address: str | Path, watchdog_s: float | None = None) -> None:
        self.address = str(address)
        self.watchdog_s = watchdog_s
        self.heard: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a service."""
        variables = {"NOTIFY_SOCKET": self.address}
        if self.watchdog_s is not None:
            variables["WATCHDOG_USEC"] = str(round(self.watchdog_s * 1e6))
        return variables

    def listen(self, seconds: float) -> Iterator[Message]:
        """Yield messages as they arrive, for a given time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if select.select([self._socket], [], [], ROUND_S)[0]:
                lines = self._socket.recv(65_536).decode().split("\n")
                message = Message(dict(line.split("=", 1) for line in lines))
                self.heard.append(message)
                yield message

    def wait_for(self, seconds: float = PATIENCE_S, **wanted: str) -> Message:
        """Return the next message with these assignments."""
        for message in self.listen(seconds):
            if wanted.items() <= message.fields.items():
                return message
        raise AssertionError(f"no {wanted} in {seconds} s; last were {self.heard[-5:]}")

    def wait_for_status(self, text: str, seconds: float = PATIENCE_S) -> Message:
        """Return the next message whose status contains a text."""
        for message in self.listen(seconds):
            if text in message.status:
                return message
        raise AssertionError(f"no status {text!r} in {seconds} s; last were {self.heard[-5:]}")
