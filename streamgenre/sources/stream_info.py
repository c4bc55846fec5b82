"""What a stream or file says of itself."""

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
    """What is known of an input beside its samples; None where it does not say."""

    container: str | None = None
    """FFmpeg's name of the container, such as ``ogg``."""
    codec: str | None = None
    """FFmpeg's name of the codec, such as ``vorbis``."""
    bit_rate: int | None = None
    """Bits a second."""
    seconds: float | None = None
    """Length in seconds, where it has an end."""
    files: int | None = None
    """Number of files, where it is a playlist."""
    name: str | None = None
    """What the station calls itself."""
    genre: str | None = None
    """What the station says that it plays."""
    description: str | None = None
    """What the station says of itself."""
    homepage: str | None = None
    """The address that the station gives, without credentials."""


def stream_info(
    container: Any, stream: Any, headers: Mapping[str, str] | None = None
) -> StreamInfo:
    """Return what PyAV's container and stream and the headers of the answer say."""
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
    """Return a header as text: http.client takes it for latin-1, stations send UTF-8."""
    value = headers.get(name, "")
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return clean(value) or None
