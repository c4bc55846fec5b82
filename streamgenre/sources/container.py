"""Opens files and streams with PyAV: the only place that depends on PyAV's release.

FFmpeg recognises a format by its content. Some formats (concat, SDP, HLS, DASH) name further files
or addresses, which FFmpeg would open. Therefore only the formats in
:data:`~streamgenre.sources.formats.AUDIO_FORMATS` are opened, and only with the protocols that the
source needs: ``file`` for a file, none for bytes from Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.sources.allocations import limit_allocations
from streamgenre.sources.formats import AUDIO_FORMATS, not_audio

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NO_PROTOCOL: Final = "none"
"""A protocol whitelist that no protocol matches: the bytes come from Python alone."""
_FILE: Final = "file"
_HEAD: Final = 1024
"""Bytes at the start of a source that are kept, to explain why it is not audio."""
_METADATA_ERRORS_UNTIL: Final = 19
"""PyAV 19 removed ``metadata_errors``: it decodes metadata with surrogate escapes. Older releases
raise an error for metadata that is not UTF-8 unless this keyword says otherwise."""


def open_container(
    source: Any,
    *,
    protocols: Collection[str] = (),
    formats: Collection[str] = (),
    options: Mapping[str, str] | None = None,
    timeout_s: tuple[float, float] | None = None,
    demuxer: str | None = None,
) -> Any:
    """Return PyAV's input container of a file, URL or readable object.

    Video and further audio streams are not decoded: FFmpeg discards their packets.

    Parameters
    ----------
    source
        Path of a file; URL; or an object with ``read(size)``.
    protocols
        FFmpeg's protocols that may be opened for a URL. For a file it is ``file`` alone; for a
        readable object there are none.
    formats
        FFmpeg's formats that may be opened besides the audio formats: those of a URL's protocol.
    options
        Further options of FFmpeg's demuxer and protocol.
    timeout_s
        Seconds to wait for the opening and for each read; None for no limit.
    demuxer
        Name of FFmpeg's demuxer; None to have it find out.

    Raises
    ------
    InputError
        If it is no audio format. The message is about the source but does not name it: "is a web
        page, not audio".
    av.FFmpegError
        If FFmpeg cannot open it.
    OSError
        If the system cannot open it.
    """
    import av

    if isinstance(source, str):
        opened: Any = source
    elif isinstance(source, Path):
        opened = f"{_FILE}:{source}"  # a colon in a file's name must not name a protocol
        protocols = (_FILE,)
    else:
        opened = source = _Remembering(source)
        protocols = ()
    limit_allocations(source.stat().st_size if isinstance(source, Path) else 0)
    more: dict[str, Any] = {}
    if int(av.__version__.partition(".")[0]) < _METADATA_ERRORS_UNTIL:
        more["metadata_errors"] = "replace"
    try:
        container = av.open(
            opened,
            format=demuxer,
            options={
                **(options or {}),
                "protocol_whitelist": ",".join(sorted(protocols)) or _NO_PROTOCOL,
                "format_whitelist": ",".join(sorted({*AUDIO_FORMATS, *formats})),
            },
            timeout=timeout_s,
            **more,
        )
    except (av.ArgumentError, av.InvalidDataError) as error:
        # EINVAL: FFmpeg recognised a format that is not allowed.
        words = not_audio(_head(source))
        if not words and isinstance(error, av.ArgumentError):
            words = "is not in an audio format that streamgenre plays"
        if words:
            raise InputError(words) from error
        raise
    _discard_others(container)
    return container


def _discard_others(container: Any) -> None:
    """Let FFmpeg skip all but the first audio stream and the data streams (timed titles)."""
    try:
        from av.stream import Discard
    except ImportError:  # an older PyAV: the packets are read and ignored
        return
    wanted = container.streams.audio[:1]
    for stream in container.streams:
        if stream.type != "data" and stream not in wanted:
            stream.discard = Discard.all


class _Remembering:
    """A readable object whose first bytes are kept; it passes on what PyAV calls."""

    def __init__(self, source: Any) -> None:
        self.head = b""
        self._read = source.read
        if hasattr(source, "seek"):
            self.seek, self.tell = source.seek, source.tell

    def read(self, size: int) -> bytes:
        data: bytes = self._read(size)
        if len(self.head) < _HEAD:
            self.head += data[:_HEAD]
        return data


def _head(source: Any) -> bytes:
    """Return the first bytes of a source that could not be opened."""
    if isinstance(source, _Remembering):
        return source.head
    if isinstance(source, Path) and source.is_file():
        try:
            with source.open("rb") as file:
                return file.read(_HEAD)
        except OSError:
            return b""
    return b""
