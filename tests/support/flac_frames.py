"""FLAC of any stated format, a few bytes a frame: every frame holds one constant value."""

from __future__ import annotations

import struct


def flac(
    rate: int, channels: int, *, block: int = 4096, frames: int = 10, value: int = 1000
) -> bytes:
    """Return a FLAC stream: 16-bit frames of ``block`` equal samples."""
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | block * frames
    info = struct.pack(">HH", min(block, 65_535), min(block, 65_535)) + bytes(6)
    info += packed.to_bytes(8, "big") + bytes(16)
    return (
        b"fLaC\x80\x00\x00\x22"
        + info
        + b"".join(frame(channels, block, number, value) for number in range(frames))
    )


def frame(channels: int, block: int, number: int, value: int = 1000) -> bytes:
    """Return one frame, whose rate is that of the stream's header."""
    head = b"\xff\xf8\x70" + bytes([(channels - 1) << 4 | 8])
    head += chr(number).encode() + struct.pack(">H", block - 1)
    head += bytes([_crc(head, 8, 0x07)])
    data = head + channels * (b"\x00" + struct.pack(">h", value))
    return data + _crc(data, 16, 0x8005).to_bytes(2, "big")


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1) ^ (polynomial if crc >> (bits - 1) else 0)
            crc &= (1 << bits) - 1
    return crc
