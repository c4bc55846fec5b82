"""Streams from the net: Icecast and Shoutcast over HTTP, HLS, RTSP and SRT.

A thread connects, decodes with PyAV and fills the ring. Whatever goes wrong (refused, ended,
stalled, not audio) makes the station ``lost`` and is tried again with growing pauses. For plain
HTTP the connection is our own, so that titles can be taken out and a stall is seen by the age of
the audio; the others are left to FFmpeg.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.fair_lock import Participant
from streamgenre.audio.ring import GapReason, Ring
from streamgenre.errors import InputError
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import RING_SECONDS, Source
from streamgenre.sources.container import NO_PROTOCOL, open_container
from streamgenre.sources.decoding import (
    DamageCounter,
    Format,
    Timeline,
    audio_stream,
    blocks,
    error_text,
    split_block,
)
from streamgenre.sources.playlist_formats import is_hls
from streamgenre.sources.stream.http import Response, open_url, require_usable
from streamgenre.sources.stream.icy_reader import IcyReader
from streamgenre.sources.stream.station_lists import MAX_BYTES, first_stream, is_list
from streamgenre.sources.stream_info import stream_info
from streamgenre.sources.tags import id3_title, stream_title
from streamgenre.urls import redacted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.titles import Title

TIMEOUT_S: Final = 10.0
"""Seconds in which a server has to answer, and then to send something."""
WINDOW_S: Final = 30.0
"""Over so many seconds a stream has to bring at least two thirds of that in audio."""
AHEAD_S: Final = 30.0
"""Seconds of audio that may come before their time: the burst of a server, segments of HLS."""
BACKOFF_S: Final = (1.0, 120.0)
"""First and longest pause in seconds between attempts."""
_SEGMENT_S: Final = 30.0
"""Seconds in which the next segment of an HLS stream has to come: most last 2 to 10."""
_BLOCK_S: Final = 0.1
_MAX_LISTS: Final = 4
_HLS_PROTOCOLS: Final = "http,https,tcp,tls,crypto,hls"
"""What FFmpeg may open for a playlist from the net: no file of this machine."""
_HLS_OPTIONS: Final = {"extension_picky": "0"}
"""Since 7.1.1, FFmpeg refuses segments whose name does not end as their format usually does. The
whitelists of protocols and formats protect already."""
_OTHER_PROTOCOLS: Final = "rtsp,rtp,srtp,udp,tcp,tls,srt"
_OTHER_OPTIONS: Final = {"rtsp_flags": "prefer_tcp"}
"""RTP goes through the connection where the server lets it: UDP loses datagrams."""


class RadioSource(Source):
    """Listens to a stream by its URL for as long as the daemon lives.

    Parameters
    ----------
    url
        Of the stream, or of a list of stations.
    name
        Name of the input; None for the URL without credentials.
    """

    real_time = True
    live = True

    def __init__(self, url: str, name: str | None = None) -> None:
        super().__init__(name or redacted(url))
        self._url = url
        self._stop = threading.Event()
        self._response: Response | None = None
        self._format: Format | None = None
        self._heard_at: float | None = None  # monotonic seconds of the newest audio
        self._window: tuple[float, float] = (0.0, 0.0)  # its begin, seconds of audio in it
        self._titles: list[Title] = []  # of the samples that come next
        self._title: Title | None = None
        self._live_since = 0.0  # monotonic seconds
        self._brought_s = 0.0  # audio that came since then
        self._missing_s = 0.0  # before the samples that come next
        self._backoff = Backoff(*BACKOFF_S)
        self._lock = Participant()
        self._thread = threading.Thread(target=self._supervise, name="radio", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        _require(self._url)
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        response = self._response
        if response is not None:
            response.abort()
        if self._thread.is_alive():
            self._thread.join(timeout=0.5)
            self._end()  # where FFmpeg waits for a server, the thread is left to it

    def _supervise(self) -> None:
        try:
            while not self._stop.is_set():
                self._backoff.begin()
                why = self.attempt()
                if self._stop.is_set():
                    break
                self.set_state("lost", why)
                self._stop.wait(self._backoff.next_s())
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
        finally:
            self._end()

    def _end(self) -> None:
        self.set_state("ended", "stopped" if self.failure is None else str(self.failure))
        if self.ring is not None:
            self.ring.close()

    def attempt(self) -> str:
        """Listen until the stream is lost; return why it is."""
        import av

        damage = DamageCounter()
        try:
            way = self._connect()
            self._window = (0.0, 0.0)
            while self._listen(way, damage):
                if not (isinstance(way, IcyReader) and way.next_link()):
                    return f"{self.name}: the stream ended{damage}"
        except InputError as error:
            return str(error)
        except (TimeoutError, av.ExitError):
            return f"{self.name}: nothing for {TIMEOUT_S:g} s"
        except (av.FFmpegError, OSError, ValueError) as error:
            return f"{self.name}: cannot be played ({error_text(error)})"
        finally:
            self._lock.release()
            if self._response is not None:
                self._response.close()
        return "stopped"

    # ---- the way in -----------------------------------------------------------------------------

    def _connect(self) -> IcyReader | str:
        """Return the stream, or the URL of one that FFmpeg opens, behind whatever lists there are.

        Raises
        ------
        InputError
            If there is none.
        """
        url = self._url
        for _ in range(_MAX_LISTS):
            self._response = None
            if not url.lower().startswith("http"):
                return url  # RTSP or SRT
            self._response = response = open_url(url, timeout_s=TIMEOUT_S)
            if not is_list(url, response.headers):
                return IcyReader(response, 2 * TIMEOUT_S, self._lock)
            text = response.text(MAX_BYTES, TIMEOUT_S)
            if is_hls(text):
                self._response = None
                return url
            url = first_stream(text, url, self.name)
        raise InputError(f"{self.name}: station lists that lead to more than {_MAX_LISTS} others")

    def _listen(self, way: IcyReader | str, damage: DamageCounter) -> bool:
        """Play a stream, or a link of one, to its end; False where the source was stopped."""
        heard = False
        with _open(way) as container:
            stream, found = audio_stream(container, self.name)
            headers = self._response.headers if self._response else {}
            self.info = stream_info(container, stream, headers)
            if isinstance(way, IcyReader) or _is_hls(way):  # RTSP has the station's name there
                self._titles = _some(stream_title({**container.metadata, **stream.metadata}))

            timeline = Timeline()

            def on_packet(packet: Any) -> None:
                if packet.stream.type == "data":
                    self._titles += _some(id3_title(bytes(packet)))
                elif isinstance(way, IcyReader):
                    self._titles += way.titles_until(packet.pos)
                else:  # a segment or a datagram may be missing
                    self._missing_s += timeline.missing_s(packet)

            for block in blocks(container, stream, self._wanted(found), damage, on_packet):
                heard = True
                if not self._hear(block):
                    return False
                if isinstance(way, IcyReader):
                    way.audio_decoded()
        if not heard:
            raise InputError(f"{self.name}: no audio could be decoded{damage}")
        return True

    def _wanted(self, found: Format) -> Format:
        """Return the format of the first connection: the ring and the sample clock keep it."""
        if self._format is None:
            self._format = found
            self.rate = found.rate
        return self._format

    # ---- the way on -----------------------------------------------------------------------------

    def _hear(self, block: NDArray[np.float32]) -> bool:
        """Put decoded samples into the ring; False where the source was stopped."""
        if self._stop.is_set():
            return False
        now = time.monotonic()
        if self.ring is None:
            self.channels = block.shape[1]
            self.ring = Ring(int(self.rate * RING_SECONDS), self.channels)
        if self.state != "live":
            if self._heard_at is not None:
                self.ring.mark_lost(int((now - self._heard_at) * self.rate), GapReason.RECONNECT)
                self._title = None  # of the stream that was: the new one has to say it again
            self.set_state("live")
            self._backoff.begin()
            self._live_since, self._brought_s = now, 0.0
        elif self._missing_s:
            self.ring.mark_lost(int(self._missing_s * self.rate), GapReason.SOURCE)
        self._missing_s = 0.0
        for title in self._titles:
            if title != self._title:  # stations repeat themselves
                self._title = title
                self.announce(title)
        self._titles.clear()
        for piece in split_block(block, int(_BLOCK_S * self.rate)):
            # Servers begin with a burst; one that goes on faster than time passes is held back.
            self._brought_s += len(piece) / self.rate
            too_far = self._brought_s - (time.monotonic() - self._live_since) - AHEAD_S
            if too_far > 0 and self._wait(too_far):
                return False
            while self.ring.free < len(piece):
                if self._wait(0.02):
                    return False
            self.ring.write(piece)
        self._heard_at = time.monotonic()
        self._check_speed(now, len(block) / self.rate)
        return not self._stop.is_set()

    def _wait(self, seconds: float) -> bool:
        """Wait while others decode; return whether the source was stopped."""
        self._lock.release()
        return self._stop.wait(seconds)

    def _check_speed(self, now: float, seconds: float) -> None:
        began, heard = self._window
        began = began or now
        self._window = (began, heard + seconds)
        if now - began > WINDOW_S:
            self._window = (now, 0.0)
            if heard < 2 / 3 * WINDOW_S:
                raise InputError(f"{self.name}: only {heard:.0f} s of audio in {now - began:.0f} s")


def _some(title: Title | None) -> list[Title]:
    return [] if title is None else [title]


def _require(url: str) -> None:
    """Raise :class:`InputError` where a URL can never be opened, by this FFmpeg or at all."""
    import av

    require_usable(url)
    scheme = url.split(":", 1)[0].lower()
    known = True
    if scheme.startswith("rtsp"):
        known = "rtsp" in av.formats_available
    elif scheme == "srt":
        try:
            av.open("srt:").close()
        except av.ProtocolNotFoundError:
            known = False
        except (av.FFmpegError, OSError):
            pass  # there is nothing to open, but it knew how
    if not known:
        raise InputError(
            f"{redacted(url)}: the FFmpeg in this PyAV is built without {scheme}; pipe the stream "
            f"in: `ffmpeg -loglevel error -i URL -f s16le -ac 2 -ar 44100 - | "
            "streamgenre listen --input -`"
        )


def _is_hls(way: str) -> bool:
    return way.lower().startswith("http")


def _open(way: IcyReader | str) -> Any:
    """Return PyAV's container."""
    if isinstance(way, IcyReader):
        return open_container(way, protocols=NO_PROTOCOL)
    if _is_hls(way):
        return open_container(
            way,
            protocols=_HLS_PROTOCOLS,
            allowed=("hls",),
            options=_HLS_OPTIONS,
            timeout_s=(TIMEOUT_S, _SEGMENT_S),
        )
    return open_container(
        way,
        protocols=_OTHER_PROTOCOLS,
        allowed=("rtsp", "rtp"),
        options=_OTHER_OPTIONS,
        timeout_s=(TIMEOUT_S, TIMEOUT_S),
    )
