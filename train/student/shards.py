"""Shards: excerpts as Opus with their teachers' targets, in files of at most 60 MB.

A shard is an ``.npz`` without pickles: ``opus`` (the excerpts' Ogg files, one after the other),
``ends`` (where each ends), ``source``, ``fold`` (n,), ``yamnet`` (n, 2, 521) and, of music,
``embedding`` (n, 2, 1756). Its name begins with its role.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from train.augmentation.room_acoustics import RATE
from train.cache import read_arrays, write_arrays
from train.errors import TrainError
from train.student.excerpts import EXCERPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.corpora.free_music import Role

    Floats = NDArray[np.float32]

LARGEST: Final = 60_000_000
"""Bytes of a shard, at most."""
_BITS: Final = 40_000
_HALF: Final = 65_000


@dataclass(frozen=True, slots=True)
class Shard:
    """Excerpts of one role with their targets."""

    role: Role
    audio: tuple[bytes, ...]
    """An Ogg Opus file per excerpt."""
    sources: tuple[str, ...]
    folds: NDArray[np.int64]
    """Shape ``(n,)``."""
    yamnet: NDArray[np.float16]
    """Shape ``(n, 2, 521)``."""
    embedding: NDArray[np.float16] | None
    """Shape ``(n, 2, 1756)``; None of what is no music."""


def write(path: Path, shard: Shard) -> None:
    """Write a shard completely or not at all.

    Parameters
    ----------
    path
        The file.
    shard
        Its content.

    Raises
    ------
    TrainError
        If it cannot be written, or is larger than 60 MB.
    """
    arrays: dict[str, Any] = {
        "opus": np.frombuffer(b"".join(shard.audio), np.uint8),
        "ends": np.cumsum([len(audio) for audio in shard.audio]),
        "source": np.array(shard.sources),
        "fold": shard.folds,
        "yamnet": shard.yamnet,
    }
    if shard.embedding is not None:
        arrays["embedding"] = shard.embedding
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise TrainError(f"{path.name} would have {size / 1e6:.0f} MB; give fewer --excerpts")
    write_arrays(path, arrays)


def read(path: Path) -> Shard:
    """Read a shard.

    Raises
    ------
    TrainError
        If it is damaged.
    """
    kept = read_arrays(path)
    if kept is None or not {"opus", "ends", "source", "fold", "yamnet"} <= kept.keys():
        raise TrainError(f"{path} is damaged; delete it and run `train trunk prepare` again")
    whole = kept["opus"].tobytes()
    starts = [0, *kept["ends"][:-1].tolist()]
    audio = tuple(whole[a:b] for a, b in zip(starts, kept["ends"].tolist(), strict=True))
    return Shard(
        cast("Role", path.name.split("-")[0]),
        audio,
        tuple(map(str, kept["source"])),
        kept["fold"],
        kept["yamnet"],
        kept.get("embedding"),
    )


def paths(folder: Path) -> list[Path]:
    """Return a folder's shards, sorted.

    Raises
    ------
    TrainError
        If it has none.
    """
    found = sorted((folder / "shards").glob("*.npz"))
    if not found:
        raise TrainError(f"{folder}: no shards; run `python -m train trunk prepare` first")
    return found


def half(values: Sequence[Floats]) -> NDArray[np.float16]:
    """Stack arrays in half precision; a click's features would not fit."""
    return np.clip(np.stack(values), -_HALF, _HALF).astype(np.float16)


def encode(samples: Floats) -> bytes:
    """Encode mono samples at 16 kHz as Ogg Opus."""
    import av

    encoded = io.BytesIO()
    with av.open(encoded, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        if not isinstance(stream, av.AudioStream):
            raise TrainError("FFmpeg's libopus is not an audio encoder")
        stream.bit_rate = _BITS
        whole = np.ascontiguousarray(np.clip(samples, -1, 1)[None], np.float32)
        frame = av.AudioFrame.from_ndarray(whole, format="fltp", layout="mono")
        frame.sample_rate = RATE
        to_codec = av.AudioResampler(stream.codec_context.format.name, "mono", RATE)
        for part in (*to_codec.resample(frame), None):
            for packet in stream.encode(part):
                container.mux(packet)
    return encoded.getvalue()


def decode_opus(audio: bytes) -> Floats:
    """Decode an excerpt to mono samples at 16 kHz, shape ``(97_600,)``."""
    import av

    with av.open(io.BytesIO(audio), "r") as reader:
        to_float = av.AudioResampler("fltp", "mono", RATE)
        parts = [
            part.to_ndarray()[0]
            for frame in (*reader.decode(audio=0), None)
            for part in to_float.resample(frame)
        ]
    samples = np.concatenate(parts)[:EXCERPT].astype(np.float32)
    return np.pad(samples, (0, EXCERPT - len(samples)))
