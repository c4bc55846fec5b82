"""What every recipe has: settings, a network in Keras, and how its input is normalised.

TensorFlow takes seconds to import, so it is imported where it is used: ``--help`` and the reading
of a corpus do without.
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
"""Log-mel energies below this are raised to it (about -70 dB full scale): digital silence and the
codec's holes would otherwise be the loudest thing that the network sees."""


_LEAST_STD: Final = 1.0
"""A band in which the training clips hardly differ is not blown up; music has about 3."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is built and trained."""

    epochs: int
    """Number of epochs; fixed beforehand, never chosen on clips held out."""
    steps: int
    """Batches an epoch."""
    batch: int
    """Windows or programmes a batch."""
    frames: int
    """Frames of a window or of a programme's chunk."""
    units: int
    """Width of the network (LSTM units; channels of the CNN's last block)."""
    dropout: float
    """Share of activations dropped before the last layer."""
    learning_rate: float
    """Highest learning rate; it warms up and falls to zero along a cosine."""
    weight_decay: float
    """Decoupled weight decay of AdamW."""
    label_smoothing: float
    """Share of every label that is spread over all genres."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """What is done to the segments."""
    mix_probability: float = 0.25
    """Share of segments that are blended with another one (mixup)."""
    seed: int = 1
    """Seed of the weights, the batches and the dropout."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What log-mel energies are brought to one scale by."""

    mean: NDArray[np.float32]
    """Mean of each band, shape ``(bands,)``."""
    std: NDArray[np.float32]
    """Standard deviation of each band, shape ``(bands,)``."""

    @property
    def level(self) -> NDArray[np.float32]:
        """What turns normalised bands into the level in each of them, shape ``(bands, bands)``.

        The level is the mean over the bands before they were normalised. Bands less their level
        are the same however loud the music is.
        """
        return np.outer(self.std / len(self.std), 1 / self.std).astype(np.float32)

    @classmethod
    def of(cls, energies: Sequence[NDArray[np.float32]]) -> Normalisation:
        """Measure the training clips, each of which counts alike whatever its length."""
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
    where there are no states. The parts of a stateful network are exported one by one.
    """

    kind: Literal["stateful", "windowed"]
    whole: Any
    states: tuple[State, ...] = ()
    front: Any = None
    """``[frames, *states]`` to ``[features, direct, *next states]``: what goes into the first LSTM
    layer, what goes past it into the head, and the states that are not the LSTM's."""
    recurrent: tuple[Any, ...] = ()
    """LSTM layers, in order."""
    head: Any = None
    """``[last LSTM layer's outputs, direct]`` to logits."""
    inside: Any = None
    """``[frames, *states]`` to ``[last LSTM layer's outputs, direct]``, what the head gets."""
    speech: Any = None
    """``[last LSTM layer's outputs, direct]`` to the logit of speech without music; None until it
    was learnt."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network that can be trained by name."""

    name: str
    kind: Literal["stateful", "windowed"]
    description: str
    """What it is, for the model card."""
    defaults: Settings
    build: Callable[[Settings, MfccSpec, int, Normalisation], Network]
    """Settings, features, number of labels, normalisation: to a network with fresh weights."""


def normalised_log_mel(frames: Any, spec: MfccSpec, normalisation: Normalisation) -> Any:
    """Turn cepstra into normalised log-mel energies inside the graph, shape kept."""
    import keras

    # One fixed matrix and three constants: exact, and the runtime folds it into one product.
    inverse = cepstral_matrix(spec).T.astype(np.float32)
    to_bands = keras.layers.Dense(
        spec.nfilt, use_bias=False, trainable=False, name="inverse_cepstral_transform"
    )
    energies = to_bands(frames)
    to_bands.set_weights([inverse])
    floored = keras.ops.maximum(energies, FLOOR)
    return (floored - normalisation.mean) / normalisation.std
