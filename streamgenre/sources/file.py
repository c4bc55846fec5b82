"""Audio files, decoded with PyAV (FFmpeg's libraries, no program needed)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.decoding import Damage, Format, audio_stream, blocks, cut, words
from streamgenre.sources.paced import Pace, PacedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_BLOCK_S: Final = 0.04
"""Seconds of audio in a block: short, so that real pace is even."""


def open_file(path: str | Path, *, pace: Pace = "real") -> PacedSource:
    """Return a source that plays an audio file.

    Raises
    ------
    InputError
        If the file cannot be read or has no audio in it.
    """
    file = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's fails for unknown users
    damage = Damage()
    decoded = decode(file, damage)
    first = next(decoded, None)  # opened and tried here, so that errors come before the daemon runs
    if first is None:
        raise InputError(f"{file}: no audio could be decoded; the file is empty or damaged")
    wanted, samples = first
    short = int(wanted.rate * _BLOCK_S)

    def short_blocks() -> Iterator[NDArray[np.float32]]:
        yield from cut(samples, short)
        for _, block in decoded:
            yield from cut(block, short)

    return PacedSource(
        os.fsencode(file.name).decode(errors="replace"),
        wanted.rate,
        samples.shape[1],
        short_blocks(),
        pace=pace,
        real_time=pace == "real",
        ending=lambda: f"end of file{damage}",
    )


def decode(
    file: Path, damage: Damage | None = None
) -> Iterator[tuple[Format, NDArray[np.float32]]]:
    """Yield the format and blocks of shape ``(n, channels)`` of a file's first audio stream.

    The format stays that of the beginning, whatever comes later in the file. Damaged packets are
    passed over; a file that breaks off ends there.
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
        empty = file.is_file() and size == 0
        what = "the file is empty" if empty else f"cannot be read as audio ({words(error)})"
        raise InputError(f"{file}: {what}; expected a file that FFmpeg can decode") from error
    with container:
        stream, wanted = audio_stream(container, str(file))
        for block in blocks(container, stream, wanted, damage or Damage()):
            yield wanted, block
