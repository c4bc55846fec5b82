"""Reads several pieces of audio that follow each other in one stream of bytes, one by one.

Recordings of stations look like this, and so does ``cat a.ogg b.ogg > c.ogg``. FFmpeg plays the
first piece ("link"), or mistakes the header of the next one for audio.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from streamgenre.errors import InputError
from streamgenre.sources.ogg import OggChain

if TYPE_CHECKING:
    from collections.abc import Callable

FLAC_START: Final = b"fLaC\x00\x00\x00\x22"
"""Start of a FLAC stream: the marker, and the header of its first block, of 34 bytes."""
_READ: Final = 65_536


class Splitter(Protocol):
    """Splits a stream of bytes into links."""

    @property
    def complete(self) -> bool:
        """Whether the stream may end here."""

    def push(self, data: bytes) -> list[bytes]:
        """Return data as pieces, of which each but the first starts a link."""

    def flush(self) -> bytes:
        """Return the bytes held back, at the end of the stream."""


class FlacChain:
    """Splits a stream at the start of each FLAC stream."""

    complete = True

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def push(self, data: bytes) -> list[bytes]:
        """See :meth:`Splitter.push`."""
        data = self._held + data
        # The marker may continue in the next call.
        kept = next(
            (n for n in range(len(FLAC_START) - 1, 0, -1) if data.endswith(FLAC_START[:n])), 0
        )
        self._held = data[len(data) - kept :]
        first, *others = data[: len(data) - kept].split(FLAC_START)
        pieces = [first, *(FLAC_START + other for other in others)]
        if not self._begun and not first and others:
            del pieces[0]
        self._begun = self._begun or bool(pieces[0])
        return pieces

    def flush(self) -> bytes:
        """See :meth:`Splitter.flush`."""
        held, self._held = self._held, b""
        return held


def splitter_of(head: bytes) -> Splitter | None:
    """Return what splits data that starts with these bytes; None where links cannot follow.

    Parameters
    ----------
    head
        The first bytes, at least 8.
    """
    if head.startswith(b"OggS"):
        return OggChain()
    return FlacChain() if head.startswith(FLAC_START) else None


class LinkReader:
    """A readable object for PyAV that ends at the end of each link.

    Parameters
    ----------
    read
        Returns up to as many bytes as it is given; none at the end. It may raise.
    splitter
        Finds the links; None if there is one only.
    """

    def __init__(self, read: Callable[[int], bytes], splitter: Splitter | None) -> None:
        self._source = read
        self._splitter = splitter
        self._links: deque[bytearray] = deque([bytearray()])  # data not yet returned
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether the data so far ends where a stream may end."""
        return self._splitter is None or self._splitter.complete

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the current link; none at its end."""
        while not self._links[0] and len(self._links) == 1 and not self._over:
            self._fill()
        link = self._links[0]
        out = bytes(link[:size])
        del link[:size]
        return out

    def next_link(self) -> bool:
        """Continue with the next link; return False if the current one is the last."""
        while len(self._links) == 1 and not self._over:  # the rest of a link that does not play
            self._links[0].clear()
            self._fill()
        if len(self._links) == 1:
            return False
        self._links.popleft()
        return True

    def _fill(self) -> None:
        # An error is raised once: FFmpeg reads again, and PyAV would print a second error.
        self._over = True
        data = self._source(_READ)
        self._over = not data
        if self._splitter is None:
            self._links[0] += data
            return
        first, *others = self._splitter.push(data) if data else [self._splitter.flush()]
        self._links[0] += first
        self._links += map(bytearray, others)


class LimitedReader:
    """A readable object that fails where too many bytes hold no audio.

    FFmpeg keeps headers, pictures and indexes in memory, whatever their size.

    Parameters
    ----------
    read
        Returns up to as many bytes as it is given; none at the end.
    limit
        Most bytes before the first audio, and between two pieces of audio.
    name
        Name of the input in error messages.
    """

    def __init__(self, read: Callable[[int], bytes], limit: int, name: str) -> None:
        self._read = read
        self._limit = self._left = limit
        self._name = name
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, which stay to be read; fewer at the end."""
        while len(self._ahead) < size and (data := self._read_more(size)):
            self._ahead += data
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises
        ------
        InputError
            If there was no audio for too many bytes.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._read_more(size)

    def _read_more(self, size: int) -> bytes:
        data = self._read(size)
        self._left -= len(data)
        if self._left < 0:
            self._left = self._limit  # an error is raised once
            raise InputError(f"{self._name}: no audio in {self._limit >> 20} MB")
        return data

    def audio_decoded(self) -> None:
        """Record that audio was decoded from the data."""
        self._left = self._limit
