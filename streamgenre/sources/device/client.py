"""The daemon's end of the helper process in which PortAudio runs.

A process an attempt: PortAudio's list of devices is frozen when it starts, starting it anew would
end every stream of its process, and closing the stream of an unplugged device may hang for ever.
So every attempt sees the devices as they are now, no station can hurt another, and what hangs is
killed.
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
"""Seconds in which the helper has to list the devices, and to open one: a small machine that has
just booted is slow, and a sound server may be starting."""
CLOSE_S: Final = 0.5
"""A helper that has not ended after so many seconds is killed."""
_PROGRAM: Final = Path(__file__).with_name("helper.py")
_LOOK_S: Final = 0.1
_LONGEST: Final = 1 << 20
"""Bytes of the longest message."""
_QUEUE_BYTES: Final = 1 << 20
"""Asked for as the socket's room; the system may grant less. It is what the daemon may be late."""

_running: Final[set[int]] = set()
_hanging: Final[list[subprocess.Popen[bytes]]] = []
"""Helpers that were killed and have not ended: a driver holds them. Kept to be waited for."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples as they came from the device."""

    samples: NDArray[np.float32]
    """Shape ``(n, channels)``."""
    arrived: float
    """Monotonic seconds."""
    overflowed: bool
    """Whether samples are missing before it, PortAudio does not say how many."""
    dropped: int
    """Samples before it that this daemon was too slow to take."""


class HelperClient:
    """One helper process; use it as a context.

    Parameters
    ----------
    stopped
        Asked while waiting; where it is true, the wait ends with an error.

    Raises
    ------
    InputError
        If the process cannot be started.
    """

    def __init__(self, stopped: Callable[[], bool] = lambda: False) -> None:
        self.library = ""
        """Version of PortAudio, once the devices are listed."""
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
        """Return the input devices as they are now.

        Raises
        ------
        InputError
            If PortAudio is missing, fails or hangs.
        """
        told = self._answer(b"D", "the sound system does not answer")
        self.library = told["library"]
        devices: list[dict[str, Any]] = told["devices"]
        return devices

    def rates(self, index: int, *, rates: list[int], channels: int) -> tuple[list[int], str]:
        """Return at which of some rates a device opens now, and why not at the others.

        Parameters as of :meth:`open`, before which it may be asked.

        Raises
        ------
        InputError
            If the device does not answer.
        """
        question = {"index": index, "rates": rates, "channels": channels}
        self._socket.send(json.dumps(question).encode())
        told = self._answer(b"R", "the device does not answer")
        return told["rates"], told["refusal"]

    def open(self, index: int, *, rates: list[int], channels: int, block_s: float) -> int:
        """Begin to capture a device; return the rate that it was opened at.

        Parameters
        ----------
        index
            Of the device in the list of this very helper.
        rates
            In Hz, tried in turn.
        channels
            Columns of a block.
        block_s
            Length of a block in seconds.

        Raises
        ------
        InputError
            If it cannot be opened.
        """
        self._channels = channels
        choice = {"index": index, "rates": rates, "channels": channels, "block_s": block_s}
        self._socket.send(json.dumps(choice).encode())
        rate: int = self._answer(b"O", "the device does not answer")
        return rate

    def block(self) -> Block | None:
        """Return the next block; None where none has come for a moment.

        Raises
        ------
        InputError
            If the device is lost.
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
            _hanging.append(self._process)

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
        """Return the next message; raise what the helper says where it ends."""
        self._socket.settimeout(_LOOK_S)
        try:
            message = self._socket.recv(_LONGEST)
        except TimeoutError:
            return None
        except OSError as error:
            raise InputError(f"the helper process is gone ({error.strerror})") from error
        if not message:
            raise InputError("the helper process is gone")
        if message[:1] == b"E":
            raise InputError(json.loads(message[1:]))
        return message


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return our end of the socket, and the process at the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_BYTES)
            # In a process group of its own: Ctrl-C and Ctrl-Z in a terminal are not for it.
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
    """Return the process ids of the helpers that run now."""
    return tuple(_running)


def hung_helpers() -> int:
    """Return how many killed helpers have not ended: their driver may hold a device."""
    _hanging[:] = [process for process in _hanging if process.poll() is None]
    return len(_hanging)
