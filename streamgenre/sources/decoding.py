"""Decodes PyAV's packets to blocks of one rate and number of channels, for files and streams."""

from __future__ import annotations

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
from streamgenre.sources.timeline import MAX_MISSING_S, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

_MIN_HOLE_S: Final = 0.05
"""A shorter jump of the timestamps of decoded samples, in seconds, is rounding."""
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
    joined_s: float = 0.0,
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
    joined_s
        Packets are joined to blocks of at least so many seconds, which costs less; 0 to yield the
        samples of each packet before the next one is read.

    Raises
    ------
    av.FFmpegError
        If the container cannot be read further.
    """
    import av

    codec = stream.codec_context.codec
    loudest = _LOUDEST if codec.lossy and not codec.lossless else None
    frames = _Frames(Converter(wanted), damage, loudest, wanted.rate)
    timeline = Timeline(stream.time_base, _MIN_HOLE_S) if find_holes else None
    try:
        for packet in _packets(
            container, [stream, *container.streams.data] if on_packet else [stream]
        ):
            if on_packet is not None and packet.size:
                on_packet(packet)
            if packet.stream is not stream:
                continue
            try:
                decoded = _decoded(packet)
            except av.FFmpegError as error:
                if packet.size:  # else the decoder was empty at the end
                    yield from frames.convert()
                    damaged_s = damage.count(packet, error)
                    frames.lost_s += damaged_s
                    if timeline is not None:
                        timeline.decoded(damaged_s, heard=False)
                continue
            damage.last = damage.last and not packet.size
            for frame in decoded:
                if timeline is not None:
                    if hole_s := timeline.missing_s(frame):
                        yield from frames.convert()
                        damage.count_hole(hole_s)
                        frames.lost_s += hole_s
                    timeline.decoded(frame.samples / (frame.sample_rate or wanted.rate))
                if not frames.add(packet, frame):
                    yield from frames.convert()
                    frames.begin(packet, frame)
            if frames.seconds >= joined_s:
                yield from frames.convert()
    except Exception:  # of the container: what was decoded before it is heard
        yield from frames.convert()
        raise
    yield from frames.convert()
    yield from frames.end()


class _Frames:
    """Decoded frames of one format that are converted together.

    Parameters
    ----------
    converter
        Converts them.
    damage
        Counts the damaged packets.
    loudest
        Largest sample that can be audio, where 1 is full scale; None for no limit.
    rate
        Rate of the blocks in Hz.
    """

    def __init__(
        self, converter: Converter, damage: DamageCounter, loudest: float | None, rate: int
    ) -> None:
        self.lost_s = 0.0
        """Seconds that are missing before the next samples."""
        self.seconds = 0.0
        """Length of the frames that wait."""
        self._converter, self._damage, self._loudest = converter, damage, loudest
        self._rate = rate
        self._started = False
        self._waiting: list[tuple[Any, Any]] = []  # packets and frames
        self._format: tuple[Any, ...] = ()  # of those

    def add(self, packet: Any, frame: Any) -> bool:
        """Add a frame; return False where those before it have another format.

        Parameters
        ----------
        packet, frame
            PyAV's packet and a frame that was decoded from it.
        """
        if (frame.sample_rate, frame.layout.nb_channels, frame.format.name) != self._format:
            return False
        self._waiting.append((packet, frame))
        self.seconds += frame.samples / self._format[0]
        return True

    def begin(self, packet: Any, frame: Any) -> None:
        """Begin with a frame of another format; an implausible one counts as damaged.

        Parameters
        ----------
        packet, frame
            PyAV's packet and a frame that was decoded from it.
        """
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if Format(rate, channels).plausible:
            self._format = (rate, channels, frame.format.name)
            self.add(packet, frame)
        else:
            self._format = ()
            self.lost_s += self._damage.count(packet, f"{rate} Hz")

    def convert(self) -> Iterator[NDArray[np.float32] | Gap]:
        """Yield the samples of the frames that wait, and the gap before them."""
        import av

        waiting, self._waiting, self.seconds = self._waiting, [], 0.0
        if not waiting:
            return
        try:
            yield from self._converted([frame for _, frame in waiting])
        except (av.FFmpegError, ValueError) as error:
            if len(waiting) == 1:
                self.lost_s += self._damage.count(waiting[0][0], error)
                return
            for one in waiting:
                self._damage.last = False
                self._waiting = [one]
                yield from self.convert()

    def _converted(self, frames: list[Any]) -> Iterator[NDArray[np.float32] | Gap]:
        for block in self._converter.convert(frames, self._loudest):
            if self.lost_s and self._started:
                yield Gap(round(self.lost_s * self._rate), GapReason.SOURCE)
            self.lost_s, self._started = 0.0, True
            yield block

    def end(self) -> Iterator[NDArray[np.float32]]:
        """Yield what the converter held back at the end."""
        yield from self._converter.flush()


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
