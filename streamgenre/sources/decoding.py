"""Decodes PyAV's packets to blocks of one rate and number of channels, for files and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.sources.conversion import (
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    Converter,
    Format,
)
from streamgenre.sources.joining import JoinedFrames
from streamgenre.sources.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.audio.ring import Gap
    from streamgenre.sources.damage import DamageCounter

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


class Blocks:
    """A stream's samples in the wanted format, shape ``(n, channels)``, and gaps; iterated once.

    Whatever goes wrong in the decoding of one packet damages that packet only: it is counted, and
    becomes a gap of its length before the next samples. So are samples of a lossy codec that are
    much too loud. Samples of another format are converted.

    The iteration raises :class:`av.FFmpegError` if the container cannot be read further.

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
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        wanted: Format,
        damage: DamageCounter,
        on_packet: Callable[[Any], None] | None = None,
        *,
        find_holes: bool = False,
        joined_s: float = 0.0,
    ) -> None:
        codec = stream.codec_context.codec
        loudest = _LOUDEST if codec.lossy and not codec.lossless else None
        self._container, self._stream, self._wanted = container, stream, wanted
        self._damage, self._on_packet, self._joined_s = damage, on_packet, joined_s
        self._frames = JoinedFrames(Converter(wanted), damage, loudest, wanted.rate)
        self._timeline = Timeline(stream.time_base, _MIN_HOLE_S) if find_holes else None

    def joined(self) -> Iterator[NDArray[np.float32] | Gap]:
        """Yield what is joined so far, for a read by the container that has to wait."""
        return self._frames.convert()

    def __iter__(self) -> Iterator[NDArray[np.float32] | Gap]:
        frames, stream, on_packet = self._frames, self._stream, self._on_packet
        streams = [stream, *self._container.streams.data] if on_packet else [stream]
        try:
            for packet in _packets(self._container, streams):
                if on_packet is not None and packet.size:
                    on_packet(packet)
                if packet.stream is stream:
                    yield from self._decode(packet)
                    if frames.full(self._joined_s):
                        yield from frames.convert()
        except Exception:  # of the container: what was decoded before it is heard
            yield from frames.convert()
            raise
        yield from frames.convert()
        yield from frames.end()

    def _decode(self, packet: Any) -> Iterator[NDArray[np.float32] | Gap]:
        """Add the frames of a packet to those that are joined; yield what cannot be joined."""
        import av

        frames, timeline = self._frames, self._timeline
        try:
            decoded = _decoded(packet)
        except av.FFmpegError as error:
            if packet.size:  # else the decoder was empty at the end
                yield from frames.convert()
                damaged_s = self._damage.count(packet, error)
                frames.lost_s += damaged_s
                if timeline is not None:
                    timeline.decoded(damaged_s, heard=False)
            return
        self._damage.last = self._damage.last and not packet.size
        for frame in decoded:
            if timeline is not None:
                if hole_s := timeline.missing_s(frame):
                    yield from frames.convert()
                    self._damage.count_hole(hole_s)
                    frames.lost_s += hole_s
                timeline.decoded(frame.samples / (frame.sample_rate or self._wanted.rate))
            if not frames.add(packet, frame):
                yield from frames.convert()
                frames.begin(packet, frame)


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
