"""Properties of a stream or file: container, codec, station name and more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamgenre.sources.titles import clean
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Properties of an input; None if the input does not state them."""

    container: str | None = None
    """FFmpeg's name of the container, for example ``ogg``."""
    codec: str | None = None
    """FFmpeg's name of the codec, for example ``vorbis``."""
    bit_rate: int | None = None
    """Bits per second."""
    seconds: float | None = None
    """Length in seconds of an input that has an end."""
    files: int | None = None
    """Number of files of a playlist."""
    name: str | None = None
    """Name of the station."""
    genre: str | None = None
    """Genre that the station states."""
    description: str | None = None
    """Description of the station."""
    homepage: str | None = None
    """Homepage of the station, without credentials."""


def stream_info(
    container: Any, stream: Any, headers: Mapping[str, str] | None = None
) -> StreamInfo:
    """Return the properties of an input.

    Parameters
    ----------
    container, stream
        PyAV's input container and its audio stream.
    headers
        HTTP headers of the response by lower-case name; None if there was none.
    """
    headers = headers or {}
    of_header = headers.get("icy-br", "").split(",")[0].strip()
    announced = 1000 * int(of_header) if of_header.isdecimal() and len(of_header) < 7 else 0
    duration = container.duration
    homepage = _text(headers, "icy-url")
    return StreamInfo(
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        bit_rate=announced or stream.bit_rate or container.bit_rate or None,
        seconds=round(duration / 1e6, 3) if duration and duration > 0 else None,
        name=_text(headers, "icy-name"),
        genre=_text(headers, "icy-genre"),
        description=_text(headers, "icy-description"),
        homepage=redacted(homepage) if homepage and "://" in homepage else homepage,
    )


def _text(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header as text: http.client decodes Latin-1, but stations send UTF-8."""
    value = headers.get(name, "")
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return clean(value) or None
