"""A recipe: settings, a network in Keras, and the normalisation of its input.

TensorFlow takes seconds to import, so it is imported only where it is used; ``--help`` and reading
a corpus do not need it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from streamgenre.audio.features import MfccSpec, cepstral_matrix
from train.augmentation.log_mel import Augmentation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

FLOOR: Final = -16.0
"""Log-mel energies below this are raised to it (about -70 dB full scale): digital silence and
spectral holes of codecs would otherwise dominate the network's input."""


_LEAST_STD: Final = 1.0
"""Smallest standard deviation, so that a nearly constant band is not amplified; music has about
3."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is built and trained."""

    epochs: int
    """Number of epochs, fixed beforehand and never chosen on held-out clips."""
    steps: int
    """Batches per epoch."""
    batch: int
    """Windows or programmes per batch."""
    frames: int
    """Frames of a window or of a programme's chunk."""
    units: int
    """Width of the network (LSTM units; channels of the CNN's last block)."""
    dropout: float
    """Share of activations dropped before the last layer."""
    learning_rate: float
    """Peak learning rate, after a warm-up and before a cosine decay to zero."""
    weight_decay: float
    """Decoupled weight decay of AdamW."""
    label_smoothing: float
    """Share of every label that is spread over all genres."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Augmentation of the segments."""
    mix_probability: float = 0.25
    """Share of segments blended with another one (mixup)."""
    seed: int = 1
    """Seed of the weights, the batches and the dropout."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and scale of log-mel energies."""

    mean: NDArray[np.float32]
    """Mean of each band, shape ``(bands,)``."""
    std: NDArray[np.float32]
    """Standard deviation of each band, shape ``(bands,)``."""

    @property
    def level(self) -> NDArray[np.float32]:
        """Matrix from normalised bands to the level in each of them, shape ``(bands, bands)``.

        The level is the mean over the bands before normalisation. Bands minus their level do not
        depend on loudness.
        """
        return np.outer(self.std / len(self.std), 1 / self.std).astype(np.float32)

    @classmethod
    def of(cls, energies: Sequence[NDArray[np.float32]]) -> Normalisation:
        """Measure the training clips; each counts equally whatever its length."""
        floored = [np.maximum(e, FLOOR).astype(np.float64) for e in energies]
        mean = np.mean([e.mean(axis=0) for e in floored], axis=0)
        square = np.mean([np.square(e - mean).mean(axis=0) for e in floored], axis=0)
        std = np.maximum(np.sqrt(square), _LEAST_STD)
        return cls(mean.astype(np.float32), std.astype(np.float32))


NEXT: Final = "_next"
"""Added to the name of a state's input for its output."""


@dataclass(frozen=True, slots=True)
class State:
    """A state tensor of a stateful network."""

    name: str
    """Name of the graph's input; the output is this with ``_next``."""
    shape: tuple[int, ...]
    """Shape without the batch axis."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network in Keras.

    ``whole`` maps ``[frames, *states]`` to ``[logits, *next states]``, or ``frames`` to ``logits``
    where there are no states. The parts of a stateful network are exported separately.
    """

    kind: Literal["stateful", "windowed"]
    whole: Any
    states: tuple[State, ...] = ()
    front: Any = None
    """``[frames, *states]`` to ``[features, direct, *next states]``: input of the first LSTM layer,
    features that bypass it into the head, and the states outside the LSTM."""
    recurrent: tuple[Any, ...] = ()
    """LSTM layers, in order."""
    head: Any = None
    """``[last LSTM layer's outputs, direct]`` to logits."""
    inside: Any = None
    """``[frames, *states]`` to ``[last LSTM layer's outputs, direct]``, the head's input."""
    speech: Any = None
    """``[last LSTM layer's outputs, direct]`` to the logit of speech without music; None until it
    is trained."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network that can be trained by name."""

    name: str
    kind: Literal["stateful", "windowed"]
    description: str
    """What the network is, for the model card."""
    defaults: Settings
    build: Callable[[Settings, MfccSpec, int, Normalisation], Network]
    """Function of settings, features, number of labels and normalisation to an untrained
    network."""


def normalised_log_mel(frames: Any, spec: MfccSpec, normalisation: Normalisation) -> Any:
    """Turn cepstra into normalised log-mel energies inside the graph, shape kept.

    Parameters
    ----------
    frames
        Cepstra, shape ``(batch, time, numcep)``.
    spec
        Settings of the frames.
    normalisation
        Mean and scale of the log-mel energies.
    """
    import keras

    # One fixed matrix and three constants: exact, and folded into one product by the runtime.
    inverse = cepstral_matrix(spec).T.astype(np.float32)
    to_bands = keras.layers.Dense(
        spec.nfilt, use_bias=False, trainable=False, name="inverse_cepstral_transform"
    )
    energies = to_bands(frames)
    to_bands.set_weights([inverse])
    floored = keras.ops.maximum(energies, FLOOR)
    return (floored - normalisation.mean) / normalisation.std
