"""Radio streams: Icecast and Shoutcast over HTTP, and HLS.

A thread connects, decodes with PyAV and fills the ring. Whatever goes wrong (refused, ended,
stalled, not audio) makes the station ``lost`` and is tried again with growing pauses. For plain
HTTP the connection is our own, so that titles can be taken out and a stall is seen by the age of
the audio; HLS is left to FFmpeg.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.ring import LossReason, Ring
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import RING_SECONDS, Source
from streamgenre.sources.decoding import Damage, Format, audio_stream, blocks, cut, words
from streamgenre.sources.http import Response, open_url, redacted
from streamgenre.sources.icy import IcyDemuxer
from streamgenre.sources.stations import MAX_BYTES, first_stream, is_hls, is_list

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.icy import Title

TIMEOUT_S: Final = 10.0
"""Seconds in which a server has to answer, and then to send something."""
WINDOW_S: Final = 30.0
"""Over so many seconds a stream has to bring at least two thirds of that in audio."""
BACKOFF_S: Final = (1.0, 120.0)
"""First and longest pause in seconds between attempts."""
_READ: Final = 4096
_BLOCK_S: Final = 0.1
_MAX_LISTS: Final = 4
_PROTOCOLS: Final = "http,https,tcp,tls,crypto,hls"
"""What FFmpeg may open for a playlist from the net: no file of this machine."""


class RadioSource(Source):
    """Listens to a stream by its URL for as long as the daemon lives."""

    real_time = True
    live = True

    def __init__(self, url: str) -> None:
        super().__init__(redacted(url))
        self._url = url
        self._stop = threading.Event()
        self._response: Response | None = None
        self._format: Format | None = None
        self._heard_at: float | None = None  # monotonic seconds of the newest audio
        self._window: tuple[float, float] = (0.0, 0.0)  # its begin, seconds of audio in it
        self._thread = threading.Thread(target=self._supervise, name="radio", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        response = self._response
        if response is not None:
            response.abort()
        if self._thread.is_alive():
            self._thread.join(timeout=1.5)  # FFmpeg may still wait for a server

    def _supervise(self) -> None:
        backoff = Backoff(*BACKOFF_S)
        try:
            while not self._stop.is_set():
                backoff.begin()
                why = self._attempt()
                if self._stop.is_set():
                    break
                self.tell("connecting" if self._heard_at is None else "lost", why)
                self._stop.wait(backoff.next_s())
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
        finally:
            self.tell("ended", "stopped" if self.failure is None else str(self.failure))
            if self.ring is not None:
                self.ring.close()

    def _attempt(self) -> str:
        """Listen until the stream is lost; return why it is."""
        import av

        damage = Damage()
        try:
            with self._open() as container:
                stream, found = audio_stream(container, self.name)
                self._window = (time.monotonic(), 0.0)
                for block in blocks(container, stream, self._wanted(found), damage):
                    if not self._hear(block):
                        return "stopped"
        except InputError as error:
            return str(error)
        except TimeoutError:
            return f"{self.name}: nothing for {TIMEOUT_S:g} s"
        except (av.FFmpegError, OSError, ValueError) as error:
            return f"{self.name}: cannot be played ({words(error)})"
        finally:
            if self._response is not None:
                self._response.close()
        return f"{self.name}: the stream ended{damage}"

    # ---- the way in -----------------------------------------------------------------------------

    def _open(self) -> Any:
        """Return PyAV's container, found through station lists where they are in between."""
        import av

        url = self._url
        for _ in range(_MAX_LISTS):
            self._response = response = open_url(url, timeout_s=TIMEOUT_S)
            if not is_list(url, response.headers):
                return av.open(_Audio(response, self.announce), metadata_errors="replace")
            text = response.body.read(MAX_BYTES).decode("utf-8", errors="replace")
            response.close()
            if is_hls(text):
                self._response = None
                options = {"protocol_whitelist": _PROTOCOLS}
                return av.open(url, options=options, timeout=(TIMEOUT_S, TIMEOUT_S))
            url = first_stream(text, url, self.name)
        raise InputError(f"{self.name}: station lists that lead to more than {_MAX_LISTS} others")

    def _wanted(self, found: Format) -> Format:
        """Return the format of the first connection: the ring and the sample clock keep it."""
        if self._format is None:
            self._format = found
            self.rate = found.rate
        return self._format

    # ---- the way on -----------------------------------------------------------------------------

    def _hear(self, block: NDArray[np.float32]) -> bool:
        """Put decoded samples into the ring; False where the source was stopped."""
        now = time.monotonic()
        if self.ring is None:
            self.channels = block.shape[1]
            self.ring = Ring(int(self.rate * RING_SECONDS), self.channels)
        if self.state != "live":
            if self._heard_at is not None:
                self.ring.mark_lost(int((now - self._heard_at) * self.rate), LossReason.RECONNECT)
            self.tell("live")
        for piece in cut(block, int(_BLOCK_S * self.rate)):
            # A server that sends faster than real time is slowed down by a full ring.
            while self.ring.free < len(piece):
                if self._stop.wait(0.02):
                    return False
            self.ring.write(piece)
        self._heard_at = time.monotonic()
        self._check_speed(now, len(block) / self.rate)
        return not self._stop.is_set()

    def _check_speed(self, now: float, seconds: float) -> None:
        began, heard = self._window
        self._window = (began, heard + seconds)
        if now - began > WINDOW_S:
            self._window = (now, 0.0)
            if heard < 2 / 3 * WINDOW_S:
                raise InputError(f"{self.name}: only {heard:.0f} s of audio in {now - began:.0f} s")


class _Audio:
    """The audio of a response without its titles, as a file for PyAV to read."""

    def __init__(self, response: Response, announce: Callable[[Title], None]) -> None:
        self._body = response.body
        self._announce = announce
        self._left = b""
        value = response.headers.get("icy-metaint", "0")
        try:
            self._demuxer = IcyDemuxer(int(value))
        except ValueError:
            raise InputError(f"{response.url}: icy-metaint is {value[:20]!r}") from None

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while not self._left:
            data = self._body.read1(_READ)
            if not data:
                return b""
            self._left, titles = self._demuxer.push(data)
            for title in titles:
                self._announce(title)
        out, self._left = self._left[:size], self._left[size:]
        return out
