"""Opens files and streams with PyAV: the only place that depends on PyAV's release.

FFmpeg recognises a format by its content. Some formats (concat, SDP, HLS, DASH) name further files
or addresses, which FFmpeg would open. A caller therefore states which formats and which protocols
may be opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REFERENCE_FORMATS: Final = frozenset(
    {
        *("concat", "dash", "hls", "image2", "imf", "lavfi"),
        *("rtp", "rtsp", "sap", "sdp", "webm_dash_manifest"),
    }
)
"""FFmpeg's demuxers that open further files or addresses, or generate a signal."""
NO_PROTOCOL: Final = "none"
"""A protocol whitelist that no protocol matches: the bytes come from Python alone."""
_METADATA_ERRORS_UNTIL: Final = 19
"""PyAV 19 removed ``metadata_errors``: it decodes metadata with surrogate escapes. Older releases
raise an error for metadata that is not UTF-8 unless this keyword says otherwise."""


def open_container(
    source: Any,
    *,
    protocols: str,
    allowed: Collection[str] = (),
    options: Mapping[str, str] | None = None,
    timeout_s: tuple[float, float] | None = None,
) -> Any:
    """Return PyAV's input container of a file, URL or readable object.

    Parameters
    ----------
    source
        Path or URL, or an object with ``read(size)``.
    protocols
        FFmpeg's protocols that may be opened, separated by commas.
    allowed
        Those of :data:`REFERENCE_FORMATS` that may be opened; other formats always may.
    options
        Further options of FFmpeg's demuxer and protocol.
    timeout_s
        Seconds to wait for the opening and for each read; None for no limit.

    Raises
    ------
    av.FFmpegError
        If FFmpeg cannot open it.
    OSError
        If the system cannot open it.
    """
    import av

    formats = av.formats_available - (REFERENCE_FORMATS - set(allowed))
    more: dict[str, Any] = {}
    if int(av.__version__.partition(".")[0]) < _METADATA_ERRORS_UNTIL:
        more["metadata_errors"] = "replace"
    return av.open(
        source,
        options={
            "protocol_whitelist": protocols,
            "format_whitelist": ",".join(sorted(formats)),
            **(options or {}),
        },
        timeout=timeout_s,
        **more,
    )
