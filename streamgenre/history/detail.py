"""The updates of one station and minute, packed into one small blob.

Each column of a minute (offsets, levels, confidences, then each genre's probability) is stored as
differences from row to row, which deflate well. Probabilities have steps of 1/255, levels half a
dB, times a millisecond. NumPy is imported only where arrays are made: the web server reads
confidences without it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from streamgenre.errors import HistoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MINUTE_S: Final = 60
STEPS: Final = 255
"""Steps of a probability between 0 and 1."""
_LEVEL_FLOOR: Final = -127.0
_MAX_BYTES: Final = 16_000_000
_DEFLATE: Final = 6


def quantise(probability: float) -> int:
    """Return a probability as a whole number, 0 to 255."""
    return min(STEPS, max(0, int(probability * STEPS + 0.5)))


def quantise_level(dbfs: float | None) -> int:
    """Return a level in dBFS as a whole number, 1 to 255; 0 for digital silence."""
    if dbfs is None:
        return 0
    return min(255, max(1, int((dbfs - _LEVEL_FLOOR) * 2 + 1.5)))


@dataclass(frozen=True, slots=True)
class Minute:
    """The updates of one minute, unpacked."""

    times: NDArray[np.float64]
    """UNIX seconds of the end of each hop, shape ``(updates,)``."""
    levels: NDArray[np.float64]
    """dBFS, NaN for digital silence, shape ``(updates,)``."""
    confidences: NDArray[np.float64]
    """0 to 1, shape ``(updates,)``."""
    probabilities: NDArray[np.float64]
    """0 to 1, shape ``(updates, labels)``."""


def encode(offsets_ms: list[int], rows: bytes | bytearray, labels: int) -> bytes:
    """Pack a minute.

    Parameters
    ----------
    offsets_ms
        Milliseconds of each update since the minute began, 0 to 59999.
    rows
        For each update one byte for the level, one for the confidence and one for each label.
    labels
        Number of labels.

    Returns
    -------
    bytes
        The blob.
    """
    import numpy as np

    table = np.frombuffer(bytes(rows), np.uint8).reshape(len(offsets_ms), 2 + labels)
    columns = np.diff(table.T, axis=1, prepend=np.uint8(0))
    times = np.diff(np.asarray(offsets_ms, "<u2"), prepend=np.uint16(0)).astype("<u2")
    return zlib.compress(times.tobytes() + columns.tobytes(), _DEFLATE)


def decode(minute: int, data: bytes, *, updates: int, labels: int) -> Minute:
    """Unpack a minute.

    Parameters
    ----------
    minute
        UNIX seconds of the start of the minute, divided by 60.
    data
        The blob.
    updates, labels
        Number of updates and of labels in it.

    Returns
    -------
    Minute
        The updates.

    Raises
    ------
    HistoryError
        If the blob is damaged.
    """
    import numpy as np

    raw = _inflated(minute, data, updates=updates, labels=labels)
    offsets = np.cumsum(np.frombuffer(raw[: 2 * updates], "<u2"), dtype=np.uint16)
    columns = np.frombuffer(raw[2 * updates :], np.uint8).reshape(2 + labels, updates)
    table = np.cumsum(columns, axis=1, dtype=np.uint8)
    levels = np.where(table[0] == 0, np.nan, (table[0] - 1.0) / 2 + _LEVEL_FLOOR)
    return Minute(
        times=minute * MINUTE_S + offsets / 1000,
        levels=levels,
        confidences=table[1] / STEPS,
        probabilities=table[2:].T / STEPS,
    )


def decode_confidences(
    minute: int, data: bytes, *, updates: int, labels: int
) -> tuple[list[float], list[float]]:
    """Unpack only the times and confidences of a minute.

    Parameters
    ----------
    minute, data, updates, labels
        As for :func:`decode`.

    Returns
    -------
    tuple of list of float
        UNIX seconds of the end of each hop, and the confidences, 0 to 1.

    Raises
    ------
    HistoryError
        If the blob is damaged.
    """
    raw = _inflated(minute, data, updates=updates, labels=labels)
    steps = struct.unpack(f"<{updates}H", raw[: 2 * updates])
    times = [minute * MINUTE_S + (offset & 0xFFFF) / 1000 for offset in accumulate(steps)]
    column = raw[3 * updates : 4 * updates]  # after two bytes for each time and one for each level
    return times, [(step & 0xFF) / STEPS for step in accumulate(column)]


def _inflated(minute: int, data: bytes, *, updates: int, labels: int) -> bytes:
    """Return the columns of a minute as bytes."""
    size = updates * (2 + 2 + labels)
    try:
        if not 0 < size <= _MAX_BYTES:
            raise ValueError(f"{updates} updates")
        inflate = zlib.decompressobj()
        raw = inflate.decompress(data, size + 1)
        if len(raw) != size or not inflate.eof:
            raise ValueError(f"{len(raw)} bytes instead of {size}")
    except (zlib.error, ValueError) as error:
        raise HistoryError(
            f"the detail of minute {minute} is damaged ({error}); the rest of the history can "
            "still be read: ask for another time"
        ) from error
    return raw
