"""AES-128 in CBC mode (FIPS 197, SP 800-38A), decryption only: HLS segments may be encrypted.

Written with NumPy, since no other dependency would be needed for it. It protects nothing here: the
key of a broadcast is public to whoever may listen. Do not use it where timing must not leak.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 16
"""Bytes of a block, and of a key."""
_ROUNDS: Final = 10


class Decryptor:
    """Decrypts data that arrives in pieces.

    Parameters
    ----------
    key
        The key, 16 bytes.
    iv
        The initialisation vector, 16 bytes.
    """

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._keys = _decryption_keys(key)
        self._before = iv
        self._held = b""  # an incomplete block, and the newest complete one, which may be padding

    def update(self, data: bytes) -> bytes:
        """Return what can be decrypted so far; the last block is held back.

        Parameters
        ----------
        data
            The next piece, of any length.
        """
        data = self._held + data
        size = max(0, (len(data) - 1) // BLOCK * BLOCK)
        self._held = data[size:]
        return self._decrypt(data[:size])

    def finish(self) -> bytes:
        """Return the rest without its padding; an incomplete block at the end is left out."""
        rest = self._decrypt(self._held[: len(self._held) // BLOCK * BLOCK])
        padding = rest[-1] if rest else 0
        if 1 <= padding <= BLOCK and rest.endswith(bytes([padding]) * padding):
            return rest[:-padding]
        return rest

    def _decrypt(self, data: bytes) -> bytes:
        if not data:
            return b""
        chain = np.frombuffer((self._before + data)[: len(data)], np.uint8)
        self._before = data[-BLOCK:]
        plain = _decrypt_blocks(np.frombuffer(data, np.uint8).reshape(-1, BLOCK), self._keys)
        return (plain.reshape(-1) ^ chain).tobytes()


def _decrypt_blocks(blocks: NDArray[np.uint8], keys: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Decrypt blocks, shape ``(n, 16)``, each on its own: the equivalent inverse cipher."""
    inverse, tables = _tables()
    words = blocks.view(">u4").astype(np.uint32) ^ keys[_ROUNDS]
    for number in range(_ROUNDS - 1, 0, -1):
        words = (
            tables[0][words >> 24]
            ^ tables[1][(words[:, [3, 0, 1, 2]] >> 16) & 0xFF]
            ^ tables[2][(words[:, [2, 3, 0, 1]] >> 8) & 0xFF]
            ^ tables[3][words[:, [1, 2, 3, 0]] & 0xFF]
            ^ keys[number]
        )
    last = inverse.astype(np.uint32)
    words = (
        last[words >> 24] << 24
        | last[(words[:, [3, 0, 1, 2]] >> 16) & 0xFF] << 16
        | last[(words[:, [2, 3, 0, 1]] >> 8) & 0xFF] << 8
        | last[words[:, [1, 2, 3, 0]] & 0xFF]
    ) ^ keys[0]
    plain: NDArray[np.uint8] = words.astype(">u4").view(np.uint8)
    return plain


def _times(a: int, b: int) -> int:
    """Multiply two bytes in the field GF(2⁸) of AES."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


@cache
def _boxes() -> tuple[list[int], list[int]]:
    """Return the substitution box and its inverse."""
    box, inverse = [0] * 256, [0] * 256
    value, reciprocal = 1, 1
    for _ in range(255):
        value = _times(value, 3)
        reciprocal = _times(reciprocal, 0xF6)  # 1/3
        rotated = reciprocal | reciprocal << 8
        mixed = reciprocal ^ rotated >> 7 ^ rotated >> 6 ^ rotated >> 5 ^ rotated >> 4
        box[value] = (mixed ^ 0x63) & 0xFF
    box[0] = 0x63
    for byte, substitute in enumerate(box):
        inverse[substitute] = byte
    return box, inverse


@cache
def _tables() -> tuple[NDArray[np.uint8], list[NDArray[np.uint32]]]:
    """Return the inverse box, and tables of it with InvMixColumns for each byte of a word."""
    inverse = _boxes()[1]
    rows = [[_times(byte, factor) for factor in (14, 9, 13, 11)] for byte in inverse]
    words = [int.from_bytes(bytes(row), "big") for row in rows]
    tables = [
        np.array(
            [word >> shift | (word << (32 - shift)) & 0xFFFF_FFFF for word in words], np.uint32
        )
        for shift in (0, 8, 16, 24)
    ]
    return np.array(inverse, np.uint8), tables


def _decryption_keys(key: bytes) -> NDArray[np.uint32]:
    """Return the round keys of the equivalent inverse cipher, shape ``(11, 4)``."""
    if len(key) != BLOCK:
        raise ValueError(f"a key of {len(key)} bytes; expected {BLOCK}")
    box = _boxes()[0]
    words = [list(key[at : at + 4]) for at in range(0, BLOCK, 4)]
    constant = 1
    while len(words) < 4 * (_ROUNDS + 1):
        word = words[-1]
        if len(words) % 4 == 0:
            word = [box[byte] for byte in (*word[1:], word[0])]
            word[0] ^= constant
            constant = _times(constant, 2)
        words.append([a ^ b for a, b in zip(words[-4], word, strict=True)])
    for number in range(4, 4 * _ROUNDS):
        a, b, c, d = words[number]
        words[number] = [
            _times(w, 14) ^ _times(x, 11) ^ _times(y, 13) ^ _times(z, 9)
            for w, x, y, z in ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
        ]
    packed = [int.from_bytes(bytes(word), "big") for word in words]
    return np.array(packed, np.uint32).reshape(_ROUNDS + 1, 4)
