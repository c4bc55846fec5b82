"""Opens radio streams with FFmpeg, and checks that it supports a URL."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from streamgenre.errors import InputError
from streamgenre.sources.container import open_container
from streamgenre.sources.stream.http import require_usable
from streamgenre.sources.stream.mpeg_frames import SNIFF, is_mpeg_audio
from streamgenre.sources.stream.settings import DEFAULTS
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.sources.links import LimitedReader
    from streamgenre.sources.stream.settings import StreamSettings
    from streamgenre.sources.titles import Title

_OTHER_PROTOCOLS: Final = ("rtsp", "rtp", "srtp", "udp", "tcp", "tls", "srt")
_OTHER_OPTIONS: Final = {"rtsp_flags": "prefer_tcp"}
"""RTP is sent through the RTSP connection if the server allows it: UDP loses datagrams."""

_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the certificates of public authorities: Debian, Fedora, SUSE, Alpine."""


class Reader(Protocol):
    """The bytes of a stream for PyAV, and what is known about them."""

    missing_s: float
    """Seconds of audio missing before the current link."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the response by lower-case name."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the current link; none at its end."""

    def next_link(self) -> bool:
        """Continue with the next link; return False if the current one is the last."""

    def audio_decoded(self) -> None:
        """Record that audio was decoded from the data."""

    def titles_until(self, position: int | None) -> list[Title]:
        """Return the titles before a byte of the current link, each once."""

    def abort(self) -> None:
        """Interrupt a read in another thread."""

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""


Stream: TypeAlias = Reader | str
"""The bytes of a stream, or the URL of one that FFmpeg opens."""


def is_http(url: str) -> bool:
    """Whether a URL is HTTP or HTTPS, which FFmpeg never opens."""
    return url.lower().startswith(("http://", "https://"))


def open_stream(
    source: LimitedReader | str,
    name: str,
    timeout_s: float,
    settings: StreamSettings = DEFAULTS,
) -> Any:
    """Return PyAV's input container of a stream.

    Parameters
    ----------
    source
        The audio of an HTTP or HLS stream, or the URL of an RTSP or SRT stream.
    name
        Name of the stream in error messages.
    timeout_s
        Seconds to wait for the opening and for data of a URL.
    settings
        How the stream is requested: for a URL, its user agent and certificates.

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
        return _open(source, timeout_s, settings)
    except InputError as error:
        if str(error).startswith(f"{name}: "):  # the reader's own
            raise
        raise InputError(f"{name}: {error}") from error


def _open(source: LimitedReader | str, timeout_s: float, settings: StreamSettings) -> Any:
    if not isinstance(source, str):
        return open_container(source, demuxer="mp3" if is_mpeg_audio(source.peek(SNIFF)) else None)
    options = {**_OTHER_OPTIONS, "tls_verify": "1"}  # FFmpeg verifies no server by default
    if not settings.allow_private:
        options["rtsp_transport"] = "tcp"  # else the server names the address for datagrams
    if settings.user_agent is not None:
        options["user_agent"] = settings.user_agent
    if file := settings.ca_file or _authorities():
        options["ca_file"] = str(file)
    try:
        return open_container(
            source,
            protocols=_OTHER_PROTOCOLS,
            formats=("rtsp", "rtp"),
            options=options,
            timeout_s=(timeout_s, timeout_s),
        )
    except OSError as error:
        if source.lower().startswith("rtsps:") and error.errno == errno.EIO:
            raise InputError(
                "cannot be reached (no TLS connection, or its certificate is not valid; ca_file "
                "names a private authority)"
            ) from error
        raise


def _authorities() -> Path | None:
    """Return the system's file of certificates, or None: FFmpeg's TLS does not know where it is."""
    import ssl

    paths = ssl.get_default_verify_paths()
    found = (Path(name) for name in (paths.cafile, *_BUNDLES) if name and Path(name).is_file())
    return next(found, None)


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
