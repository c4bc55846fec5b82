"""A 2-D CNN with statistics pooling over the last three seconds of log-mel energies.

With little data, the spread of a band's energy over time generalises better to new music than
learnt shapes do. So the network gets those statistics themselves (mean, spread, and spread of the
change over several lags, by band), and small convolutions add learnt features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from train.augmentation.log_mel import Augmentation
from train.recipes.recipe import Network, Normalisation, Recipe, Settings, normalised_log_mel

if TYPE_CHECKING:
    from streamgenre.audio.features import MfccSpec

WINDOW_FRAMES: Final = 75
"""Three seconds at 25 frames a second."""
_LAGS: Final = (1, 2, 4, 8)
"""Lags in frames over which a band's change is measured: 40 to 320 ms."""


def _log_spread(x: Any) -> Any:
    """Return the logarithm of the standard deviation over time, axis 1."""
    from keras import ops

    centred = x - ops.mean(x, axis=1, keepdims=True)
    return 0.5 * ops.log(ops.mean(ops.square(centred), axis=1) + 0.01)


def build(
    settings: Settings, spec: MfccSpec, n_labels: int, normalisation: Normalisation
) -> Network:
    """Build the network with fresh weights.

    Parameters
    ----------
    settings
        How the network is built.
    spec
        Settings of the frames.
    n_labels
        Number of genres.
    normalisation
        Mean and scale of the log-mel energies.
    """
    from keras import Input, Model, layers, ops

    frames = Input((settings.frames, spec.numcep), name="frames")
    x = normalised_log_mel(frames, spec, normalisation)
    x = x - ops.matmul(ops.mean(x, axis=1, keepdims=True), normalisation.level)
    of_bands = [ops.mean(x, axis=1), _log_spread(x)]
    of_bands += [_log_spread(x[:, lag:] - x[:, :-lag]) for lag in _LAGS]

    y = layers.Reshape((settings.frames, spec.nfilt, 1))(x)
    for number, width in enumerate((settings.units // 2, settings.units, settings.units), 1):
        y = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{number}")(y)
        y = layers.BatchNormalization(momentum=0.9, name=f"norm_{number}")(y)
        y = layers.ReLU()(y)
        if number < 3:
            y = layers.MaxPooling2D(2)(y)
            y = layers.SpatialDropout2D(0.1)(y)
    shapes = [layers.Flatten()(ops.mean(y, axis=1)), layers.Flatten()(_log_spread(y))]

    parts = []
    for name, found in (("bands", of_bands), ("shapes", shapes)):
        z = layers.Concatenate()(found)
        z = layers.BatchNormalization(momentum=0.9, name=f"norm_{name}")(z)
        parts.append(layers.Dropout(settings.dropout)(z))
    z = layers.Concatenate()(parts)
    z = layers.Dense(2 * settings.units, activation="relu", name="dense")(z)
    z = layers.Dropout(settings.dropout)(z)
    logits = layers.Dense(n_labels, name="logits")(layers.Concatenate()([z, parts[0]]))
    return Network("windowed", Model(frames, logits, name="cnn"))


RECIPE: Final = Recipe(
    name="lite-cnn",
    kind="windowed",
    description=(
        "a convolutional network over the last 3 s of log-mel energies minus their level: three "
        "layers of 3×3 convolution; their mean and spread over time and the mean, spread and "
        "spread of change of every band go into two dense layers"
    ),
    defaults=Settings(
        epochs=8,
        steps=100,
        batch=64,
        frames=WINDOW_FRAMES,
        units=16,
        dropout=0.5,
        learning_rate=2e-3,
        weight_decay=0.02,
        label_smoothing=0.1,
        augmentation=Augmentation(),
    ),
    build=build,
)
