"""Recognises MPEG audio by its frames, wherever in one a stream begins.

FFmpeg wants 128 KB of such a stream before it is sure: eight seconds of an mp3 of 128 kb/s.
"""

from __future__ import annotations

from typing import Final

SNIFF: Final = 8192
"""Bytes that show it: those of four frames and more at any bit rate of layers 2 and 3."""
_FRAMES: Final = 4
_KBPS: Final = {
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by version (2: low sampling rates) and layer, from ISO 11172-3 and 13818-3."""
_RATES: Final = (44_100, 48_000, 32_000)


def is_mpeg_audio(data: bytes) -> bool:
    """Whether bytes hold several MPEG audio frames of layer 2 or 3 in a row."""
    start = data.find(b"\xff")
    while 0 <= start < len(data) // 2:
        place, kind = start, None
        for _ in range(_FRAMES):
            found = _frame(data[place : place + 4])
            if found is None or (kind is not None and found[0] != kind):
                break
            kind = found[0]
            place += found[1]
        else:
            return True
        start = data.find(b"\xff", start + 1)
    return False


def _frame(head: bytes) -> tuple[tuple[int, int, int], int] | None:
    """Return version, layer and rate of a frame, and its bytes; None if it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    number, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or number in (0, 15) or rate == 3:
        return None
    low = version != 3
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 576 if low and layer == 3 else 1152
    kbps = _KBPS[2 if low else 1, layer][number]
    return (version, layer, rate), samples * 125 * kbps // hertz + (head[2] >> 1 & 1)
