"""Messages between the daemon and a model's own process: a JSON header, then float32 arrays."""

from __future__ import annotations

import json
import math
import struct
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LENGTH: Final = struct.Struct("<I")


class Channel:
    """One end of a stream socket between two processes.

    Parameters
    ----------
    connection
        A connected socket.
    max_header
        Most bytes of a header that is received.
    """

    def __init__(self, connection: socket.socket, *, max_header: int) -> None:
        self._socket = connection
        self._max_header = max_header
        self._ends: float | None = None

    def allow(self, seconds: float) -> None:
        """Give the following calls this many seconds together; by default they wait for ever."""
        self._ends = time.monotonic() + seconds

    def send(self, header: dict[str, Any], arrays: Sequence[NDArray[np.float32]] = ()) -> None:
        """Send a message.

        Parameters
        ----------
        header
            A JSON object.
        arrays
            Arrays that follow; the header's ``shapes`` is set to their shapes.

        Raises
        ------
        OSError
            If the other end is gone; :class:`TimeoutError` if the time is over.
        """
        text = json.dumps(header | {"shapes": [array.shape for array in arrays]}).encode()
        self._wait()
        self._socket.sendall(_LENGTH.pack(len(text)) + text)
        for array in arrays:
            self._wait()
            self._socket.sendall(np.ascontiguousarray(array, np.float32).data.cast("B"))

    def receive(self) -> dict[str, Any]:
        """Receive the header of a message; :meth:`array` receives each of its arrays.

        Raises
        ------
        EOFError
            If the other end is gone.
        OSError
            If the time is over (:class:`TimeoutError`), or the connection is broken.
        ValueError
            If it is not a header.
        """
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > self._max_header:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(self._exactly(length))
        if not isinstance(header, dict):
            raise ValueError("a header that is not an object")
        return header

    def array(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Receive an array of the last message.

        Parameters
        ----------
        shape
            Its shape, checked by the caller: that much memory is used.

        Raises
        ------
        EOFError
            If the other end is gone.
        OSError
            If the time is over (:class:`TimeoutError`), or the connection is broken.
        """
        return np.frombuffer(self._exactly(4 * math.prod(shape)), np.float32).reshape(shape)

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            self._wait()
            count = self._socket.recv_into(rest)
            if count == 0:
                raise EOFError
            rest = rest[count:]
        return data

    def _wait(self) -> None:
        if self._ends is None:
            return
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
