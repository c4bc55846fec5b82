"""The LSTM over the seconds: what the last minutes say about this one.

Once an update it gets the window's logits (the label-wise logarithm of probability) and the
trunk's 50 tags, and adds its own logits to the window's. It is trained on long programmes with the
state carried from chunk to chunk; the gradient is cut at the chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.models import softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the LSTM is built and trained; fixed beforehand."""

    units: int = 48
    """Width of the LSTM."""
    epochs: int = 20
    """Passes over all programmes."""
    chunk: int = 40
    """Seconds between cuts of the gradient."""
    row: int = 200
    """Seconds of one programme before it begins anew somewhere else."""
    batch: int = 32
    """Programmes side by side."""
    dropout: float = 0.3
    """Share of the inputs and of the outputs dropped."""
    learning_rate: float = 3e-3
    """Highest learning rate; it falls to zero along a cosine."""
    weight_decay: float = 0.02
    """Decoupled weight decay of AdamW."""
    label_smoothing: float = 0.1
    """Share of every label that is spread over all genres."""
    ramp: float = 3.0
    """After a change of the music the loss fades in over this many seconds."""
    seed: int = 1
    """Seed of everything drawn."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the LSTM is trained on: one row a second, programmes one after the other."""

    logits: Floats
    """The window's logits, made without the row's clip; shape ``(n, labels)``."""
    tags: Floats
    """The trunk's tags, shape ``(n, 50)``."""
    targets: Ints
    """Genre of the clip playing; -1 for none; shape ``(n,)``."""
    weights: Floats
    """Weight of the row, shape ``(n,)``."""
    ages: Floats
    """Seconds since the clip began, shape ``(n,)``."""
    begins: NDArray[np.bool_]
    """Whether a programme begins here, shape ``(n,)``."""


def inputs(logits: Floats, tags: Floats) -> Floats:
    """Return what goes into the LSTM, shape ``(…, labels + 50)``."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    certainty = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.concatenate([np.maximum(certainty, FLOOR), tags], axis=-1).astype(np.float32)


FLOOR: Final = -12.0
"""Log probabilities below this say no more."""


def build(settings: Settings, n_labels: int, n_tags: int = 50) -> Any:
    """Build the LSTM: inputs ``(batch, time, labels + 50)``, h, c to logits to add, h, c."""
    from keras import Input, Model, layers

    class Scale(layers.Layer):  # type: ignore[misc]
        """Brings the inputs to one scale."""

        def build(self, shape: Any) -> None:
            """Make the two constants."""
            self.mean = self.add_weight(shape=shape[-1:], initializer="zeros", trainable=False)
            self.std = self.add_weight(shape=shape[-1:], initializer="ones", trainable=False)

        def call(self, inputs: Any) -> Any:
            """Scale."""
            return (inputs - self.mean) / self.std

    x = Input((None, n_labels + n_tags), name="seconds")
    h, c = (Input((settings.units,), name=name) for name in ("lstm_1_h", "lstm_1_c"))
    # (x - mean) / std with numbers set by fit(); not trained.
    scaled = Scale(name="scale")(x)
    y = layers.Dropout(settings.dropout)(scaled)
    lstm = layers.LSTM(
        settings.units, return_sequences=True, return_state=True, use_cudnn=False, name="lstm_1"
    )
    y, h_next, c_next = lstm(y, initial_state=[h, c])
    y = layers.Dropout(settings.dropout)(y)
    logits = layers.Dense(n_labels, name="logits")(y)
    return Model([x, h, c], [logits, h_next, c_next], name="memory")


def fit(
    rows: Rows, settings: Settings, *, on_epoch: Callable[[int, float], None] = lambda n, loss: None
) -> Any:
    """Train the LSTM."""
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    n_labels = rows.logits.shape[1]
    model = build(settings, n_labels)
    x = inputs(rows.logits, rows.tags)
    model.get_layer("scale").set_weights([x.mean(axis=0), x.std(axis=0) + 0.1])
    targets = np.eye(n_labels, dtype=np.float32)[rows.targets]
    targets = targets * (1 - settings.label_smoothing) + settings.label_smoothing / n_labels
    weights = rows.weights * np.minimum(rows.ages / settings.ramp, 1) * (rows.targets >= 0)
    weights = (weights / weights[weights > 0].mean()).astype(np.float32)
    starts = _starts(rows, settings)
    chunks = settings.row // settings.chunk
    steps = settings.epochs * max(1, len(starts) // settings.batch) * chunks
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps),
        weight_decay=settings.weight_decay,
        global_clipnorm=1.0,
    )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def update(x: Any, base: Any, wanted: Any, weight: Any, h: Any, c: Any) -> Any:
        with tf.GradientTape() as tape:
            added, h, c = model([x, h, c], training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(wanted, base + added)
            loss = tf.reduce_sum(losses * weight) / (tf.reduce_sum(weight) + 1e-6)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, h, c

    for epoch in range(1, settings.epochs + 1):
        losses = []
        order = rng.permutation(starts)
        order = order[: max(1, len(order) // settings.batch) * settings.batch]
        for batch in np.array_split(order, max(1, len(order) // settings.batch)):
            # Each begins with an offset of its own, so that the cuts fall elsewhere every time.
            first = np.minimum(
                batch + rng.integers(0, settings.chunk, len(batch)), len(x) - settings.row
            )
            h, c = (np.zeros((len(batch), settings.units), np.float32) for _ in range(2))
            for chunk in range(chunks):
                at = first[:, None] + chunk * settings.chunk + np.arange(settings.chunk)
                loss, h, c = update(x[at], rows.logits[at], targets[at], weights[at], h, c)
                losses.append(float(loss))
        on_epoch(epoch, float(np.mean(losses)))
    return model


def _starts(rows: Rows, settings: Settings) -> Ints:
    """Return where stretches of programme begin: every ``chunk`` seconds, none over an end."""
    begins = [*np.flatnonzero(rows.begins), len(rows.begins)]
    starts = [
        start
        for begin, end in zip(begins[:-1], begins[1:], strict=True)
        for start in range(begin, end - settings.row - settings.chunk, settings.chunk)
    ]
    return np.array(starts or [0])


def run(model: Any, logits: Floats, tags: Floats, begins: NDArray[np.bool_]) -> Floats:
    """Run the LSTM over seconds, with a fresh state wherever something begins."""
    units = model.get_layer("lstm_1").units
    bounds = [*np.flatnonzero(begins), len(logits)]
    parts = list(zip(bounds[:-1], bounds[1:], strict=True))
    longest = max(end - begin for begin, end in parts)
    x = inputs(logits, tags)
    out = logits.copy()
    padded = np.zeros((len(parts), longest, x.shape[1]), np.float32)
    for row, (begin, end) in enumerate(parts):
        padded[row, : end - begin] = x[begin:end]
    zeros = np.zeros((len(parts), units), np.float32)
    added = np.asarray(model([padded, zeros, zeros], training=False)[0])
    for row, (begin, end) in enumerate(parts):
        out[begin:end] += added[row, : end - begin]
    return out


__all__ = ["FLOOR", "Rows", "Settings", "build", "fit", "inputs", "run", "softmax"]
