"""Decodes PyAV's packets to blocks of one rate and channel layout, for files and streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.ring import as_block
from streamgenre.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

MIN_RATE: Final = 4_000
MAX_RATE: Final = 768_000
MAX_CHANNELS: Final = 64
MIN_MISSING_S: Final = 0.1
"""A shorter jump of the timestamps, in seconds, is rounding."""
MAX_MISSING_S: Final = 30.0
"""A longer jump of the timestamps, in seconds, is a new time base."""


@dataclass(slots=True)
class DamageCounter:
    """Counts packets that could not be decoded."""

    packets: int = 0

    def __str__(self) -> str:
        plural = "s" * (self.packets != 1)
        return f" ({self.packets} damaged packet{plural} skipped)" if self.packets else ""


@dataclass(frozen=True, slots=True)
class Format:
    """Sample rate and channel layout of blocks."""

    rate: int
    """Samples a second."""
    layout: str
    """FFmpeg's name of the channel layout, for example ``stereo``."""


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
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if rate == 0 or channels == 0:
        raise InputError(f"{name}: no decodable audio; expected a codec that FFmpeg knows")
    if not (MIN_RATE <= rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS):
        raise InputError(
            f"{name}: {channels} channels at {rate} Hz; expected 1 to {MAX_CHANNELS} channels "
            f"at {MIN_RATE} to {MAX_RATE} Hz"
        )
    return stream, Format(rate, stream.codec_context.layout.name)


def blocks(
    container: Any,
    stream: Any,
    wanted: Format,
    damage: DamageCounter,
    on_packet: Callable[[Any], None] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Yield a stream's samples in the wanted format, shape ``(n, channels)``.

    Damaged packets are counted and skipped. If the rate or layout changes within the stream, the
    samples are converted.

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
    """
    import av

    converter = _Converter(wanted)
    packets = container.demux([stream, *container.streams.data] if on_packet else stream)
    while True:
        packet = None
        try:
            packet = next(packets, None)
            if packet is not None and on_packet is not None:
                on_packet(packet)
                if packet.stream is not stream:
                    continue
            frames = [] if packet is None else packet.decode()
        except (av.EOFError, av.InvalidDataError):
            damage.packets += packet is not None
            if packet is None:
                return
            continue  # the next packet may be intact
        for frame in frames:
            yield from converter.convert(frame)
        if packet is None:
            yield from converter.flush()
            return


class _Converter:
    """PyAV's resampler, replaced whenever the format of the frames changes."""

    def __init__(self, wanted: Format) -> None:
        import av

        self._wanted = wanted
        self._channels = av.AudioLayout(wanted.layout).nb_channels
        self._format: tuple[Any, ...] = ()
        self._resampler: Any = None

    def convert(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        import av

        if self._is_wanted(frame):
            yield from self.flush()
            yield frame.to_ndarray().T
            return
        of_frame = (frame.sample_rate, frame.layout.name, frame.format.name)
        if of_frame != self._format:
            yield from self.flush()
            self._format = of_frame
            mono = 1 in (self._channels, frame.layout.nb_channels)
            self._resampler = av.AudioResampler(
                format="flt",
                layout=frame.layout.name if mono else self._wanted.layout,
                rate=self._wanted.rate,
            )
        frame.pts = None  # a jump of the timestamps must not make the resampler pad or cut
        yield from self._blocks(frame)

    def _is_wanted(self, frame: Any) -> bool:
        """Whether a frame needs no conversion; most decoders produce planar floats."""
        return bool(
            frame.format.name == "fltp"
            and frame.sample_rate == self._wanted.rate
            and frame.layout.name == self._wanted.layout
        )

    def flush(self) -> Iterator[NDArray[np.float32]]:
        if self._resampler is not None:
            yield from self._blocks(None)
            self._resampler = None

    def _blocks(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        for converted in self._resampler.resample(frame):
            samples = converted.to_ndarray().reshape(-1, converted.layout.nb_channels)
            if len(samples):
                yield as_block(_fit(samples, self._channels))


def _fit(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Convert from or to mono by the mean, since FFmpeg would change the level."""
    if samples.shape[1] == channels:
        return samples
    mono: NDArray[np.float32] = samples.mean(axis=1, keepdims=True)
    return mono.repeat(channels, axis=1)


class Timeline:
    """Finds missing audio by the timestamps of packets."""

    def __init__(self) -> None:
        self._end: float | None = None  # end of the newest packet in seconds

    def missing_s(self, packet: Any) -> float:
        """Return the seconds of audio missing before a packet.

        Timestamps that jump back or far ahead start a new time base: nothing is missing.
        """
        if packet.pts is None or not packet.duration or packet.time_base is None:
            return 0.0
        start, end = float(packet.pts * packet.time_base), self._end
        self._end = start + float(packet.duration * packet.time_base)
        jump = 0.0 if end is None else start - end
        return jump if MIN_MISSING_S <= jump <= MAX_MISSING_S else 0.0


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
