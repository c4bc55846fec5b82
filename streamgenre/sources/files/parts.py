"""Finds where the parts of a file begin and end by its container's own sizes.

Formats that state their size (WAV, AIFF, CAF, AVI, MP4) may be joined with ``cat``; a file that is
shorter than its sizes is cut short.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNKNOWN: Final = (0, 0xFFFF_FFFF_FFFF_FFFF)
"""Sizes that mean "up to the end of the file"."""
_STREAMED: Final = 0x7FFF_0000
"""Programs that write WAV to a pipe state this size or more, as they do not know it."""
_MAX_CHUNKS: Final = 10_000
"""Chunks and parts that are looked at."""
_W64: Final = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file that is a whole file of its format."""

    start: int
    """Its first byte."""
    end: int | None
    """The byte after its last one, by its own sizes; None if it does not state them."""
    indexed: bool = True
    """Whether an MP4 file has the index (``moov``) that it needs."""


def parts_of(file: BinaryIO) -> list[Part]:
    """Return the parts of a file, at least one; the last may end beyond the end of the file.

    Parameters
    ----------
    file
        The file, opened for reading bytes.
    """
    size = os.fstat(file.fileno()).st_size
    parts: list[Part] = []
    start = 0
    while len(parts) < _MAX_CHUNKS:
        part = _part(file, start, size)
        if part is None:
            break
        parts.append(part)
        if part.end is None or not start < part.end < size:
            break
        start = part.end
    return parts or [Part(0, None)]


def _part(file: BinaryIO, start: int, size: int) -> Part | None:
    """Return the part that starts at a byte; None if none does."""
    file.seek(start)
    head = file.read(24)
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return Part(start, _end_of_wav(file, start, size))
    if kind == b"RIFF" and form == b"AVI ":
        stated = struct.unpack("<I", head[4:8])[0]
        return Part(start, start + 8 + stated + stated % 2 if 0 < stated < _STREAMED else None)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        end = start + 8 + struct.unpack(">I", head[4:8])[0]
        return Part(start, end + end % 2)
    if kind == b"caff" and head[4:6] == b"\0\1":
        return Part(start, _end_of_caf(file, start, size))
    if head[:16] == _W64 and len(head) == 24:
        return Part(start, start + struct.unpack("<Q", head[16:])[0])
    if head[4:8] == b"ftyp":
        return _mp4(file, start, size)
    return None


def _chunks(file: BinaryIO, at: int, size: int, layout: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, the byte after its header, and its stated size."""
    length = struct.calcsize(layout)
    for _ in range(_MAX_CHUNKS):
        if at >= size:
            return
        file.seek(at)
        head = file.read(length)
        if len(head) < length:
            return
        name, stated = struct.unpack(layout, head)
        yield name, at + length, stated
        at += length + stated + (stated % 2 if layout == "<4sI" else 0)


def _end_of_wav(file: BinaryIO, start: int, size: int) -> int | None:
    """Return the end of the last chunk before something else starts."""
    end: int | None = start + 12
    wide = 0  # size of the data in RF64
    for name, at, stated in _chunks(file, start + 12, size, "<4sI"):
        if name in (b"RIFF", b"RF64", b"BW64") or not name.strip(b"\0 ").isalnum():
            break
        if name == b"ds64":
            file.seek(at + 8)
            wide = int.from_bytes(file.read(8), "little")
        if name == b"data" and (stated in _UNKNOWN or stated >= _STREAMED):
            return at + wide if wide and stated == 0xFFFF_FFFF else None
        end = at + stated + stated % 2
        if name == b"data" and end > size >= at + stated:
            end = at + stated  # without the last, odd byte
    return end


def _end_of_caf(file: BinaryIO, start: int, size: int) -> int | None:
    end: int | None = start + 8
    for name, at, stated in _chunks(file, start + 8, size, ">4sQ"):
        if name == b"caff":
            break
        if stated in _UNKNOWN:
            return None
        end = at + stated
    return end


def _mp4(file: BinaryIO, start: int, size: int) -> Part:
    """Return an MP4 file by its top-level boxes: they begin with a size, then a name."""
    at, indexed, end = start, False, None
    for number in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or at >= size:
            break
        stated, name = struct.unpack(">I4s", head[:8])
        if name == b"ftyp" and number:
            break
        if stated == 1 and len(head) == 16:
            stated = struct.unpack(">Q", head[8:])[0]
        if stated < 8 or not name.strip().isalnum():
            end = None
            break
        indexed = indexed or name in (b"moov", b"moof")
        at += stated
        end = at
    return Part(start, end, indexed)


class PartReader:
    """A part of a file as a readable object for PyAV.

    Parameters
    ----------
    file
        The file, opened for reading bytes.
    part
        The part to read.
    """

    def __init__(self, file: BinaryIO, part: Part) -> None:
        self._file = file
        self._start = part.start
        size = os.fstat(file.fileno()).st_size
        self._end = size if part.end is None else min(part.end, size)
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(size, self._end - self._start - self._at)))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte of the part; return its place.

        Parameters
        ----------
        offset
            Bytes from the place that ``whence`` names.
        whence
            ``os.SEEK_SET``, ``os.SEEK_CUR`` or ``os.SEEK_END``.
        """
        origin = (0, self._at, self._end - self._start)[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """Return the place in the part, in bytes."""
        return self._at
