"""Decodes audio files with PyAV, which contains FFmpeg's libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.errors import InputError
from streamgenre.sources.container import open_container
from streamgenre.sources.decoding import DamageCounter, Format, audio_stream, blocks, error_text
from streamgenre.sources.stream_info import stream_info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.stream_info import StreamInfo


def decode(
    file: Path, damage: DamageCounter | None = None, wanted: Format | None = None
) -> Iterator[tuple[Format, NDArray[np.float32]]]:
    """Yield the format and the blocks, shape ``(n, channels)``, of a file's first audio stream.

    Damaged packets are skipped; a truncated file is decoded as far as it goes.

    Parameters
    ----------
    file
        The file.
    damage
        Counts the damaged packets; None if the count is not needed.
    wanted
        Format of the blocks; None for the format at the start of the file, which is kept even if
        the format changes within the file.

    Raises
    ------
    InputError
        If the file cannot be read to its end.
    """
    import av

    with _open(file) as container:
        stream, found = audio_stream(container, str(file))
        wanted = wanted or found
        try:
            for block in blocks(container, stream, wanted, damage or DamageCounter()):
                yield wanted, block
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{file}: cannot be read to its end ({error_text(error)})") from error


def describe(file: Path) -> StreamInfo:
    """Return the properties of a file; raises the same errors as :func:`decode`."""
    with _open(file) as container:
        return stream_info(container, audio_stream(container, str(file))[0])


def _open(file: Path) -> Any:
    """Return PyAV's container of a file."""
    import av

    if not file.exists():
        raise InputError(f"{file}: no such file")
    if file.is_dir():
        raise InputError(f"{file}: is a folder; expected an audio file")
    try:
        return open_container(file, formats=("hls",))
    except InputError as error:
        raise InputError(f"{file}: {error}; expected a file that FFmpeg can decode") from error
    except (av.FFmpegError, OSError) as error:
        size = file.stat().st_size
        empty = file.is_file() and size == 0
        what = "the file is empty" if empty else f"cannot be read as audio ({error_text(error)})"
        raise InputError(f"{file}: {what}; expected a file that FFmpeg can decode") from error
