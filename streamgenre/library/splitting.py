"""Cuts a file into pieces of equal length, each in the folder of its genre."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from streamgenre.errors import InputError
from streamgenre.library import placing
from streamgenre.library.hearing import file_hash
from streamgenre.library.journal import Journal, Step
from streamgenre.library.sorting import UNKNOWN, folder_of
from streamgenre.sources.decoding import error_text
from streamgenre.sources.files.file import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.library.results import FileResult

LEAST_S: Final = 1.0
"""Shortest length of a piece in seconds; a shorter rest is left out."""
_LAYOUTS: Final = dict(
    enumerate(("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"), start=1)
)
"""Channel layouts of FLAC by number of channels."""
_MAX_CHANNELS: Final = len(_LAYOUTS)


def genre_between(result: FileResult, start: float, end: float) -> str:
    """Return the genre, else the state, of most of a part of a file.

    Parameters
    ----------
    result
        What was heard in the file.
    start, end
        The part in seconds.
    """
    shares: defaultdict[str, float] = defaultdict(float)
    for stretch in result.segments:
        overlap = min(end, stretch.end) - max(start, stretch.start)
        if overlap > 0:
            shares[stretch.genre or stretch.state] += overlap
    return max(shares, key=lambda name: shares[name]) if shares else UNKNOWN


def split(result: FileResult, target: Path, seconds: float, journal: Journal) -> list[Path]:
    """Write the pieces of a file as 16-bit FLAC; return their paths.

    Parameters
    ----------
    result
        What was heard in the file, which stays as it is.
    target
        Folder of the genres' folders.
    seconds
        Length of a piece in seconds; the last may be shorter.
    journal
        Takes every new file first.

    Raises
    ------
    InputError
        If the file cannot be read or a piece cannot be written.
    """
    pieces: list[Path] = []
    try:
        cutter = _Cutter(result.path, seconds)
        while cutter.has_more and result.seconds - cutter.pieces * seconds >= LEAST_S:
            start = cutter.pieces * seconds
            genre = genre_between(result, start, start + seconds)
            minutes, rest = divmod(round(start), 60)
            name = placing.shortened(result.path.stem, f" {minutes:02d}m{rest:02d}s.flac")
            folder = target.absolute() / folder_of(genre)
            path = placing.free_name(folder, name, set())
            with placing.unfinished(path) as temporary:
                _encode(temporary, cutter.piece(), cutter.rate)
                there = placing.same_content(folder, name, temporary)
                if there is not None:
                    temporary.unlink()
                else:
                    source = os.fspath(result.path.absolute())
                    journal.write(Step("write", source, os.fspath(path), file_hash(temporary)))
            pieces.append(there or path)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{result.path}: not split ({error_text(error)})") from error
    return pieces


class _Cutter:
    """Decodes a file and hands out its blocks piece by piece, so that none is held as a whole."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._blocks = iter(decode(path))
        self._rest: NDArray[np.float32] | None = None
        self.rate = 0
        self.pieces = 0
        self._next()
        self._samples = max(1, round(seconds * self.rate))

    @property
    def has_more(self) -> bool:
        return self._rest is not None

    def _next(self) -> None:
        self._rest = None
        for wanted, block in self._blocks:
            self.rate = wanted.rate
            if len(block):
                self._rest = block
                return

    def piece(self) -> Iterator[NDArray[np.float32]]:
        missing = self._samples
        self.pieces += 1
        while missing and self._rest is not None:
            block = self._rest[:missing]
            missing -= len(block)
            yield block
            self._rest = self._rest[len(block) :]
            if not len(self._rest):
                self._next()


def _encode(path: Path, blocks: Iterator[NDArray[np.float32]], rate: int) -> None:
    with av.open(path, "w", format="flac") as container:
        stream: Any = None
        for block in blocks:
            mixed = block.shape[1] > _MAX_CHANNELS
            samples = block.mean(axis=1, keepdims=True) if mixed else block
            layout = _LAYOUTS[samples.shape[1]]
            if stream is None:
                stream = container.add_stream("flac", rate=rate, layout=layout)
            pcm = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
            frame: Any = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
