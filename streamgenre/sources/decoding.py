"""Decodes PyAV's packets to blocks of one rate and number of channels, for files and streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.errors import InputError
from streamgenre.logger import get_logger
from streamgenre.sources.conversion import (
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    Converter,
    Format,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

MIN_MISSING_S: Final = 0.1
"""A shorter jump of the timestamps of packets, in seconds, is rounding."""
_MIN_HOLE_S: Final = 0.05
"""A shorter jump of the timestamps of decoded samples, in seconds, is rounding."""
MAX_MISSING_S: Final = 30.0
"""A longer jump of the timestamps, in seconds, is a new time base."""
_LEAD_S: Final = 2.0
"""Seconds for which timestamps may lag behind what was decoded before they are believed again."""
_MAX_FRAME: Final = 1 << 21
"""Most samples of a frame, over all channels: 8 MB. Larger ones count as damaged."""
_MAX_RETRIES: Final = 1000
"""How often in a row reading is tried again after data that is no packet. Each try reads on: in
MPEG-TS by up to 64 kB."""
_LOUDEST: Final = 4.0
"""Largest sample of a lossy codec, where 1 is full scale: 12 dB more than any encoder makes of
audio that was not damaged."""

_log = get_logger(__name__)


@dataclass(slots=True)
class DamageCounter:
    """Counts packets that could not be decoded, or that the container has lost."""

    packets: int = 0
    missing_s: float = 0.0
    """Length in seconds of all that is missing, as far as it is known."""
    holes_s: float = 0.0
    """Seconds that are missing between packets, as their timestamps show."""
    last: bool = False
    """Whether the newest packet was damaged."""

    def __str__(self) -> str:
        plural = "s" * (self.packets != 1)
        parts = [f"{self.packets} damaged packet{plural} skipped"] if self.packets else []
        if self.holes_s:
            parts.append(f"{self.holes_s:.1f} s missing between packets")
        return f" ({', '.join(parts)})" if parts else ""

    def count_hole(self, seconds: float) -> None:
        """Count seconds that are missing between packets."""
        _log.debug("%.2f s are missing between two packets", seconds)
        self.holes_s += seconds
        self.missing_s += seconds

    def count(self, packet: Any, why: object) -> float:
        """Count a damaged packet; return its length in seconds, 0 where that is not known.

        Parameters
        ----------
        packet
            PyAV's packet.
        why
            What the decoder said.
        """
        _log.debug("skipped a damaged packet of %d bytes: %s", packet.size, why)
        self.packets += 1
        self.last = True
        seconds = 0.0
        if packet.duration and packet.duration > 0 and packet.time_base is not None:
            seconds = min(float(packet.duration * packet.time_base), MAX_MISSING_S)
        self.missing_s += seconds
        return seconds


def audio_stream(container: Any, name: str) -> tuple[Any, Format]:
    """Return a container's first audio stream and its format.

    Parameters
    ----------
    container
        PyAV's input container.
    name
        Name of the input in error messages.

    Raises
    ------
    InputError
        If there is no audio stream, or if its rate or number of channels is out of range.
    """
    if not container.streams.audio:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(f"{name}: has no audio stream (found: {kinds})")
    stream = container.streams.audio[0]
    codec = stream.codec_context
    if codec is None or not codec.sample_rate or not codec.channels:
        raise InputError(f"{name}: no decodable audio; expected a codec that FFmpeg knows")
    found = Format(codec.sample_rate, codec.channels)
    if not found.plausible:
        raise InputError(
            f"{name}: {found.channels} channels at {found.rate} Hz; expected 1 to {MAX_CHANNELS} "
            f"channels at {MIN_RATE} to {MAX_RATE} Hz"
        )
    if not codec.is_open:
        codec.options = {"max_samples": str(_MAX_FRAME)}
    return stream, found


def blocks(
    container: Any,
    stream: Any,
    wanted: Format,
    damage: DamageCounter,
    on_packet: Callable[[Any], None] | None = None,
    *,
    find_holes: bool = False,
) -> Iterator[NDArray[np.float32] | Gap]:
    """Yield a stream's samples in the wanted format, shape ``(n, channels)``, and gaps.

    Whatever goes wrong in the decoding of one packet damages that packet only: it is counted, and
    becomes a gap of its length before the next samples. So are samples of a lossy codec that are
    much too loud. Samples of another format are converted.

    Parameters
    ----------
    container, stream
        PyAV's input container and its audio stream.
    wanted
        Format of the blocks.
    damage
        Counts the damaged packets.
    on_packet
        Called with every packet before its samples are yielded, those of data streams included.
    find_holes
        Whether samples that are missing by the timestamps become gaps, too: a container drops
        damaged parts (pages of Ogg, clusters of Matroska) without a word.

    Raises
    ------
    av.FFmpegError
        If the container cannot be read further.
    """
    import av

    converter = Converter(wanted)
    codec = stream.codec_context.codec
    loudest = _LOUDEST if codec.lossy and not codec.lossless else None
    timeline = Timeline(_MIN_HOLE_S) if find_holes else None
    lost_s = 0.0  # before the next samples
    started = False
    for packet in _packets(container, [stream, *container.streams.data] if on_packet else [stream]):
        if on_packet is not None and packet.size:
            on_packet(packet)
        if packet.stream is not stream:
            continue
        try:
            frames = _decoded(packet)
        except av.FFmpegError as error:
            if packet.size:  # else the decoder was empty at the end
                damaged_s = damage.count(packet, error)
                lost_s += damaged_s
                if timeline is not None:
                    timeline.decoded(damaged_s, heard=False)
            continue
        damage.last = damage.last and not packet.size
        for frame in frames:
            if not Format(frame.sample_rate, frame.layout.nb_channels).plausible:
                lost_s += damage.count(packet, f"{frame.sample_rate} Hz")
                continue
            if timeline is not None:
                if hole_s := timeline.missing_s(frame):
                    damage.count_hole(hole_s)
                    lost_s += hole_s
                timeline.decoded(frame.samples / frame.sample_rate)
            try:
                for block in converter.convert(frame, loudest):
                    if lost_s and started:
                        yield Gap(round(lost_s * wanted.rate), GapReason.SOURCE)
                    lost_s, started = 0.0, True
                    yield block
            except (av.FFmpegError, ValueError) as error:
                lost_s += damage.count(packet, error)
    yield from converter.flush()


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """Yield the packets; data that is no packet is passed over, as long as others follow."""
    import av

    failed = 0
    while True:
        try:
            for packet in container.demux(streams):
                yield packet
                failed = 0
        except (av.InvalidDataError, BlockingIOError):  # the latter of MPEG-TS
            failed += 1
            if failed > _MAX_RETRIES:
                raise
        except IndexError:  # PyAV, at the end: streams were added while it read
            return
        else:
            return


def _decoded(packet: Any) -> list[Any]:
    """Return the frames of a packet; one without data ends the signal, and is given last."""
    import av

    try:
        frames: list[Any] = packet.decode()
    except av.EOFError:
        if not packet.size:
            return []
        # An empty packet within the stream made the decoder end.
        packet.stream.codec_context.flush_buffers()
        frames = packet.decode()
    return frames


class Timeline:
    """Finds missing audio: by the timestamps of packets, and the length of what was decoded.

    The packets' own length is not used. Where the format changes within a stream, FFmpeg states it,
    and the timestamps between those that the stream contains, at the rate of the old format:
    timestamps may lag behind for a while.

    Parameters
    ----------
    least_s
        A shorter jump of the timestamps, in seconds, is rounding.
    """

    def __init__(self, least_s: float = MIN_MISSING_S) -> None:
        self._least_s = least_s
        self._end: float | None = None  # end in seconds of what was decoded
        self._decoded = False
        self._lead = math.inf  # least seconds that it was ahead of the timestamps
        self._lead_since = 0.0  # timestamp in seconds

    def missing_s(self, packet: Any) -> float:
        """Return the seconds of audio missing before a packet or decoded frame.

        Timestamps that jump back or far ahead start a new time base: nothing is missing.
        """
        if packet.pts is None or packet.time_base is None:
            return 0.0
        start = float(packet.pts * packet.time_base)
        jump = 0.0 if self._end is None else start - self._end
        if self._end is None or jump >= 0.0 or jump < -MAX_MISSING_S:
            self._begin(start)
            if not self._decoded:  # a decoder may give its first samples late
                return 0.0
            return jump if self._least_s <= jump <= MAX_MISSING_S else 0.0
        self._lead = min(self._lead, -jump)
        if not 0.0 <= start - self._lead_since < _LEAD_S:
            self._begin(self._end - self._lead, start)  # it is not behind: another clock
        return 0.0

    def _begin(self, end: float, start: float | None = None) -> None:
        self._end = end
        self._lead = math.inf
        self._lead_since = end if start is None else start

    def decoded(self, seconds: float, *, heard: bool = True) -> None:
        """Add the length of samples that were decoded from the newest packet.

        Parameters
        ----------
        seconds
            Their length.
        heard
            False if they are known to be missing.
        """
        self._decoded = self._decoded or heard
        if self._end is not None:
            self._end += seconds


def split_block(block: NDArray[np.float32], samples: int) -> Iterator[NDArray[np.float32]]:
    """Yield a block in pieces of at most ``samples`` samples.

    Parameters
    ----------
    block
        Samples, shape ``(n,)`` or ``(n, channels)``.
    samples
        Most samples per channel in a piece, at least 1.
    """
    for start in range(0, len(block), samples):
        yield block[start : start + samples]


def error_text(error: Exception) -> str:
    """Return the error message of FFmpeg or the system, without the path or URL."""
    return str(getattr(error, "strerror", None) or error)
