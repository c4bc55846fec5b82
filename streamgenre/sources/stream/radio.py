"""Radio streams: Icecast and Shoutcast over HTTP, HLS, RTSP and SRT.

A thread connects, decodes with PyAV and fills the ring. After any error (refused, ended, stalled,
not audio) the state is ``lost``, and the thread retries with growing pauses. Connections by HTTP,
those of HLS included, are made by this package; FFmpeg makes those by RTSP and SRT.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.fair_lock import Participant
from streamgenre.audio.ring import Gap, GapReason, Ring
from streamgenre.errors import InputError
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import Source
from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.decoding import Blocks, audio_stream, error_text, split_block
from streamgenre.sources.faults import as_input_error, fault_text
from streamgenre.sources.links import LimitedReader
from streamgenre.sources.stream.arrival import Arrival
from streamgenre.sources.stream.connecting import Candidates, Connector, reason
from streamgenre.sources.stream.icy_reader import IcyReader
from streamgenre.sources.stream.opening import open_stream, require_supported
from streamgenre.sources.stream.settings import DEFAULTS
from streamgenre.sources.stream_info import stream_info
from streamgenre.sources.tags import id3_title, stream_title
from streamgenre.sources.timeline import Timeline
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.conversion import Format
    from streamgenre.sources.stream.opening import Reader, Stream
    from streamgenre.sources.stream.settings import StreamSettings
    from streamgenre.sources.titles import Title

TIMEOUT_S: Final = 10.0
"""Seconds a server may take to answer, and then to send data."""
SILENT_S: Final = 40.0
"""Seconds without decoded audio after which a stream is lost although packets arrive."""
BACKOFF_S: Final = (1.0, 120.0)
"""First and longest pause in seconds between attempts."""
RING_S: Final = 3.0
"""Length of the ring in seconds: a full one loses nothing, since the server then waits."""
_JOINED_S: Final = 1.0
"""Longest audio in seconds that is converted at once; none of it waits while data is read."""
_MAX_HEADER: Final = 1 << 24
"""Bytes without audio that may precede audio: headers, pictures, tags."""


class RadioSource(Source):
    """Receives a stream until it is stopped.

    Parameters
    ----------
    url
        URL of the stream, or of a station list.
    name
        Name of the input; None for the URL without credentials.
    settings
        How the stream is requested and read.
    others
        Further URLs of the same station, tried if the first does not play.
    """

    real_time = True
    live = True
    notifies = True

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        settings: StreamSettings = DEFAULTS,
        others: Sequence[str] = (),
    ) -> None:
        super().__init__(name or redacted(url))
        self._urls = (url, *others)
        self._settings = settings
        self._decoder = TextDecoder(settings.charset)
        self._stop = threading.Event()
        self._reader: Reader | None = None
        self._format: Format | None = None
        self._arrival = Arrival(self.name)
        self._waiting_since = 0.0  # monotonic seconds of the newest packet
        self._titles: list[Title] = []  # due at the next samples
        self._title: Title | None = None
        self._missing_s = 0.0  # before the next samples
        self._backoff = Backoff(*BACKOFF_S)
        self._lock = Participant()
        self._connector = Connector(self.name, settings, self._lock, self._decoder, self.lacking_s)
        self._thread = threading.Thread(target=self._supervise, name="radio", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        require_supported(self._urls[0])
        self._thread.start()

    def interrupt(self) -> None:
        """See :meth:`Source.interrupt`; FFmpeg's own connections cannot be interrupted."""
        reader = self._reader
        if reader is not None:
            reader.abort()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        reader = self._reader
        if reader is not None:
            reader.abort()
        if self._thread.is_alive():
            self._thread.join(timeout=0.5)
            self._end()  # FFmpeg may still wait for a server: the thread is abandoned

    def _supervise(self) -> None:
        try:
            self._stop.wait(self.start_after_s)
            while not self._stop.is_set():
                self._backoff.begin()
                why = self.attempt()
                if self._stop.is_set():
                    break
                self.set_state("lost", why)
                # A stream that is there and brings nothing new has not been stable.
                self._stop.wait(self._backoff.next_s(self._arrival.received_s))
        except Exception as error:  # noqa: BLE001 - the engine raises it
            self.failure = as_input_error(error, self.name)
        finally:
            self._end()

    def _end(self) -> None:
        self.set_state("ended", "stopped" if self.failure is None else str(self.failure))
        if self.ring is not None:
            self.ring.close()

    def attempt(self) -> str:
        """Receive the stream until it is lost; return the reason.

        The addresses of a station list are tried in their order until one plays.
        """
        self._arrival.received_s = 0.0
        tried: list[tuple[str, str]] = []
        candidates = Candidates(self._urls)
        for url in candidates:
            why = self._receive(url, candidates)
            if self._arrival.received_s or self._stop.is_set():
                return why
            if why:
                tried.append((url, why))
                if self.state == "connecting":  # the next address may take as long
                    self.set_state("lost", why)
        return reason(tried, self.name)

    def _receive(self, url: str, candidates: Candidates) -> str:
        """Receive the stream at an address; return why it ended, or "" for a list."""
        import av

        damage = DamageCounter()
        self._reader = None
        self._titles.clear()
        try:
            opened = self._connector.open(url, candidates.own, TIMEOUT_S)
            if isinstance(opened, list):
                candidates.add(opened, self.name)
                return ""
            self.may_be_microphone |= isinstance(opened, str)
            reader = self._reader = None if isinstance(opened, str) else opened
            self._waiting_since = time.monotonic()
            self._arrival.connected()
            while self._decode(opened, damage):
                if reader is None or not reader.next_link():
                    return f"{self.name}: the stream ended{damage}"
                self._missing_s += self._arrival.plausible_s(reader.missing_s)
        except InputError as error:
            return str(error)
        except av.ExitError:  # FFmpeg was interrupted
            waited_s = time.monotonic() - self._waiting_since
            return f"{self.name}: nothing for {waited_s:.0f} s"
        except av.FFmpegError as error:  # before TimeoutError: its text would contain the URL
            return f"{self.name}: cannot be played ({error_text(error)})"
        except TimeoutError as error:
            return f"{self.name}: {error}"
        except (OSError, ValueError) as error:
            return f"{self.name}: cannot be played ({error_text(error)})"
        except Exception as error:  # noqa: BLE001 - a bug must not end a station
            return fault_text(error, self.name)
        finally:
            self._lock.release()
            if self._reader is not None:
                self._reader.close()
        return "stopped"

    # ---- decoding -------------------------------------------------------------------------------

    def _decode(self, opened: Stream, damage: DamageCounter) -> bool:
        """Decode a stream, or one link of it; return False if the source was stopped."""
        decoded = False
        reader = self._reader
        joining: list[Blocks] = []

        def read(size: int) -> bytes:
            """Read on, once everything that was decoded is in the ring."""
            write_joined()
            return reader.read(size) if reader else b""

        def write_joined() -> None:
            for each in joining:
                take(each.joined())

        limited = LimitedReader(read, _MAX_HEADER, self.name)
        source = opened if isinstance(opened, str) else limited
        with open_stream(source, self.name, TIMEOUT_S, self._settings) as container:
            stream, found = audio_stream(container, self.name)
            info = stream_info(container, stream, self._headers())
            self.info = replace(info, seconds=None)  # FFmpeg may state that of one segment
            if reader is not None:  # RTSP has the station's name instead
                self._titles += _as_list(stream_title({**container.metadata, **stream.metadata}))

            timeline = Timeline(stream.time_base)
            heard_at = time.monotonic()
            damaged_s = damage.missing_s

            def on_packet(packet: Any) -> None:
                nonlocal damaged_s
                if damage.missing_s > damaged_s:  # it becomes a gap of its own
                    timeline.decoded(damage.missing_s - damaged_s)
                    damaged_s = damage.missing_s
                self._waiting_since = time.monotonic()
                if self._waiting_since - heard_at > SILENT_S:
                    raise TimeoutError(f"no audio for {SILENT_S:g} s in what it sends")
                if packet.stream is not stream:
                    announce(_as_list(id3_title(bytes(packet))))
                    return
                if reader is not None:
                    announce(reader.titles_until(packet.pos))
                if not direct:  # segments or datagrams may be missing
                    self._missing_s += timeline.missing_s(packet)

            def announce(titles: list[Title]) -> None:
                if titles:
                    write_joined()  # what comes before them
                    self._titles += titles

            def take(items: Iterable[NDArray[np.float32] | Gap]) -> bool:
                """Write blocks to the ring; return False if the source was stopped."""
                nonlocal decoded, heard_at
                for item in items:
                    if isinstance(item, Gap):
                        self._missing_s += self._arrival.plausible_s(item.samples / self.rate)
                        continue
                    decoded = True
                    timeline.decoded(len(item) / self.rate)
                    if not self._write(item):
                        return False
                    heard_at = time.monotonic()
                    limited.audio_decoded()
                    if reader is not None:
                        reader.audio_decoded()
                return True

            direct = isinstance(reader, IcyReader)
            joining.append(
                Blocks(
                    container, stream, self._wanted(found), damage, on_packet,
                    find_holes=direct, joined_s=_JOINED_S if direct else 0.0,
                )
            )  # fmt: skip
            if not take(joining[0]) or self._stop.is_set():
                return False
        if not decoded:
            raise InputError(f"{self.name}: no audio could be decoded{damage}")
        return True

    def _headers(self) -> dict[str, str]:
        """Return the station's headers, decoded: a head is read as Latin-1."""
        sent = self._reader.headers if self._reader else {}
        return {
            name: self._decoder.decode(value.encode("latin-1"))
            for name, value in sent.items()
            if name.startswith("icy-")
        }

    def _wanted(self, found: Format) -> Format:
        """Return the format of the first connection, which the ring and the sample clock keep."""
        if self._format is None:
            self._format = found.bounded()
            self.rate, self.channels = self._format.rate, self._format.channels
        return self._format

    # ---- writing to the ring --------------------------------------------------------------------

    def _write(self, block: NDArray[np.float32]) -> bool:
        """Write decoded samples to the ring; return False if the source was stopped."""
        if self._stop.is_set():
            return False
        now = time.monotonic()
        if self.ring is None:
            self.ring = Ring(int(self.rate * RING_S), self.channels)
        if self.state != "live":
            newest = self._arrival.newest_at
            if newest is not None:
                self.ring.mark_lost(int((now - newest) * self.rate), GapReason.RECONNECT)
                self._title = None  # a new connection must announce its title again
            self.set_state("live")
            self._backoff.begin()
            self._arrival.live(now)
        elif self._missing_s:
            self.ring.mark_lost(int(self._missing_s * self.rate), GapReason.SOURCE)
        self._missing_s = 0.0
        for title in self._titles:
            if title != self._title:  # stations repeat themselves
                self._title = title
                self.announce(title)
        self._titles.clear()
        arrived = self._reader.read_at if isinstance(self._reader, IcyReader) else None
        for piece in split_block(block, int(_JOINED_S * self.rate)):
            early_s = self._arrival.early_s(len(piece) / self.rate)
            if early_s > 0 and self._wait(early_s):
                return False
            while self.ring.free < len(piece):
                self.notify()
                arrived = None
                if self._wait(0.02):
                    return False
            self.ring.write(piece, arrived)
            self.notify()
        self._arrival.check_speed(now, len(block) / self.rate)
        return not self._stop.is_set()

    def _wait(self, seconds: float) -> bool:
        """Wait while other threads decode; return whether the source was stopped."""
        self._lock.release()
        return self._stop.wait(seconds)


def _as_list(title: Title | None) -> list[Title]:
    return [] if title is None else [title]
