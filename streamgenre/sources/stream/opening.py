"""Opens radio streams with FFmpeg, and checks that it supports a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.sources.container import open_container
from streamgenre.sources.stream.http import require_usable
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from streamgenre.sources.links import LimitedReader

_SEGMENT_S: Final = 30.0
"""Seconds to wait for the next segment of an HLS stream: most last 2 to 10 s."""
_HLS_PROTOCOLS: Final = ("http", "https", "tcp", "tls", "crypto", "hls")
"""Protocols that FFmpeg may open for a playlist from the network: no file of this machine."""
_HLS_OPTIONS: Final = {"extension_picky": "0"}
"""Since 7.1.1, FFmpeg refuses segments whose suffix does not match their format. The whitelists of
protocols and formats protect already."""
_OTHER_PROTOCOLS: Final = ("rtsp", "rtp", "srtp", "udp", "tcp", "tls", "srt")
_OTHER_OPTIONS: Final = {"rtsp_flags": "prefer_tcp"}
"""RTP is sent through the RTSP connection if the server allows it: UDP loses datagrams."""


def is_http(url: str) -> bool:
    """Whether a URL is HTTP or HTTPS; FFmpeg opens such a URL only for HLS."""
    return url.lower().startswith("http")


def open_stream(source: LimitedReader | str, name: str, timeout_s: float) -> Any:
    """Return PyAV's input container of a stream.

    Parameters
    ----------
    source
        The audio of an HTTP response, or the URL of an HLS, RTSP or SRT stream.
    name
        Name of the stream in error messages.
    timeout_s
        Seconds to wait for the opening and for data; for HLS segments, longer.

    Raises
    ------
    InputError
        If it is not audio.
    av.FFmpegError
        If FFmpeg cannot open it.
    OSError
        If the system cannot open it.
    """
    try:
        return _open(source, timeout_s)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _open(source: LimitedReader | str, timeout_s: float) -> Any:
    if not isinstance(source, str):
        return open_container(source)
    if is_http(source):
        return open_container(
            source,
            protocols=_HLS_PROTOCOLS,
            formats=("hls",),
            options=_HLS_OPTIONS,
            timeout_s=(timeout_s, _SEGMENT_S),
        )
    return open_container(
        source,
        protocols=_OTHER_PROTOCOLS,
        formats=("rtsp", "rtp"),
        options=_OTHER_OPTIONS,
        timeout_s=(timeout_s, timeout_s),
    )


def require_supported(url: str) -> None:
    """Raise :class:`InputError` if a URL is invalid, or this FFmpeg lacks its protocol."""
    import av

    require_usable(url)
    scheme = url.split(":", 1)[0].lower()
    known = True
    if scheme.startswith("rtsp"):
        known = "rtsp" in av.formats_available
    elif scheme == "srt":
        try:
            open_container("srt:", protocols=("srt",)).close()
        except av.ProtocolNotFoundError:
            known = False
        except (av.FFmpegError, OSError):
            pass  # the address is empty, but the protocol is known
    if not known:
        raise InputError(
            f"{redacted(url)}: the FFmpeg in this PyAV is built without {scheme}; pipe the stream "
            f"in: `ffmpeg -loglevel error -i URL -f s16le -ac 2 -ar 44100 - | "
            "streamgenre listen --input -`"
        )
