"""The daemon's side of the helper process in which PortAudio runs.

Each attempt starts a new process. PortAudio's list of devices is fixed when the library starts,
restarting the library would end all streams of its process, and closing the stream of an unplugged
device may hang. With a process for each attempt, every attempt sees the current devices, stations
do not affect each other, and a hung helper is killed.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import InputError
from streamgenre.sources.device.helper import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ANSWER_S: Final = 30.0
"""Seconds the helper may take to list the devices, and to open one: a small machine is slow just
after booting, and a sound server may be starting."""
CLOSE_S: Final = 0.5
"""Seconds after which a helper that has not ended is killed."""
_PROGRAM: Final = Path(__file__).with_name("helper.py")
_POLL_S: Final = 0.1
"""Longest wait for a message in seconds."""
_MAX_MESSAGE: Final = 1 << 20
"""Longest message in bytes."""
_QUEUE_BYTES: Final = 1 << 20
"""Requested size of the socket's buffer; the system may grant less. It bridges a late daemon."""

_running: Final[set[int]] = set()
_hung: Final[list[subprocess.Popen[bytes]]] = []
"""Killed helpers that have not ended because a driver blocks them; kept to be reaped."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples from the device."""

    samples: NDArray[np.float32]
    """Shape ``(n, channels)``."""
    arrived: float
    """Arrival in monotonic seconds."""
    overflowed: bool
    """Whether PortAudio reports missing samples before it; it does not report how many."""
    dropped: int
    """Samples before it that the daemon was too slow to receive."""


class HelperClient:
    """One helper process; a context manager.

    Parameters
    ----------
    stopped
        Called while waiting; if it returns true, the wait ends with an error.

    Raises
    ------
    InputError
        If the process cannot be started.
    """

    def __init__(self, stopped: Callable[[], bool] = lambda: False) -> None:
        self.library = ""
        """PortAudio's version; empty until the devices are listed."""
        self._stopped = stopped
        self._channels = 1
        try:
            self._socket, self._process = _start()
        except OSError as error:
            why = error.strerror or error
            raise InputError(f"the helper process cannot be started ({why})") from error
        _running.add(self._process.pid)

    def __enter__(self) -> HelperClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def devices(self) -> list[dict[str, Any]]:
        """Return the current input devices, each as a JSON object.

        Raises
        ------
        InputError
            If PortAudio is missing, fails or hangs.
        """
        answer = self._answer(b"D", "the sound system does not answer")
        self.library = answer["library"]
        devices: list[dict[str, Any]] = answer["devices"]
        return devices

    def rates(self, index: int, *, rates: list[int], channels: int) -> tuple[list[int], str]:
        """Return the rates at which a device can be opened, and why other rates are refused.

        Must be called before :meth:`open`.

        Parameters
        ----------
        index
            Index of the device in this helper's list.
        rates
            Rates in Hz to check.
        channels
            Number of channels.

        Raises
        ------
        InputError
            If the device does not answer.
        """
        question = {"index": index, "rates": rates, "channels": channels}
        self._socket.send(json.dumps(question).encode())
        answer = self._answer(b"R", "the device does not answer")
        return answer["rates"], answer["refusal"]

    def open(self, index: int, *, rates: list[int], channels: int, block_s: float) -> int:
        """Open a device and start to capture; return its rate in Hz.

        Parameters
        ----------
        index
            Index of the device in this helper's list.
        rates
            Rates in Hz, tried in this order.
        channels
            Number of channels, the columns of a block.
        block_s
            Length of a block in seconds.

        Raises
        ------
        InputError
            If the device cannot be opened.
        """
        self._channels = channels
        choice = {"index": index, "rates": rates, "channels": channels, "block_s": block_s}
        self._socket.send(json.dumps(choice).encode())
        rate: int = self._answer(b"O", "the device does not answer")
        return rate

    def block(self) -> Block | None:
        """Return the next block; None if none arrived within 0.1 s.

        Raises
        ------
        InputError
            If the device or the helper is lost.
        """
        message = self._receive()
        if message is None:
            return None
        _, arrived, overflowed, dropped = HEADER.unpack_from(message)
        samples = np.frombuffer(message, np.float32, offset=HEADER.size)
        return Block(samples.reshape(-1, self._channels), arrived, overflowed, dropped)

    def close(self) -> None:
        """End the process, within twice :data:`CLOSE_S`."""
        self._socket.close()
        _running.discard(self._process.pid)
        try:
            self._process.wait(CLOSE_S)
            return
        except subprocess.TimeoutExpired:
            self._process.kill()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            _hung.append(self._process)

    def _answer(self, kind: bytes, silence: str) -> Any:
        ends = time.monotonic() + ANSWER_S
        while time.monotonic() < ends:
            message = self._receive()
            if message is not None and message[:1] == kind:
                return json.loads(message[1:])
            if self._stopped():
                raise InputError("stopped")
        raise InputError(f"{silence} for {ANSWER_S:g} s")

    def _receive(self) -> bytes | None:
        """Return the next message; raise the helper's error if it ends."""
        self._socket.settimeout(_POLL_S)
        try:
            message = self._socket.recv(_MAX_MESSAGE)
        except TimeoutError:
            return None
        except OSError as error:
            raise InputError(f"the helper process has ended ({error.strerror})") from error
        if not message:
            raise InputError("the helper process has ended")
        if message[:1] == b"E":
            raise InputError(json.loads(message[1:]))
        return message


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return the daemon's end of the socket, and the process at the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_BYTES)
            # In its own process group, so that Ctrl-C and Ctrl-Z in a terminal do not reach it.
            process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError:
            ours.close()
            raise
    return ours, process


def helper_pids() -> tuple[int, ...]:
    """Return the process ids of the running helpers."""
    return tuple(_running)


def hung_helpers() -> int:
    """Return the number of killed helpers that have not ended; they may still hold a device."""
    _hung[:] = [process for process in _hung if process.poll() is None]
    return len(_hung)
