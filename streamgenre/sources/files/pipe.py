"""Reads pipes: raw PCM, or any audio format in its container."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.errors import InputError
from streamgenre.logger import get_logger
from streamgenre.sources.container import open_container
from streamgenre.sources.conversion import Converter, Format
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.decoding import Blocks, audio_stream, error_text
from streamgenre.sources.files.raw import FORMATS, RawFormat
from streamgenre.sources.formats import not_audio, not_samples
from streamgenre.sources.links import LimitedReader, LinkReader, splitter_of
from streamgenre.sources.paced import PacedSource, Problem, Stall
from streamgenre.sources.playlist_formats import is_text
from streamgenre.sources.signatures import ENOUGH, format_of
from streamgenre.sources.stream_info import stream_info
from streamgenre.sources.tags import stream_title

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from streamgenre.sources.links import Splitter
    from streamgenre.sources.paced import Item

STALL_S: Final = 5.0
"""Seconds without data after which the pipe counts as lost, until data arrives again."""
_READ: Final = 65_536
_POLL_S: Final = 0.1
"""Seconds between two looks at whether the source was stopped."""
_RECOGNISE_S: Final = 2.0
"""Seconds to wait for the bytes by which a format is recognised; raw PCM needs no more."""
_MAX_HEADER: Final = 1 << 26
"""Bytes that may precede audio: headers, pictures, an index."""

_MAX_FAILED: Final = 100
"""Links that cannot be played, after which the rest of the data is given up."""
_TEXT: Final = 512
"""Bytes that distinguish text from samples."""
_SHORTEST_TEXT: Final = 32
"""Bytes that are too many to be samples by chance, if all of them are letters."""

_log = get_logger(__name__)


class PipeSource(PacedSource):
    """Reads a pipe, which sets the pace, live or not.

    Parameters
    ----------
    name
        Name of the input.
    shown
        What it is, in messages.
    descriptor
        A readable file descriptor.
    raw
        Format of what is in no known container.
    reopens
        Whether another writer may follow the one that closes the pipe.
    """

    def __init__(
        self, name: str, shown: str, descriptor: int, raw: RawFormat, *, reopens: bool = False
    ) -> None:
        self._damage = DamageCounter()
        super().__init__(
            name,
            0,
            0,
            self._items(),
            pace="fast",
            real_time=True,
            live=True,
            ending=lambda: f"end of input{self._damage}",
        )
        self._shown = shown
        self._descriptor = descriptor
        self._raw = raw
        self._reopens = reopens
        self._poller = select.poll()
        self._poller.register(descriptor, select.POLLIN)
        self._wanted: Format | None = None  # format of the first samples

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        super().stop()
        if self._reopens and not self.captures and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _items(self) -> Iterator[Item]:
        if self._reopens:
            self.set_state("connecting", f"{self._shown}: waiting for a program to write to it")
        while not self._stop.is_set():
            if self._reopens and not self._await_writer():
                return
            try:
                yield from self._of_writer()
            except InputError as error:
                if not self._reopens:
                    raise
                why = str(error)
            else:
                why = "the writer has closed the pipe"
            if not self._reopens:
                return
            why = why.removeprefix(f"{self._shown}: ")
            yield Stall(0.0, f"{self._shown}: {why}; waiting for the next writer")

    def _await_writer(self) -> bool:
        """Wait until a writer has written; return False if the source was stopped."""
        while not self._stop.is_set():
            events = self._poller.poll(1000 * _POLL_S)
            if any(event & select.POLLIN for _, event in events):
                return True
            if events:  # the last writer has left, which is so until the next one comes
                self._stop.wait(_POLL_S)
        return False

    def _of_writer(self) -> Iterator[Item]:
        """Yield the items of the data up to its end."""
        head = b""
        name: str | None = None
        by = time.monotonic() + _RECOGNISE_S
        while name is None:
            data = self._receive(_READ)
            head += data
            more = bool(data) and time.monotonic() < by
            name = format_of(head[:ENOUGH], more_follows=more)
        pending = bytearray(head)

        def read(size: int) -> bytes:
            if not pending:
                return self._receive(size)
            taken = bytes(pending[:size])
            del pending[:size]
            return taken

        if not head:
            if not self._stop.is_set():
                raise InputError(f"{self._shown} ended without a single sample")
        elif name:
            yield from self._decoded(name, read, splitter_of(head))
        elif words := _text_words(head) or not_samples(head):
            raise InputError(f"{self._shown}: {words}; expected samples, or audio in a container")
        else:
            yield from self._as_raw(read)

    def _receive(self, size: int) -> bytes:
        """Return the next bytes; none at the end of the data, or if the source was stopped."""
        since = time.monotonic()
        while not self._stop.is_set():
            if not self._poller.poll(1000 * _POLL_S):
                if time.monotonic() - since >= STALL_S:
                    self._take(Stall(STALL_S))
                    since = time.monotonic()
                continue
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                continue
            except OSError as error:
                raise InputError(f"{self._shown}: cannot be read ({error_text(error)})") from error
        return b""

    def _as_raw(self, read: Callable[[int], bytes]) -> Iterator[Item]:
        dtype, scale = FORMATS[self._raw.format]
        frame = np.dtype(dtype).itemsize * self._raw.channels
        wanted = yield from self._begin(Format(self._raw.rate, self._raw.channels))
        converter = Converter(wanted)
        kept = b""
        empty = True
        while chunk := read(_READ):
            data = kept + chunk
            whole = len(data) - len(data) % frame
            kept = data[whole:]
            if whole:
                empty = False
                samples = np.frombuffer(data[:whole], dtype).reshape(-1, self._raw.channels)
                yield from converter.push(samples, self._raw.rate, 1 / scale)
        yield from converter.flush()
        if empty and not self._stop.is_set():
            raise InputError(f"{self._shown} ended without a single sample")

    def _begin(self, found: Format) -> Generator[Item, None, Format]:
        """Yield the format of the source if these are its first samples; return it."""
        if self._wanted is None:
            self._wanted = found.bounded()
            yield self._wanted
        return self._wanted

    # ---- audio in a container -------------------------------------------------------------------

    def _decoded(
        self, name: str, read: Callable[[int], bytes], splitter: Splitter | None
    ) -> Iterator[Item]:
        import av

        limited = LimitedReader(read, _MAX_HEADER, self._shown)
        reader = LinkReader(limited.read, splitter)
        notice = f"{self._shown} is {name}, not raw PCM: it is decoded as such"
        if self._raw != RawFormat():
            notice += "; --rate, --channels and --format are ignored"
        _log.info("%s", notice)
        heard = False
        failed = 0
        more = True
        while more and not self._stop.is_set():
            problem: InputError | None = None
            try:
                for item in self._of_link(reader):
                    yield item
                    if not heard and isinstance(item, np.ndarray):
                        heard = True
                        yield Problem(notice)
                    limited.audio_decoded()
            except InputError as error:
                problem = error
            except (av.FFmpegError, OSError) as error:
                hint = ""
                if name == "MP4":
                    hint = "; in a pipe, MP4 needs its index in front: `ffmpeg -movflags faststart`"
                words = (
                    f"{self._shown} is {name} that cannot be decoded ({error_text(error)}){hint}"
                )
                problem = InputError(words)
            if problem is not None and not self._stop.is_set():
                failed += 1
                if not heard or splitter is None or failed >= _MAX_FAILED:
                    raise problem
                _log.warning("%s", problem)
            more = reader.next_link()
        if not heard and not self._stop.is_set():
            raise InputError(f"{self._shown}: no audio could be decoded{self._damage}")

    def _of_link(self, reader: LinkReader) -> Iterator[Item]:
        with open_container(reader) as container:
            stream, found = audio_stream(container, self._shown)
            wanted = yield from self._begin(found)
            self.info = stream_info(container, stream)
            title = stream_title({**container.metadata, **stream.metadata})
            if title is not None:
                yield title
            yield from Blocks(container, stream, wanted, self._damage, find_holes=True)


def _text_words(head: bytes) -> str:
    """Return what a text is in words; an empty text for samples, which never look like one."""
    try:
        head[:_TEXT].decode("ascii")
    except UnicodeDecodeError:
        return ""
    if len(head) < _SHORTEST_TEXT or not is_text(head):
        return ""
    return not_audio(head) or "is a text, not audio"
