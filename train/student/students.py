"""The students: networks that are cheap enough for a station a second on the smallest computer.

There are two kinds: :mod:`.separable` ones begin from nothing, :mod:`.whole` begins as the teacher
on pairs of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from train.errors import TrainError
from train.student.frame_kinds import MEL_64, MEL_96
from train.student.lessons import EVERYTHING, MUSIC_ALONE
from train.student.teachers import CLASSES, EMBEDDING
from train.trunk.musicnn import BACK, UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from train.student.frame_kinds import FrameKind
    from train.student.lessons import Mixture

    Floats = NDArray[np.float32]

STEPS: Final = 75
"""Steps of the window that is pooled: three seconds."""
KINDS: Final = 2
"""The last two outputs: music, speech without music."""
OUTPUTS: Final = EMBEDDING + CLASSES + KINDS
MEMORY_S: Final = 2.0
"""Time constant of the running means."""
FLOOR: Final = 1e-5
"""Energy, relative to the mean band's, below which nothing is told apart."""
KERNEL: Final = 3
"""Frames, and bands, of a kernel."""


@dataclass(frozen=True, slots=True)
class Separable:
    """The widths of a depthwise-separable network."""

    name: str
    description: str
    stem: int
    """Channels of the first convolution, which halves frames and bands."""
    blocks: tuple[tuple[int, int, bool], ...]
    """Channels, expansion, and whether the bands are halved before, of each separable block."""
    width: int
    """Channels of the layers along time."""
    dilations: tuple[int, ...] = (1, 2, 4)

    @property
    def embedding(self) -> int:
        """Numbers of the embedding: mean and maximum of every channel."""
        return 2 * self.width

    @property
    def kind(self) -> FrameKind:
        """The frames that it hears."""
        return MEL_64

    @property
    def mixture(self) -> Mixture:
        """What it hears in training."""
        return EVERYTHING


@dataclass(frozen=True, slots=True)
class Whole:
    """The teacher on pairs of frames, without its dead filters; all weights are trained on."""

    name: str
    description: str
    timbre: tuple[int, ...] = (23, 14)
    """Channels of the vertical filters."""
    rhythm: tuple[int, ...] = (3, 7, 17)
    """Channels of the horizontal filters."""

    @property
    def embedding(self) -> int:
        """Numbers of the embedding: maximum and mean of every feature, and the units."""
        return 2 * (sum(self.timbre) + sum(self.rhythm) + 3 * BACK) + UNITS

    @property
    def kind(self) -> FrameKind:
        """The frames that it hears."""
        return MEL_96

    @property
    def mixture(self) -> Mixture:
        """What it hears in training."""
        return MUSIC_ALONE


Student: TypeAlias = Separable | Whole

STUDENTS: Final[Mapping[str, Student]] = {
    student.name: student
    for student in (
        Separable(
            "separable",
            "depthwise-separable, 8 M multiply-adds a second",
            16,
            ((24, 1, True), (24, 2, False), (40, 2, True), (40, 2, False), (64, 2, True)),
            256,
        ),
        Separable(
            "separable-wide",
            "depthwise-separable, 26 M multiply-adds a second",
            24,
            (
                *((32, 1, True), (32, 3, False), (56, 3, True), (56, 3, False)),
                *((96, 3, True), (96, 3, False)),
            ),
            384,
        ),
        Separable(
            "separable-slim",
            "depthwise-separable, 3 M multiply-adds a second",
            12,
            ((16, 1, True), (24, 2, True), (40, 2, True)),
            160,
        ),
        Whole("whole", "MSD_musicnn on pairs of frames, without its dead filters"),
    )
}


def student(name: str) -> Student:
    """Return a student by name.

    Raises
    ------
    TrainError
        If there is none of that name.
    """
    if name not in STUDENTS:
        raise TrainError(f"no student {name!r}; there are {', '.join(STUDENTS)}")
    return STUDENTS[name]


def separable(name: str) -> Separable:
    """Return a student by name that makes a model by itself.

    Raises
    ------
    TrainError
        If there is none of that name, or it is a trunk for other models.
    """
    found = student(name)
    if not isinstance(found, Separable):
        raise TrainError(
            f"{name} is a trunk for the recipes lstm and cnn: `python -m train fit --recipe lstm "
            "--trunks SET` trains, measures and writes a model on it"
        )
    return found


def build(student: Student, frames: int | None = None) -> Any:
    """Build a student in Keras, for training.

    Maps log-mel energies in nats, shape ``(batch, frames, bands)``, to the outputs of every window
    of three seconds, shape ``(batch, windows, 2279)``: the teachers' embedding (standardised),
    YAMNet's classes and :data:`KINDS` as logits. The layer ``embedding`` has the shape
    ``(batch, windows, embedding)``.

    Parameters
    ----------
    student
        Which.
    frames
        Length of the input, whole windows; None for an excerpt.
    """
    from train.student import separable as separable_networks
    from train.student import whole

    length = frames or student.kind.frames
    if isinstance(student, Whole):
        return whole.build(student, length)
    return separable_networks.build(student, length)


def decays(frames: int, pace: float) -> Floats:
    """Return the matrix of running means over a fresh signal, shape ``(frames, frames)``.

    A running mean weights the frame ``n`` frames ago by ``exp(-n * pace)``, and divides by the sum
    of the weights: a signal that has just begun is not taken for one that was silent.

    Parameters
    ----------
    frames
        Number of frames.
    pace
        A frame's length over the time constant.
    """
    age = np.arange(frames)[:, None] - np.arange(frames)[None]
    weights = np.where(age >= 0, np.exp(-np.maximum(age, 0) * pace), 0)
    matrix: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix
