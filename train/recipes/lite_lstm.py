"""Running statistics, one LSTM layer, logits at every frame.

Before the LSTM, running statistics of each band are added to every frame: mean, spread and spread
of change, with exponential decay over a few seconds. They are a linear recurrence with a fixed
decay, computed for all frames at once by a product with a triangular matrix; their past is held in
a few state tensors. With a fixed decay they cannot drift, however long the stream is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from train.augmentation.log_mel import Augmentation
from train.recipes.recipe import Network, Normalisation, Recipe, Settings, State, normalised_log_mel

if TYPE_CHECKING:
    from streamgenre.audio.features import MfccSpec

_LAGS: Final = (1, 2, 4, 8)
"""Lags in frames over which a band's change is measured: 40 to 320 ms."""
CONTEXT_FRAMES: Final = max(_LAGS)
"""Past frames that are kept for the lags."""
MEMORY_FRAMES: Final = 75.0
"""Time constant of the running statistics: 3 s."""


def _decay_matrices(ones: Any) -> tuple[Any, Any]:
    """Return the weights of the new frames and of the past in the running sums.

    For ``s[t] = d s[t-1] + (1 - d) x[t]`` the sums are ``new @ x + past * s[-1]`` with the
    triangular ``new``, shape ``(1, time, time)``, and ``past``, shape ``(1, time, 1)``; ``ones``
    has the shape ``(batch, time, 1)``.
    """
    from keras import ops

    rate = -1.0 / MEMORY_FRAMES
    count = ops.cumsum(ops.max(ones, axis=0, keepdims=True), axis=1)
    age = count - ops.transpose(count, (0, 2, 1))
    share = 1.0 - math.exp(rate)
    # The age is clipped first: a far future would overflow before it is masked.
    new = ops.where(age >= 0, share * ops.exp(rate * ops.maximum(age, 0.0)), 0.0)
    return new, ops.exp(rate * count)


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

    bands, units = spec.nfilt, settings.units
    states = (
        State("context", (CONTEXT_FRAMES, bands + 1)),
        State("heard", (1,)),
        State("mean", (bands,)),
        State("spread", ((1 + len(_LAGS)) * bands,)),
        State("lstm_1_h", (units,)),
        State("lstm_1_c", (units,)),
    )
    frames = Input((None, spec.numcep), name="frames")
    *of_front, h, c = (Input(state.shape, name=state.name) for state in states)
    context, heard, mean, spread = of_front

    x = normalised_log_mel(frames, spec, normalisation)
    ones = ops.ones_like(x[..., :1])
    new, past = _decay_matrices(ones)

    def running(values: Any, before: Any) -> Any:
        return ops.matmul(new, values) + past * before[:, None, :]

    # The initial zeros are not music: "heard" is the running sum of ones, by which the others are
    # divided, and the last column of the context marks its real frames. So the statistics are right
    # from the first frame.
    heards = running(ones, heard)
    means = running(x, mean)
    with_past = layers.Concatenate(axis=1)([context, layers.Concatenate()([x, ones])])
    changes = [ops.abs(x - means / heards)]
    for lag in _LAGS:
        before = with_past[:, CONTEXT_FRAMES - lag : -lag]
        changes.append(ops.abs(x - before[..., :bands]) * before[..., bands:])
    spreads = running(layers.Concatenate()(changes), spread)
    # Loudness says nothing about the genre and changes with the volume control, so the level of the
    # last seconds is subtracted from everything except the changes, which do not contain it.
    level = ops.matmul(means / heards, normalisation.level)
    x = x - level
    statistics = layers.Concatenate()([means / heards - level, ops.log(spreads / heards + 0.1)])
    statistics = layers.BatchNormalization(momentum=0.9, name="norm_statistics")(statistics)
    direct = layers.Dropout(settings.dropout)(statistics)
    features = layers.Concatenate()([layers.Dropout(settings.dropout / 2)(x), direct])
    features = layers.Dense(units, activation="relu", name="projection")(features)
    features = layers.Dropout(settings.dropout)(features)
    front = Model(
        [frames, *of_front],
        [
            features,
            direct,
            with_past[:, -CONTEXT_FRAMES:],
            heards[:, -1],
            means[:, -1],
            spreads[:, -1],
        ],
        name="front",
    )
    lstm = layers.LSTM(
        units, return_sequences=True, return_state=True, use_cudnn=False, name="lstm_1"
    )
    hidden = Input((None, units), name="hidden")
    beside = Input((None, direct.shape[-1]), name="direct")
    joined = layers.Concatenate()([layers.Dropout(settings.dropout)(hidden), beside])
    head = Model([hidden, beside], layers.Dense(n_labels, name="logits")(joined), name="head")

    projected, direct, *next_of_front = front([frames, *of_front])
    sequence, h_next, c_next = lstm(projected, initial_state=[h, c])
    whole = Model(
        [frames, *of_front, h, c],
        [head([sequence, direct]), *next_of_front, h_next, c_next],
        name="lstm",
    )
    inside = Model([frames, *of_front, h, c], [sequence, direct], name="inside")
    return Network("stateful", whole, states, front, (lstm,), head, inside)


RECIPE: Final = Recipe(
    name="lite-lstm",
    kind="stateful",
    description=(
        "running statistics of log-mel energies minus their level (mean, spread and spread of "
        "change by band, over about 3 s), a dense layer, one LSTM layer, and logits at every frame "
        "from the LSTM and the statistics; trained on endless programmes with its state carried "
        "across changes of the music"
    ),
    defaults=Settings(
        epochs=8,
        steps=100,
        batch=32,
        frames=75,
        units=64,
        dropout=0.5,
        learning_rate=2e-3,
        weight_decay=0.02,
        label_smoothing=0.1,
        augmentation=Augmentation(),
    ),
    build=build,
)
