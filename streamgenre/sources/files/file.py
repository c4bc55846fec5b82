"""Decodes audio files with PyAV, which contains FFmpeg's libraries."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.sources.container import open_container
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.decoding import Blocks, audio_stream, error_text
from streamgenre.sources.files.ending import Ending
from streamgenre.sources.files.local_hls import open_local_hls
from streamgenre.sources.files.parts import PartReader, parts_of
from streamgenre.sources.links import LinkReader, splitter_of
from streamgenre.sources.stream_info import stream_info
from streamgenre.sources.tags import stream_title
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.conversion import Format
    from streamgenre.sources.stream_info import StreamInfo

_KINDS: Final = (
    (stat.S_ISFIFO, "is a named pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a disk or another block device"),
)
"""What is in the file system but is not a file, in words."""
_JOINED_S: Final = 0.5
"""Seconds of audio in a block: each costs some Python, whatever its length."""
_MAX_FAILED: Final = 100
"""Links that cannot be played, after which the rest of a file is given up."""


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
    player = FilePlayer(file, damage or DamageCounter(), wanted)
    for item in player.items():
        if not isinstance(item, Gap | Title):
            assert player.format is not None
            yield player.format, item
    if player.error is not None:
        raise player.error


class FilePlayer:
    """Decodes a file, with all pieces of audio ("links") that follow each other in it.

    Parameters
    ----------
    file
        The file.
    damage
        Counts the damaged packets.
    wanted
        Format of the blocks; None for that of the start of the file, within the bounds of
        :meth:`~streamgenre.sources.conversion.Format.bounded`.
    """

    def __init__(self, file: Path, damage: DamageCounter, wanted: Format | None = None) -> None:
        self.format = wanted
        """Format of the blocks; None before the first."""
        self.error: InputError | None = None
        """Why the rest of the file could not be read, after audio was heard."""
        self.shortfall = ""
        """How the file ended before its end, for people; empty if it is whole."""
        self._file = file
        self._damage = damage
        self._heard = False
        self._failed = 0  # links that cannot be played

    def items(self) -> Iterator[NDArray[np.float32] | Gap | Title]:
        """Yield blocks, gaps where packets are damaged, and the title of each further link.

        Raises
        ------
        InputError
            If the file cannot be opened or holds no audio that can be decoded.
        """
        for number, container in enumerate(self._links()):
            with container:
                yield from self._link(container, announce=number > 0)
        self.shortfall = self._ending.shortfall(last_damaged=self._damage.last)

    def _links(self) -> Iterator[Any]:
        """Yield the container of each link; those after the first may fail."""
        _require_file(self._file)
        with _opened(self._file) as file:
            parts = parts_of(file)
            self._ending = Ending(file, parts[-1])
            file.seek(0)
            splitter = splitter_of(file.read(8))
            if splitter is None and len(parts) == 1:
                yield from self._unsplit()
                return
            for part in parts:
                file.seek(part.start)
                if splitter is None:
                    yield from self._next(PartReader(file, part))
                    continue
                reader = LinkReader(file.read, splitter)
                yield from self._next(reader)
                while self._failed < _MAX_FAILED and reader.next_link():
                    yield from self._next(reader)
                if not reader.complete:
                    self._ending.mark_incomplete()

    def _unsplit(self) -> Iterator[Any]:
        hls = open_local_hls(self._file)
        if hls is None:
            yield _open(self._file)
            return
        yield from self._next(hls)
        while hls.next_link():
            yield from self._next(hls)

    def _next(self, source: Any) -> Iterator[Any]:
        """Yield the container of a link; one that cannot be opened is noted."""
        try:
            container = _open(self._file, source)
        except InputError as error:
            self._failed += 1
            if not self._heard:
                raise
            self.error = self.error or error
        else:
            yield container

    def _link(
        self, container: Any, *, announce: bool
    ) -> Iterator[NDArray[np.float32] | Gap | Title]:
        import av

        try:
            stream, found = audio_stream(container, str(self._file))
        except InputError as error:
            self._failed += 1
            if not self._heard:
                raise
            self.error = self.error or error
            return
        self.format = wanted = self.format or found.bounded()
        title = stream_title({**container.metadata, **stream.metadata}) if announce else None
        ending = self._ending
        ending.begin(container, stream)
        missing_s = self._damage.missing_s
        samples = 0
        try:
            for item in Blocks(
                container,
                stream,
                wanted,
                self._damage,
                ending.take_packet,
                find_holes=True,
                joined_s=_JOINED_S,
            ):
                if isinstance(item, Gap):
                    yield item
                    continue
                self._heard = True
                samples += len(item)
                if title is not None:
                    yield title
                    title = None
                yield item
        except (av.FFmpegError, OSError) as error:
            self.error = InputError(
                f"{self._file}: cannot be read to its end ({error_text(error)})"
            )
            self.error.__cause__ = error
            if not self._heard:
                raise self.error from error
        ending.finish(samples / wanted.rate, self._damage.missing_s - missing_s)


def describe(file: Path) -> StreamInfo:
    """Return the properties of a file; raises the same errors as :func:`decode`."""
    _require_file(file)
    with _open(file, open_local_hls(file)) as container:
        return stream_info(container, audio_stream(container, str(file))[0])


def kind_of_special(file: Path) -> str:
    """Return what something in the file system is that is no file, in words; empty for files.

    Raises
    ------
    InputError
        If it cannot be looked at.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be opened ({error_text(error)})") from error
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "")


def _require_file(file: Path) -> None:
    if words := kind_of_special(file):
        raise InputError(
            f"{file}: {words}; expected an audio file. `streamgenre listen --input - < {file}` "
            "hears it"
        )
    if file.is_dir():
        raise InputError(f"{file}: is a folder; expected an audio file")
    if not file.stat().st_size:  # those of /proc too, which may block or never end
        raise InputError(f"{file}: the file is empty; expected a file that FFmpeg can decode")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise InputError(f"{file}: cannot be opened ({error_text(error)})") from error
    with opened:
        yield opened


def _open(file: Path, source: Any = None) -> Any:
    """Return PyAV's container of a file, or of a readable object within it."""
    import av

    try:
        return open_container(source or file)
    except InputError as error:
        if str(error).startswith(f"{file}: "):  # of a saved HLS stream
            raise
        raise InputError(f"{file}: {error}; expected a file that FFmpeg can decode") from error
    except (av.FFmpegError, OSError) as error:
        what = f"cannot be read as audio ({error_text(error)})"
        with _opened(file) as opened:
            if not parts_of(opened)[0].indexed:
                what = "is cut short or was never finished: it lacks its index (moov)"
        raise InputError(f"{file}: {what}; expected a file that FFmpeg can decode") from error
