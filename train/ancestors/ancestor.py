"""An ancestor: its input, its network, and the protocol of its authors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamgenre.audio.features import MfccSpec


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a network that is exported as a whole."""

    layer: Any
    """A Keras model, or a recurrent layer."""
    sources: tuple[str, ...]
    """Names of the input tensors."""
    target: str
    """Name of the output tensor."""
    recurrent: bool = False
    """Whether it becomes a fused ONNX operator."""


class Assembly:
    """Assembles a network from pieces and keeps them for the export.

    Parameters
    ----------
    shape
        Frames and columns of the window, after the front end.
    window
        Function of the whole window that returns the tensor ``x``.
    """

    def __init__(self, shape: tuple[int, int], window: Callable[[Any], Any] | None = None) -> None:
        import keras

        self.first = "window" if window else "x"
        self._input = keras.Input(shape, name=self.first)
        self._tensors = {self.first: self._input}
        self.pieces: list[Piece] = []
        if window:
            self.stack([window], self.first, "x")

    def stack(self, layers: Sequence[Any], source: str, target: str) -> None:
        """Add layers (or functions of tensors) in sequence.

        Parameters
        ----------
        layers
            Keras layers or functions of a tensor, first to last.
        source
            Name of the input tensor.
        target
            Name of the output tensor.
        """
        self.join(lambda x: _through(layers, x), (source,), target)

    def join(self, build: Callable[..., Any], sources: tuple[str, ...], target: str) -> None:
        """Add a function of several tensors.

        Parameters
        ----------
        build
            Takes the input tensors as arguments and returns the output tensor.
        sources
            Names of the input tensors.
        target
            Name of the output tensor.
        """
        import keras

        inputs = [keras.Input(self._tensors[name].shape[1:]) for name in sources]
        part = keras.Model(inputs, build(*inputs))
        self._tensors[target] = part([self._tensors[name] for name in sources])
        self.pieces.append(Piece(part, sources, target))

    def recurrent(self, layer: Any, source: str, target: str) -> None:
        """Add an LSTM, a GRU or one of these in both directions.

        Parameters
        ----------
        layer
            The Keras layer.
        source
            Name of the input tensor, shape ``(batch, frames, columns)``.
        target
            Name of the output tensor.
        """
        self._tensors[target] = layer(self._tensors[source])
        self.pieces.append(Piece(layer, (source,), target, recurrent=True))

    def model(self) -> Any:
        """Return the whole network in Keras; its output is the tensor ``logits``."""
        import keras

        return keras.Model(self._input, self._tensors["logits"])


def _through(layers: Sequence[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the authors split, trained and stopped training."""

    test: float
    """Share for the test."""
    validation: float
    """Share of the rest for validation."""
    split: Literal["clips", "windows"]
    """What is split at random; windows of one clip on both sides are a leak."""
    epochs: int
    """Number of epochs; the largest number with a patience."""
    batch: int
    """Windows per batch."""
    learning_rate: float
    """Of Adam."""
    patience: int = 0
    """Epochs without a better validation loss before training stops; 0 for no early stopping."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One ancestor, or one of its configurations."""

    name: str
    """Name on the command line and of the model folder."""
    what: str
    """Short description."""
    published: float | None
    """Published test accuracy, 0 to 1; None if unknown."""
    spec: MfccSpec
    """Settings of the frames."""
    window_frames: int
    """Length of a window in frames."""
    windows: int
    """Number of evenly spaced windows per clip of 30 s."""
    protocol: Protocol
    build: Callable[[Assembly, Any, Any, int], None] | None
    """Adds the pieces, from the tensor ``x`` to ``logits``: assembly, mean and spread of each
    column over the training windows, number of labels; None for the ancestor that is not a
    network."""
    front: Callable[[MfccSpec], Callable[[Any], Any]] | None = None
    """Spec to a function of frames ``(…, numcep)``, frame by frame, in Keras's operations."""
    window: Callable[[Any], Any] | None = None
    """Function of a whole window after that, also inside the graph; shape kept."""
    genres: tuple[str, ...] = ()
    """Genres of the model; empty for all."""
    adapted: tuple[str, ...] = field(default_factory=tuple)
    """Differences from the authors' description."""
    assumed: tuple[str, ...] = field(default_factory=tuple)
    """What the authors' description leaves open, and the assumption made."""
