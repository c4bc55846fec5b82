"""Recognises audio formats by their first bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    _Kind: TypeAlias = Callable[[bytes, int], tuple[int, object] | None]

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"RIFF....WAVE|RF64....WAVE|BW64....WAVE", "WAV"),
    (rb"RIFF....AVI ", "AVI"),
    (rb"RIFF....XWMA", "xWMA"),
    (rb"RIFF....QLCM", "QCP"),
    (rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", "Sony Wave64"),
    (rb"FORM....AIF[FC]", "AIFF"),
    (rb"FORM....8SVX", "IFF"),
    (rb"FRM8\0...", "DSDIFF"),
    (rb"DSD \x1c\0{7}", "DSF"),
    (rb"caff\0\x01", "CAF"),
    (rb"fLaC[\0\x80]", "FLAC"),
    (rb"OggS\0[\0-\x07]", "Ogg"),
    (rb"\x1a\x45\xdf\xa3", "Matroska"),
    (rb"[\0-\x7f]...(?:ftyp|styp|moov|mdat|wide|skip|free)", "MP4"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", "ASF (WMA)"),
    (rb"\.snd\0\0......\0\0\0[\x01-\x1d]", "AU"),
    (rb"wvpk....[\0-\x20]\x04", "WavPack"),
    (rb"MAC \x96\x0f|MAC [\x80-\x95]\x0f", "Monkey's Audio"),
    (rb"TTA[12][\x01-\x03]\0", "TTA"),
    (rb"MPCK..|MP\+[\x07\x17\x27\x37]", "Musepack"),
    (rb"tBaK\0", "TAK"),
    (rb"#!AMR(?:-WB)?\n", "AMR"),
    (rb"FLV\x01[\x01\x04\x05]\0\0\0\x09", "FLV"),
    (rb"ajkg[\x01-\x03]", "Shorten"),
    (rb"\.RMF\0\0\0|\.ra\xfd\0[\x03-\x05]", "RealMedia"),
    (rb"Creative Voice File\x1a", "VOC"),
    (rb"qoaf\0", "QOA"),
    (rb"\x47.{187}\x47.{187}\x47.{187}\x47", "MPEG-TS"),
    (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80", "DTS"),
    (rb"\x1f\xff\xe8\0\x07[\xf0-\xff]|\xff\x1f\0\xe8[\xf0-\xff]\x07", "DTS"),
    (rb"DTSHDHDR", "DTS-HD"),
    (rb"....\xf8\x72\x6f\xba", "TrueHD"),
    (rb"....\xf8\x72\x6f\xbb", "MLP"),
    (rb"\x72\xf8\x1f\x4e[\x01-\x15]\0", "S/PDIF"),
    (rb"\x64\xa3[\0-\x04]\0..[\0-\xff][\x45-\x48][\x01-\x10]\0\0\0", "IRCAM"),
    (rb"nut/multimedia container\0", "NUT"),
    (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
    (rb"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d", "WTV"),
    (rb"(?i:ea3)\x03[\0-\x05]|EA3\x01\0\x60", "OpenMG"),
    (rb"NIST_1A\n", "NIST Sphere"),
    (rb"\.SoX....|XoS\.....", "SoX"),
    (rb"PVF1\n", "PVF"),
    (rb"\0\0\x01\xba[\x21-\x2f\x44-\x7f]", "MPEG"),
)
"""First bytes of formats, and their names; each is too long to be met in raw samples."""
_ID3: Final = re.compile(rb"ID3[\x02-\x04][\0-\x0a].[\0-\x7f]{4}", re.DOTALL)
_PATTERNS: Final = tuple((re.compile(pattern, re.DOTALL), name) for pattern, name in _SIGNATURES)
_FRAMES: Final = 5
"""Frames that must follow each other for data to be taken for them: of 2⁶⁰ random beginnings, one
holds so many."""
_MANY_FRAMES: Final = 20
"""The same where every :data:`_CROWD` th byte or more is one with which frames start."""
_CROWD: Final = 24
SEARCHED: Final = 4096
"""Bytes in which the first of these frames must start."""
_HEADER: Final = 8
"""Bytes at the start of a frame that are read."""
ENOUGH: Final = SEARCHED + _FRAMES * 8192
"""Bytes with which :func:`format_of` knows all it can know."""

_MPEG_RATES: Final = (44_100, 48_000, 32_000)
_MPEG_BITRATES: Final = {
    # By version (1; or 2 and 2.5) and layer, in kb/s.
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_AC3_BITRATES: Final = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
)


def format_of(head: bytes, *, more_follows: bool = False) -> str | None:
    """Return the name of the audio format that data starts with, or an empty text for none.

    Parameters
    ----------
    head
        The first bytes of the data, at most :data:`ENOUGH` of which are looked at.
    more_follows
        Whether further bytes may arrive.

    Returns
    -------
    The name; an empty text if the data is not in a known format; None if that cannot be known
    before more of it has arrived.
    """
    if len(head) < 16 and more_follows:
        return None
    for pattern, name in _PATTERNS:
        if pattern.match(head):
            return name
    if _ID3.match(head):
        return "mp3"
    head = head[:ENOUGH]
    open_ended = len(head) < SEARCHED
    for name, first, kind in _FRAMED:
        found = _has_chain(head, first, kind)
        if found:
            return name
        open_ended = open_ended or found is None
    return None if open_ended and more_follows and len(head) < ENOUGH else ""


def frame_length(header: bytes) -> int | None:
    """Return the length in bytes of an MPEG audio or ADTS frame; None if it is neither.

    Parameters
    ----------
    header
        The first 8 bytes of the frame.
    """
    found = len(header) >= _HEADER and (_adts_length(header, 0) or _mpeg_length(header, 0))
    return found[0] if found else None


def _has_chain(data: bytes, first: bytes, kind: _Kind) -> bool | None:
    """Return whether enough frames of one kind follow each other; None if more data may tell."""
    undecided = False
    at = data.find(first, 0, SEARCHED)
    while at >= 0:
        found = _is_chain(data, at, kind)
        if found:
            return True
        undecided = undecided or found is None
        at = data.find(first, at + 1, SEARCHED)
    return None if undecided else False


def _is_chain(data: bytes, at: int, kind: _Kind) -> bool | None:
    start, same = at, None
    needed, number = _FRAMES, 0
    while number < needed:
        if at + _HEADER > len(data):
            return None
        found = kind(data, at)
        if found is None or (same is not None and found[1] != same):
            return False
        length, same = found
        at += length
        number += 1
        if (
            number == _FRAMES
            and _CROWD * data.count(data[start : start + 1], start, at) > at - start
        ):
            needed = _MANY_FRAMES  # as in quiet samples of 32 bits, a half of whose bytes are 0xFF
    # Samples that repeat every few bytes may look like headers everywhere.
    return data.count(data[start : start + 4], start, at) <= 2 * needed


def _mpeg_length(data: bytes, at: int) -> tuple[int, object] | None:
    """Return the length of an MPEG audio frame, and what all frames of a stream share."""
    a, b, c = data[at : at + 3]
    version, layer = (b >> 3) & 3, 4 - ((b >> 1) & 3)
    index, rate_index = c >> 4, (c >> 2) & 3
    if a != 0xFF or b < 0xE0 or version == 1 or layer == 4 or not 0 < index < 15 or rate_index > 2:
        return None
    rate = _MPEG_RATES[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    bits = 1000 * _MPEG_BITRATES[(1 if version == 3 else 2, layer)][index - 1]
    padding = (c >> 1) & 1
    if layer == 1:
        return 4 * (12 * bits // rate + padding), (version, layer, rate)
    factor = 72 if layer == 3 and version != 3 else 144
    return factor * bits // rate + padding, (version, layer, rate)


def _adts_length(data: bytes, at: int) -> tuple[int, object] | None:
    """Return the length of an ADTS frame, and what all frames of a stream share."""
    a, b, c, d, e, f = data[at : at + 6]
    length = (d & 3) << 11 | e << 3 | f >> 5
    rate_index = (c >> 2) & 15
    if a != 0xFF or b & 0xF6 != 0xF0 or rate_index > 12 or length < 8:
        return None
    return length, (b, c, d >> 6)


def _loas_length(data: bytes, at: int) -> tuple[int, object] | None:
    """Return the length of a LOAS frame (AAC in LATM)."""
    a, b, c = data[at : at + 3]
    if a != 0x56 or b & 0xE0 != 0xE0:
        return None
    length = ((b & 0x1F) << 8 | c) + 3
    return (length, None) if length > _HEADER else None


def _ac3_length(data: bytes, at: int) -> tuple[int, object] | None:
    """Return the length of an AC-3 or E-AC-3 frame, and what all frames of a stream share."""
    if data[at : at + 2] != b"\x0b\x77":
        return None
    code, bsid = data[at + 4], data[at + 5] >> 3
    if bsid <= 10:
        rate_index, size = code >> 6, code & 63
        if rate_index == 3 or size > 37:
            return None
        bits = 1000 * _AC3_BITRATES[size >> 1]
        rate = (48_000, 44_100, 32_000)[rate_index]
        words = bits * 1536 // rate // 16 + (size & 1 if rate_index == 1 else 0)
        return 2 * words, (bsid, rate_index)
    if bsid > 16:
        return None
    return 2 * (((data[at + 2] & 7) << 8 | data[at + 3]) + 1), (bsid, code >> 6)


_FRAMED: Final[tuple[tuple[str, bytes, _Kind], ...]] = (
    ("mp3", b"\xff", _mpeg_length),
    ("AAC", b"\xff", _adts_length),
    ("AC-3", b"\x0b", _ac3_length),
    ("AAC", b"\x56", _loas_length),
)
"""Formats without a signature: their names, the first byte of their frames, and what reads it."""
