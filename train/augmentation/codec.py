"""A round trip through a codec as radio stations use them, with FFmpeg's libraries."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from train.errors import TrainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

CODECS: Final = {"libmp3lame": "mp3", "aac": "adts", "libopus": "ogg"}
"""Containers by FFmpeg encoder."""


def round_trip(samples: Samples, rate: int, codec: str, bits_a_second: int) -> Samples:
    """Encode and decode mono samples, shape and length kept.

    Parameters
    ----------
    samples
        Shape ``(n,)``.
    rate
        Sample rate in Hz.
    codec
        One of :data:`CODECS`.
    bits_a_second
        Bit rate of the encoder, in bit/s.
    """
    import av

    encoded = io.BytesIO()
    with av.open(encoded, "w", format=CODECS[codec]) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if not isinstance(stream, av.AudioStream):
            raise TrainError(f"FFmpeg's {codec} is not an audio encoder")
        stream.bit_rate = bits_a_second
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32)[None], format="fltp", layout="mono"
        )
        frame.sample_rate = rate
        to_codec = av.AudioResampler(
            format=stream.codec_context.format.name, layout="mono", rate=rate
        )
        for part in (*to_codec.resample(frame), None):
            for packet in stream.encode(part):
                container.mux(packet)
    encoded.seek(0)
    with av.open(encoded, "r") as reader:
        to_float = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        decoded = [
            part.to_ndarray()[0]
            for frame in reader.decode(audio=0)
            for part in to_float.resample(frame)
        ]
    decoded_samples = np.concatenate(decoded)[: len(samples)].astype(np.float32)
    return np.pad(decoded_samples, (0, len(samples) - len(decoded_samples)))
