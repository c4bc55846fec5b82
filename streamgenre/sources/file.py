"""Audio files, decoded with PyAV (FFmpeg's libraries, no program needed)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.ring import as_block
from streamgenre.sources.paced import Pace, PacedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

MIN_RATE: Final = 4_000
MAX_RATE: Final = 768_000
MAX_CHANNELS: Final = 64
_BLOCK_S: Final = 0.04
"""Seconds of audio in a block: short, so that real pace is even."""


def open_file(path: str | Path, *, pace: Pace = "real") -> PacedSource:
    """Return a source that plays an audio file.

    Raises
    ------
    InputError
        If the file cannot be read or has no audio in it.
    """
    file = Path(path).expanduser()
    damage = Damage()
    blocks = decode(file, damage)
    first = next(blocks, None)  # opened and tried here, so that errors come before the daemon runs
    if first is None:
        raise InputError(f"{file}: no audio could be decoded; the file is empty or damaged")
    rate, samples = first

    def all_blocks() -> Iterator[NDArray[np.float32]]:
        yield from _cut(samples, int(rate * _BLOCK_S))
        for _, block in blocks:
            yield from _cut(block, int(rate * _BLOCK_S))

    return PacedSource(
        file.name,
        rate,
        samples.shape[1],
        all_blocks(),
        pace=pace,
        real_time=pace == "real",
        ending=lambda: f"end of file{damage}",
    )


@dataclass(slots=True)
class Damage:
    """Counts what of a file could not be decoded."""

    packets: int = 0

    def __str__(self) -> str:
        return f" ({self.packets} damaged packets passed over)" if self.packets else ""


def decode(file: Path, damage: Damage | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the rate in Hz and blocks of shape ``(n, channels)`` of a file's first audio stream.

    Rate and channels stay those of the first block, whatever comes later in the file. Damaged
    packets are passed over; a file that breaks off ends there.
    """
    import av

    if not file.exists():
        raise InputError(f"{file}: no such file")
    if file.is_dir():
        raise InputError(f"{file}: is a folder; give an audio file in it")
    try:
        container = av.open(str(file), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        size = file.stat().st_size
        what = "the file is empty" if size == 0 else f"cannot be read as audio ({_words(error)})"
        raise InputError(f"{file}: {what}; expected a file that FFmpeg can decode") from error
    with container:
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise InputError(f"{file}: has no audio stream (found: {kinds})")
        stream = container.streams.audio[0]
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
        if not (MIN_RATE <= rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS):
            raise InputError(
                f"{file}: {channels} channels at {rate} Hz; expected 1 to {MAX_CHANNELS} channels "
                f"at {MIN_RATE} to {MAX_RATE} Hz"
            )
        yield from _decode_stream(container, stream, rate, damage or Damage())


def _decode_stream(
    container: Any, stream: Any, rate: int, damage: Damage
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    import av

    layout = stream.codec_context.layout.name
    resampler = av.AudioResampler(format="flt", layout=layout, rate=rate)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except (av.EOFError, av.InvalidDataError):
            if packet is None:
                return
            damage.packets += 1
            continue  # the next packet may be whole
        for frame in [*frames, *([None] if packet is None else [])]:
            for converted in resampler.resample(frame):
                samples = converted.to_ndarray().reshape(-1, converted.layout.nb_channels)
                if len(samples):
                    yield rate, as_block(samples)
        if packet is None:
            return


def _cut(block: NDArray[np.float32], samples: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(block), samples):
        yield block[start : start + samples]


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
