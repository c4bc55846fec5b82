"""Files in any codec, by PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def encode(
    path: Path,
    samples: NDArray[np.float32],
    rate: int,
    codec: str,
    *,
    container: str | None = None,
    coded_rate: int | None = None,
    layout: str = "mono",
    bit_rate: int = 64_000,
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write mono samples, shape ``(n,)``, at a rate in Hz; return the path.

    One second at a time: a process that has opened an audio file bounds what FFmpeg allocates at
    once (``streamgenre.sources.allocations``), and FFmpeg's resampler takes several times the size
    of its input. Without that memory it returns nothing, and no error.

    Parameters
    ----------
    path
        The file; its name's end gives the format where ``container`` does not.
    samples
        Samples in [-1, 1].
    rate
        Their rate in Hz.
    codec
        Name of FFmpeg's encoder.
    container
        FFmpeg's name of the format.
    coded_rate
        Rate of the encoded audio in Hz; by default that of the samples.
    layout
        Channel layout of the encoded audio.
    bit_rate
        In bit/s.
    tags
        Metadata of the file.
    options
        Options of the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    packets = 0
    with av.open(str(path), "w", format=container, options=dict(options or {})) as out:
        stream: Any = out.add_stream(codec, rate=coded_rate or rate)
        stream.bit_rate, stream.layout = bit_rate, layout
        out.metadata.update(tags or {})
        starts = range(0, len(samples), rate)
        for second in (*(samples[start : start + rate] for start in starts), None):
            frame = None
            if second is not None:
                frame = av.AudioFrame.from_ndarray(second[None], format="flt", layout="mono")
                frame.sample_rate = rate
            for packet in stream.encode(frame):
                out.mux(packet)
                packets += packet.size > 0
    # An MP3 frame has 1152 samples; other codecs have at most a few thousand.
    least = len(samples) // rate
    assert packets >= least, f"{codec} made {packets} packets of {len(samples) / rate:.1f} s"
    return path
