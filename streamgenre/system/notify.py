"""systemd's notify protocol, sd_notify(3).

The protocol is one line per assignment in a datagram: a library for it would be larger than this
module, and few support reloading.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_SEND_S: Final = 0.2
"""Longest time a message may take in seconds; systemd reads messages at once."""


class Notifier:
    """Sends messages to the service manager, if there is one.

    Parameters
    ----------
    address
        Path of the manager's socket, or ``@name`` in the abstract namespace; None for no manager.
    watchdog_s
        Seconds within which the manager expects a sign of life; None if it expects none.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s if address else None
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_SEND_S)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Notifier:
        """Return a notifier for the manager that started this process.

        Parameters
        ----------
        environment
            Variables, by default those of this process. The manager's are removed, so that child
            processes do not notify it as well.
        """
        variables = os.environ if environment is None else environment
        address = variables.pop("NOTIFY_SOCKET", None)
        microseconds = variables.pop("WATCHDOG_USEC", "")
        for_us = variables.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        expected = microseconds.isdecimal() and int(microseconds) > 0 and for_us
        return cls(address, int(microseconds) / 1e6 if expected else None)

    @property
    def listening(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def send(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``; send errors are ignored.

        A manager that cannot be reached restarts the daemon when its watchdog runs out, which is
        what should happen then.
        """
        if self._socket is not None:
            with suppress(OSError):
                self._socket.sendto("\n".join(assignments).encode(), self._address)
