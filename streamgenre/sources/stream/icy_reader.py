"""Reads the audio of a radio stream for FFmpeg, and the titles inserted into it."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from streamgenre.audio.fair_lock import Participant
from streamgenre.errors import InputError
from streamgenre.sources.base import MAX_TITLES
from streamgenre.sources.ogg import OggChain
from streamgenre.sources.stream.icy import MAX_INTERVAL, IcyDemuxer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamgenre.sources.charsets import TextDecoder
    from streamgenre.sources.stream.http_response import Response
    from streamgenre.sources.titles import Title

_READ: Final = 65_536
_EVERY_S: Final = 0.15
"""Seconds between two reads while nobody waits for a certain sample."""
_AFTER_S: Final = 0.05
"""Seconds after the expected arrival of a sample until it is read: servers send in pieces."""
_LATE_S: Final = 0.1
"""Seconds of missing audio below which its last piece is late: it is read as soon as it comes."""
_SHORTEST_S: Final = 0.01
"""Shortest pause between two reads, in seconds."""
_BYTES: Final = 32_768
"""Bytes that a read should bring at most: the system keeps no more than some of these."""


class IcyReader:
    """The audio of a response as a readable object for PyAV, one link of an Ogg chain at a time.

    Parameters
    ----------
    response
        The open stream.
    patience_s
        Seconds without decoded audio (see :meth:`audio_decoded`) after which reading fails: a
        server may send bytes without end that hold no audio.
    lock
        Held while the data is decoded.
    decoder
        Decodes the station's titles; None for one that recognises their charset.
    lacking_s
        Returns the seconds of audio until something is to be done with it; None where that is not
        known. Until then nothing is read: few large reads cost much less than many small ones.
    """

    def __init__(
        self,
        response: Response,
        patience_s: float,
        lock: Participant | None = None,
        decoder: TextDecoder | None = None,
        lacking_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.headers = response.headers
        self.missing_s = 0.0
        """Nothing is known to be missing: the server sends one stream."""
        self._response = response
        self._lock = lock or Participant()
        self._lacking_s = lacking_s
        self.read_at: float | None = None
        """Monotonic seconds at which the newest data was received; None before the first."""
        self._aborted = threading.Event()
        self._longest_s = 0.0  # longest pause before the next read
        self._patience_s = patience_s
        self._heard_at = time.monotonic()
        self._over = False
        self._links: deque[bytearray] = deque([bytearray()])  # data not yet returned
        self._returned = 0  # bytes returned
        self._link_start = 0  # bytes returned before the current link
        self._demuxed = 0  # bytes of audio received
        self._chain = OggChain()
        self._titles: deque[tuple[int, Title]] = deque(maxlen=MAX_TITLES)
        value = _stated(response.headers)
        if not is_interval(response.headers):
            raise InputError(
                f"{response.url}: icy-metaint is {value[:20]!r}; "
                f"expected 0 to {MAX_INTERVAL} bytes between two titles"
            )
        self._demuxer = IcyDemuxer(int(value), decoder)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the current link; none at its end.

        Raises
        ------
        TimeoutError
            If no audio was decoded for too long.
        """
        while not self._links[0] and len(self._links) == 1 and not self._over:
            # An error is raised once: FFmpeg reads again, and PyAV would print a second error.
            self._over = True
            if time.monotonic() - self._heard_at > self._patience_s:
                raise TimeoutError(f"no audio for {self._patience_s:g} s in what it sends")
            data = self._read()
            self._over = not data
            self._take(data)
        link = self._links[0]
        out = bytes(link[:size])
        del link[:size]
        self._returned += len(out)
        return out

    def _read(self) -> bytes:
        """Return the received data; other threads decode in the meantime."""
        self._lock.release()
        before = self.read_at
        if before is not None:
            self._aborted.wait(max(0.0, before + self._pause_s() - time.monotonic()))
        data = self._response.read(_READ)
        self.read_at = time.monotonic()
        elapsed_s = _EVERY_S if before is None else self.read_at - before
        self._longest_s = elapsed_s * _BYTES / max(1, len(data))
        self._lock.acquire()
        return data

    def _pause_s(self) -> float:
        """Return the seconds from the newest read to the next one."""
        return min(pause_before(self._lacking_s()), self._longest_s)

    def _take(self, data: bytes) -> None:
        audio, titles = self._demuxer.push(data)
        self._titles += [(self._demuxed + place, title) for place, title in titles]
        self._demuxed += len(audio)
        first, *others = self._chain.push(audio) if data else [self._chain.flush()]
        self._links[0] += first
        self._links += map(bytearray, others)

    def next_link(self) -> bool:
        """Continue with the next link; return False if the current one is the last."""
        if len(self._links) == 1:
            return False
        self._returned += len(self._links.popleft())
        self._link_start = self._returned
        return True

    def abort(self) -> None:
        """Interrupt a read in another thread; that thread closes the connection."""
        self._aborted.set()
        self._response.abort()

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        self._response.close()

    def audio_decoded(self) -> None:
        """Record that audio was decoded from the data."""
        self._heard_at = time.monotonic()

    def titles_until(self, position: int | None) -> list[Title]:
        """Return the titles before a byte of the current link, each once.

        If the position is None, all titles are returned.
        """
        place = self._demuxed if position is None else self._link_start + position
        due = []
        while self._titles and self._titles[0][0] <= place:
            due.append(self._titles.popleft()[1])
        return due


def pause_before(lacking_s: float | None) -> float:
    """Return the seconds to wait before the next read, which should bring missing audio.

    Parameters
    ----------
    lacking_s
        Seconds of audio that are missing; None where that is not known.
    """
    if lacking_s is None:
        return _EVERY_S
    return max(_SHORTEST_S, lacking_s if lacking_s < _LATE_S else lacking_s + _AFTER_S)


def _stated(headers: Mapping[str, str]) -> str:
    return headers.get("icy-metaint", "").strip() or "0"


def is_interval(headers: Mapping[str, str]) -> bool:
    """Whether headers state a usable number of bytes between two titles, or none."""
    value = _stated(headers)
    return re.fullmatch("[0-9]{1,9}", value) is not None and int(value) <= MAX_INTERVAL
