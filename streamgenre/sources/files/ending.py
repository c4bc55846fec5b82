"""Finds out whether a file was played to its end, or is cut short."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from streamgenre.sources.signatures import frame_length

if TYPE_CHECKING:
    from streamgenre.sources.files.parts import Part

_STATED: Final = frozenset(
    {
        *("aiff", "ape", "au", "caf", "dsf", "flac", "iff", "mpc", "mpc8", "tak", "tta"),
        *("mov,mp4,m4a,3gp,3g2,mj2", "w64", "wav", "wv"),
    }
)
"""FFmpeg's formats that state their length; that of others is an estimate."""
_FRAMED: Final = frozenset({"mp3", "aac"})
"""FFmpeg's formats whose frames state their length in bytes."""
_TABLES: Final = (b"Xing\0\0\0", b"Info\0\0\0", b"VBRI\0\1")
"""Starts of the table of an mp3, which states its length."""
_TS_PACKET: Final = 188
"""Length in bytes of a packet of MPEG-TS, which starts with 0x47."""
_LEAST_S: Final = 0.3
_LEAST_SHARE: Final = 0.01
"""Less than this is rounding, or the delay of the encoder: in seconds, and of the whole."""
_HEAD: Final = 1 << 18
"""Bytes at the start of a file in which the table of an mp3 stands."""


class Ending:
    """Compares what was played of a file with what it states.

    Parameters
    ----------
    file
        The file, opened for reading bytes.
    part
        Its last part.
    """

    def __init__(self, file: BinaryIO, part: Part) -> None:
        size = os.fstat(file.fileno()).st_size
        self._lacks = part.end - size if part.end is not None and part.end > size else 0
        file.seek(0)
        head = file.read(_HEAD)
        self._cells = size / _TS_PACKET if head[_TS_PACKET : _TS_PACKET + 1] == b"\x47" else 0.0
        self._has_table = any(table in head for table in _TABLES)
        self._incomplete = False
        self._short = ""
        self._played_s = 0.0
        self._stated_s = 0.0
        self._framed = False
        self._last: Any = None

    def begin(self, container: Any, stream: Any) -> None:
        """Begin with a link.

        Parameters
        ----------
        container, stream
            PyAV's input container and its audio stream.
        """
        name = container.format.name
        self._framed = name in _FRAMED
        self._incomplete = self._incomplete or (name == "mpegts" and self._cells % 1 != 0)
        self._stated_s = 0.0
        if name in _STATED or (name == "mp3" and self._has_table):
            if stream.duration and stream.time_base:
                self._stated_s = float(stream.duration * stream.time_base)
        elif (
            name in ("matroska,webm", "flv") and container.duration and len(container.streams) == 1
        ):
            self._stated_s = (container.duration - max(0, container.start_time or 0)) / 1e6

    def take_packet(self, packet: Any) -> None:
        """Take a packet, to know the last one."""
        self._last = packet

    def finish(self, played_s: float, missing_s: float) -> None:
        """Finish a link.

        Parameters
        ----------
        played_s
            Seconds that were played.
        missing_s
            Seconds of damaged packets.
        """
        self._played_s += played_s
        lacks_s = self._stated_s - played_s - missing_s
        if self._stated_s and lacks_s > max(_LEAST_S, _LEAST_SHARE * self._stated_s):
            self._short = (
                f"cut short or damaged: {played_s:.1f} s of {self._stated_s:.1f} s were played"
            )

    def mark_incomplete(self) -> None:
        """Say that the format's own mark of its end is missing."""
        self._incomplete = True

    def shortfall(self, *, last_damaged: bool) -> str:
        """Return how the file ended before its end, for people; an empty text if it did not.

        ``last_damaged`` is whether its last packet was damaged.
        """
        if self._short:
            return self._short
        if self._lacks:
            return f"cut short after {self._played_s:.1f} s: {self._lacks} bytes are missing"
        if self._incomplete or last_damaged or self._is_partial():
            return f"cut short within a packet after {self._played_s:.1f} s"
        return ""

    def _is_partial(self) -> bool:
        """Whether the last packet is shorter than it states."""
        if self._last is None or not self._framed:
            return False
        data = bytes(self._last)
        length = frame_length(data[:8])
        return length is not None and len(data) < length
