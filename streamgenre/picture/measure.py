"""Measures what is drawn of a file, in one pass over its samples and one through the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.audio.mfcc import MfccSpec, cepstral_matrix
from streamgenre.audio.resample import Resampler
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import InputError
from streamgenre.events import Update
from streamgenre.picture.columns import Columns
from streamgenre.sources.files.file import decode
from streamgenre.sources.files.playlist import open_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.events import AnyEvent, State
    from streamgenre.inference.model import Model

MEL_BANDS: Final = 64
"""Bands of the mel spectrogram."""
_DB: Final = 10 / np.log(10)


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision after one hop."""

    start: float
    """Start of the hop in seconds."""
    end: float
    state: State
    genre: str | None
    smoothed: dict[str, float]
    """Smoothed probability of each genre."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is drawn of one file. Columns are equally long and cover the whole file."""

    path: Path
    model: str
    seconds: float
    spec: MfccSpec
    """Parameters of the model's frames."""
    low: NDArray[np.float64]
    """Least sample of each column of the waveform."""
    high: NDArray[np.float64]
    """Largest sample of each column of the waveform."""
    mel_db: NDArray[np.float64]
    """Level of each mel band in dB, shape ``(columns, MEL_BANDS)``."""
    mfcc: NDArray[np.float64]
    """The model's frames, shape ``(columns, numcep)``."""
    decisions: tuple[Decided, ...]


def measure(path: Path, model: Model, step: Callable[[], None] = lambda: None) -> Measured:
    """Measure a file.

    Parameters
    ----------
    path
        The file.
    model
        Model that hears it.
    step
        Called now and then, to show that the work goes on.

    Raises
    ------
    InputError
        If the file cannot be read, or is too short for a frame.
    """
    spec = model.manifest.features
    bands = replace(
        spec, nfilt=MEL_BANDS, numcep=MEL_BANDS, ceplifter=0, preemph=0.0, append_energy=False
    )
    frames, mel = MfccStream(spec), MfccStream(bands)
    # The cosine transform is orthonormal, so its transpose gives the logarithms back.
    back = cepstral_matrix(bands).T
    wave, mel_columns, mfcc_columns = Columns(1), Columns(MEL_BANDS), Columns(spec.numcep)
    resampler: Resampler | None = None
    samples = rate = 0

    def take(mono: NDArray[np.float32]) -> None:
        mfcc_columns.push(frames.push(mono))
        mel_columns.push(_DB * (mel.push(mono) @ back))

    for wanted, block in decode(path):
        step()
        rate = wanted.rate
        resampler = resampler or Resampler(rate, spec.samplerate)
        mono = np.nan_to_num(block.mean(axis=1), posinf=0.0, neginf=0.0)
        samples += len(mono)
        wave.push(mono[:, None])
        take(resampler.push(mono))
    if resampler is not None:
        take(resampler.flush())
    if not mfcc_columns.rows:
        raise InputError(f"{path}: too short for a picture: expected at least {spec.winlen:g} s")
    low, high = wave.limits
    return Measured(
        path=path,
        model=model.manifest.name,
        seconds=samples / rate,
        spec=spec,
        low=low[:, 0],
        high=high[:, 0],
        mel_db=mel_columns.means,
        mfcc=mfcc_columns.means,
        decisions=_decisions(path, model, step),
    )


def _decisions(path: Path, model: Model, step: Callable[[], None]) -> tuple[Decided, ...]:
    found: list[Decided] = []

    def take(event: AnyEvent) -> None:
        step()
        if isinstance(event, Update):
            begin = found[-1].end if found else 0.0
            found.append(
                Decided(begin, event.stream_time, event.state, event.genre, event.smoothed)
            )

    engine = Engine(take, EngineSettings())
    engine.add("picture", open_file(path, pace="fast"), model)
    engine.run(lambda: False)
    return tuple(found)
