"""The audio formats that are played: the only formats that FFmpeg may open.

FFmpeg recognises a format by its content and knows several hundred. Some of them (concat, SDP, HLS,
DASH, IMF, image sequences) are lists: they name files or addresses that FFmpeg then opens. Others
are scripts that generate a signal. A list of what is allowed is safe against formats that a later
release of FFmpeg adds; a list of what is forbidden is not.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIO_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    # Audio alone.
    "aac": (".aac", ".adts"),
    "ac3": (".ac3",),
    "ac4": (".ac4",),
    "aiff": (".aif", ".aiff", ".aifc"),
    "amr": (".amr",),
    "amrnb": (),
    "amrwb": (".awb",),
    "ape": (".ape",),
    "au": (".au", ".snd"),
    "bonk": (),
    "caf": (".caf",),
    "dsf": (".dsf",),
    "dss": (),
    "dts": (".dts",),
    "dtshd": (".dtshd",),
    "eac3": (".eac3", ".ec3"),
    "flac": (".flac",),
    "g722": (),
    "g723_1": (),
    "g729": (),
    "gsm": (".gsm",),
    "iamf": (".iamf",),
    "iff": (".dff", ".8svx", ".iff"),
    "ilbc": (),
    "ircam": (".ircam",),
    "loas": (".loas", ".latm"),
    "mlp": (".mlp",),
    "mmf": (),
    "mp3": (".mp3", ".mp2", ".mp1", ".mpa", ".m2a", ".mpga"),
    "mpc": (".mpc",),
    "mpc8": (),
    "nistsphere": (".nist", ".sph"),
    "oma": (".oma", ".aa3"),
    "osq": (".osq",),
    "pvf": (".pvf",),
    "qcp": (".qcp",),
    "qoa": (".qoa",),
    "rka": (".rka",),
    "shn": (".shn",),
    "sox": (".sox",),
    "spdif": (".spdif",),
    "tak": (".tak",),
    "truehd": (".thd",),
    "tta": (".tta",),
    "voc": (".voc",),
    "vqf": (".vqf",),
    "w64": (".w64",),
    "wav": (".wav", ".wave", ".bwf", ".rf64"),
    "wavarc": (),
    "wsd": (".wsd",),
    "wv": (".wv",),
    "xwma": (".xwma",),
    # Audio, or audio with video.
    "asf": (".wma", ".asf", ".wmv"),
    "avi": (".avi",),
    "flv": (".flv",),
    "gxf": (),
    "matroska": (".mka", ".mkv"),
    "mov": (".m4a", ".m4b", ".m4r", ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4a"),
    "mpeg": (".mpg", ".mpeg", ".vob"),
    "mpegts": (".ts", ".mts", ".m2ts"),
    "mxf": (".mxf",),
    "nsv": (".nsv",),
    "nut": (".nut",),
    "ogg": (".ogg", ".oga", ".opus", ".spx", ".ogv", ".ogx"),
    "rm": (".rm", ".ra", ".ram", ".rmvb"),
    "webm": (".webm",),
    "wtv": (".wtv",),
}
"""FFmpeg's names of the formats that are played, each with the usual suffixes of its files.

Not among them: formats of games, of pictures, subtitles and video alone, raw samples, and every
format that names other files.
"""

_KINDS: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"ffconcat\b", "is a playlist of FFmpeg's own (concat), not audio"),
    (rb"v=0\s", "is a session description (SDP), not audio"),
    (rb"#EXTM3U", "is a playlist (M3U), not audio"),
    (rb"\[(?:playlist|reference)\]", "is a playlist (PLS), not audio"),
    (rb"(?:<\?xml[^>]*>\s*)?<(?:\w+:)?MPD\b", "is a DASH manifest; DASH is not supported"),
    (rb"(?:<\?xml[^>]*>\s*)?<(?:\w+:)?(?:playlist|asx)\b", "is a playlist (XML), not audio"),
    (rb"<\?xml", "is an XML document, not audio"),
    (rb"<(?:!doctype\s+)?html", "is a web page, not audio"),
    (rb";FFMETADATA", "is a list of tags (FFmpeg's ffmetadata), not audio"),
    (rb"WEBVTT|\[Script Info\]|1\r?\n\d\d:\d\d:\d\d", "is a file of subtitles, not audio"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0{4}|RIFF....WEBP|II\*\0", "is a picture, not audio"),
    (rb"%PDF", "is a PDF document, not audio"),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|BZh|\xfd7zXZ", "is an archive; unpack it first"),
    (
        rb"(?:REM|PERFORMER|TITLE|FILE|CATALOG)\s[^\0]{0,900}?\bTRACK \d\d AUDIO",
        "is a cue sheet, not audio; play the file that it names",
    ),
    (rb"MThd\0\0\0", "is MIDI: notes, not audio"),
    (rb"#!", "is a script, not audio"),
)  # fmt: skip
"""Beginnings of what is sent in place of audio, and what they are in words."""
_NOT_SAMPLES: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP", "is a picture, not audio"),
    (rb"\xff\xd8\xff[\xe0\xe1]..(?:JFIF|Exif)\0", "is a picture, not audio"),
    (rb"%PDF-\d", "is a PDF document, not audio"),
    (rb"PK\x03\x04[\x0a-\x3f]\0", "is an archive; unpack it first"),
    (rb"\x1f\x8b\x08[\0-\x1f].{4}[\0\x02\x04]", "is an archive; unpack it first"),
    (rb"Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|BZh[1-9]1AY&SY", "is an archive; unpack it first"),
    (rb"\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar", "is an archive; unpack it first"),
    (rb"MThd\0\0\0\x06", "is MIDI: notes, not audio"),
    (rb"\x7fELF[\x01\x02][\x01\x02]\x01", "is a program, not audio"),
    (rb"SQLite format 3\0", "is a database, not audio"),
)
"""Beginnings of binary data that are too long to be met in raw samples."""


_NO_AUDIO_SUFFIXES: Final = frozenset({".avif", ".heic", ".heif", ".mks"})
"""Suffixes of pictures and subtitles in containers that may also hold audio."""


def not_audio(head: bytes) -> str:
    """Return what data is that is not audio, in words, or an empty text.

    Parameters
    ----------
    head
        The first bytes of the data; a few hundred are enough.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, words in _KINDS:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            return words
    return ""


def not_samples(head: bytes) -> str:
    """Return what binary data is that can be neither samples nor audio, in words, or an empty text.

    Parameters
    ----------
    head
        The first bytes of the data; a few hundred are enough.
    """
    for pattern, words in _NOT_SAMPLES:
        if re.match(pattern, head, re.DOTALL):
            return words
    return ""


@cache
def audio_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of the formats that the linked FFmpeg can play.

    Those of :data:`AUDIO_FORMATS`, and further ones that FFmpeg knows for these formats.
    """
    import av

    suffixes: set[str] = set()
    for name, usual in AUDIO_FORMATS.items():
        try:
            known = av.ContainerFormat(name, "r").extensions
        except ValueError:  # this FFmpeg lacks the format
            continue
        suffixes.update(usual, (f".{suffix}" for suffix in known))
    return frozenset(suffixes - _NO_AUDIO_SUFFIXES)
