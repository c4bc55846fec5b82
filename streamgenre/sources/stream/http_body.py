"""Bodies of HTTP responses: their end and their chunks, by RFC 9112, and their compression."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from streamgenre.sources.stream.connection import AnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.sources.stream.connection import Connection

_MAX_CHUNK_LINE: Final = 4096
"""Bytes of the line before a chunk: its size, and extensions that nobody uses."""
_CHUNK: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class Body:
    """The content of a response.

    Parameters
    ----------
    connection
        The connection, after the head.
    headers
        The headers by lower-case name.

    Raises
    ------
    AnswerError
        If it is sent or compressed in a way that is not supported.
    """

    def __init__(self, connection: Connection, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._left: int | None = None
        """Bytes left of the chunk, or of the body; None if it ends with the connection."""
        self._after_chunk = False
        self._ended = False
        transfer = _tokens(headers.get("transfer-encoding", ""))
        self._chunked = "chunked" in transfer
        if self._chunked:
            self._left = 0
        else:
            self._left = _length(headers.get("content-length", ""))
        content = [*_tokens(headers.get("content-encoding", "")), *transfer]
        codings = [name for name in content if name not in ("chunked", "identity")]
        self._inflater = _Inflater(codings[0]) if codings else None
        if len(codings) > 1:
            raise AnswerError("it is compressed more than once")

    def read(self, size: int, until: float) -> bytes:
        """Return at most ``size`` bytes as soon as there are some; none at the end.

        Parameters
        ----------
        size
            Most bytes.
        until
            Monotonic seconds at which to give up, whatever has arrived by then that is not content.

        Raises
        ------
        AnswerError
            If the content is not sent as the head says.
        TimeoutError
            If there is no content in time.
        """
        if self._inflater is None:
            return self._read(size, until)
        while not (data := self._inflater.take(size)):
            if not (more := self._read(size, until)):
                break
            self._inflater.push(more)
        return data

    def _read(self, size: int, until: float) -> bytes:
        if self._chunked:
            return self._read_chunks(size, until)
        if self._left == 0 or not (self._connection.buffered or self._connection.fill(until)):
            return b""
        data = self._connection.take(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(data)
        return data

    def _read_chunks(self, size: int, until: float) -> bytes:
        """Return the content of as many chunks as were received."""
        out = bytearray()
        while len(out) < size and not self._ended:
            wait_until = None if out else until
            if self._left:
                if not self._connection.buffered:
                    if wait_until is None:
                        break
                    if not self._connection.fill(wait_until):
                        self._ended = True
                        break
                out += (data := self._connection.take(min(self._left, size - len(out))))
                self._left -= len(data)
                self._after_chunk = not self._left
                continue
            line = self._connection.line(_MAX_CHUNK_LINE, wait_until)
            if line is None:
                self._ended = wait_until is not None
                break
            if self._after_chunk:
                if line.strip():
                    raise AnswerError("a chunk is longer than it says")
                self._after_chunk = False
                continue
            self._left = _chunk_size(line)
            # What follows the last chunk is not read: this is the only request.
            self._ended = not self._left
        return bytes(out)


def _tokens(value: str) -> list[str]:
    return [part.strip().lower() for part in value.split(",") if part.strip()]


def _length(value: str) -> int | None:
    """Return the length that a header states, or None; equal values may be repeated."""
    given = {part.strip() for part in value.split(",")}
    text = given.pop()
    valid = not given and re.fullmatch(r"[0-9]{1,18}", text)
    return int(text) if valid else None


def _chunk_size(line: bytes) -> int:
    match = _CHUNK.fullmatch(line.rstrip(b"\r\n"))
    if not line.endswith(b"\n"):
        raise AnswerError(f"the line before a chunk is longer than {_MAX_CHUNK_LINE} bytes")
    if match is None:
        raise AnswerError("a chunk does not begin with its size")
    return int(match[1], 16)


class _Inflater:
    """Decompresses gzip and deflate, no more at once than is asked for."""

    def __init__(self, coding: str) -> None:
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise AnswerError("it is compressed in a way that was not asked for")
        self._gzip = coding != "deflate"
        self._bits = 16 + zlib.MAX_WBITS if self._gzip else zlib.MAX_WBITS
        self._inflate = zlib.decompressobj(self._bits)
        self._held = b""
        self._pending = False  # there may be content left, without further data
        self._began = False

    def push(self, data: bytes) -> None:
        self._held += data

    def take(self, size: int) -> bytes:
        while self._held or self._pending:
            try:
                data = self._inflate.decompress(self._held, size)
            except zlib.error:
                if self._gzip or self._began:
                    raise AnswerError("its compression is damaged") from None
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without its wrapper
                self._began = True
                continue
            self._began = True
            self._pending = len(data) == size
            if self._inflate.eof:
                self._held = self._inflate.unused_data if self._gzip else b""
                self._inflate = zlib.decompressobj(self._bits)
                self._pending = False
            else:
                self._held = self._inflate.unconsumed_tail
            if data:
                return data
        return b""
