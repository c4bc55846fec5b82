"""The ancestors' networks, as their authors described them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from train.ancestors.ancestor import Assembly


def _image(x: Any) -> Any:
    """Add a channel axis to a window, as for an image."""
    return x[..., None]


def mlp(assembly: Assembly, mean: Any, std: Any, n_labels: int, *, regular: bool) -> None:
    """Three hidden layers of 512, 256 and 64.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    regular
        Whether the layers have an L2 penalty of 0.001 and dropout of 0.3.
    """
    from keras import layers, regularizers

    stack: list[Any] = [layers.Flatten()]
    for width in (512, 256, 64):
        penalty = regularizers.L2(0.001) if regular else None
        stack.append(layers.Dense(width, activation="relu", kernel_regularizer=penalty))
        if regular:
            stack.append(layers.Dropout(0.3))
    assembly.stack([*stack, layers.Dense(n_labels)], "x", "logits")


def small_cnn(assembly: Assembly, mean: Any, std: Any, n_labels: int) -> None:
    """Three blocks of convolution, pooling and batch norm on MFCC as an image.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    """
    from keras import layers

    stack: list[Any] = [_image]
    for size in (3, 3, 2):
        stack += [
            layers.Conv2D(32, size, activation="relu"),
            layers.MaxPooling2D(2, strides=2, padding="same"),
            layers.BatchNormalization(),
        ]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.3)]
    assembly.stack([*stack, layers.Dense(n_labels)], "x", "logits")


def two_lstm(
    assembly: Assembly, mean: Any, std: Any, n_labels: int, *, dropout: float = 0.3
) -> None:
    """Two LSTM layers of 64, a dense layer of 64, dropout.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    dropout
        Dropout before the last layer, 0 to 1.
    """
    from keras import layers

    assembly.recurrent(layers.LSTM(64, return_sequences=True), "x", "first")
    assembly.recurrent(layers.LSTM(64), "first", "last")
    head = [layers.Dense(64, activation="relu"), layers.Dropout(dropout), layers.Dense(n_labels)]
    assembly.stack(head, "last", "logits")


def standardised_lstm(
    assembly: Assembly, mean: Any, std: Any, n_labels: int, *, layers_: int, units: int
) -> None:
    """One or two LSTM layers on standardised features, dropout 0.2 between and after.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column.
    n_labels
        Number of genres.
    layers_
        Number of LSTM layers, 1 or 2.
    units
        Width of each.
    """
    from keras import layers

    assembly.stack([lambda x: (x - mean) / std], "x", "sequence_0")
    for number in range(1, layers_ + 1):
        layer = layers.LSTM(units, return_sequences=number < layers_)
        assembly.recurrent(layer, f"sequence_{number - 1}", f"hidden_{number}")
        assembly.stack([layers.Dropout(0.2)], f"hidden_{number}", f"sequence_{number}")
    assembly.stack([layers.Dense(n_labels)], f"sequence_{layers_}", "logits")


def _blocks(channels: tuple[int, ...], pools: tuple[int, ...], dropout: float) -> list[Any]:
    from keras import layers

    stack: list[Any] = []
    for width, pool in zip(channels, pools, strict=True):
        stack += [
            layers.Conv2D(width, 3, padding="same"),
            layers.ReLU(),
            layers.MaxPooling2D(pool),
            layers.Dropout(dropout),
        ]
    return stack


def deep_cnn(assembly: Assembly, mean: Any, std: Any, n_labels: int) -> None:
    """Five blocks of convolution with growing channels, then a dense layer.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    """
    from keras import layers

    blocks = _blocks((8, 16, 32, 64, 128), (2, 2, 2, 2, 4), 0.2)
    dense = [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.2)]
    assembly.stack([_image, *blocks, *dense, layers.Dense(n_labels)], "x", "logits")


def cnn_beside_gru(assembly: Assembly, mean: Any, std: Any, n_labels: int) -> None:
    """Four blocks of convolution beside a GRU in both directions, joined.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    """
    from keras import layers

    blocks = _blocks((8, 16, 32, 64), (2, 2, 4, 4), 0.2)
    assembly.stack([_image, *blocks, layers.Flatten()], "x", "shapes")
    assembly.stack([layers.MaxPooling1D(4)], "x", "slow")
    assembly.recurrent(layers.Bidirectional(layers.GRU(64)), "slow", "memory")

    def head(shapes: Any, memory: Any) -> Any:
        joined = layers.Concatenate()([shapes, memory])
        return layers.Dense(n_labels)(layers.Dense(64, activation="relu")(joined))

    assembly.join(head, ("shapes", "memory"), "logits")


def conv_then_lstm(assembly: Assembly, mean: Any, std: Any, n_labels: int) -> None:
    """Two blocks of convolution over time, then an LSTM, then a dense layer.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; not used here.
    n_labels
        Number of genres.
    """
    from keras import layers

    stack: list[Any] = []
    for _ in range(2):
        stack += [
            layers.Conv1D(64, 5, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(4),
            layers.Dropout(0.3),
        ]
    assembly.stack(stack, "x", "features")
    assembly.recurrent(layers.LSTM(96), "features", "last")
    assembly.stack([layers.Dense(64, activation="relu"), layers.Dense(n_labels)], "last", "logits")


def one_conv(
    assembly: Assembly, mean: Any, std: Any, n_labels: int, *, channels: int, size: int,
    penalty: Callable[[], Any], dropout: float, standardise: bool,
) -> None:  # fmt: skip
    """One convolution over 5 s of decibels below the peak, pooling, dropout, dense.

    Parameters
    ----------
    assembly
        Where the layers are added; it holds the tensor ``x``. The result is the tensor ``logits``.
    mean, std
        Mean and standard deviation of the features, per column; used with ``standardise``.
    n_labels
        Number of genres.
    channels
        Channels of the convolution.
    size
        Side of its kernel.
    penalty
        Returns the penalty on its weights.
    dropout
        Dropout after the pooling, 0 to 1.
    standardise
        Whether the features are standardised first.
    """
    from keras import layers

    stack: list[Any] = [lambda x: (x - mean) / std] if standardise else []
    stack += [
        _image,
        layers.Conv2D(channels, size, activation="relu", kernel_regularizer=penalty()),
        layers.MaxPooling2D(2),
        layers.Dropout(dropout),
        layers.Flatten(),
        layers.Dense(n_labels),
    ]
    assembly.stack(stack, "x", "logits")


def _l1_l2() -> Any:
    from keras import regularizers

    return regularizers.L1L2(0.01, 0.01)


def _l2() -> Any:
    from keras import regularizers

    return regularizers.L2(0.1)


kelly = partial(one_conv, channels=32, size=3, penalty=_l1_l2, dropout=0.5, standardise=True)
kelly_small = partial(one_conv, channels=16, size=2, penalty=_l2, dropout=0.6, standardise=False)
