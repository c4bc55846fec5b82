"""The LSTM over the seconds: how much the last minutes count for the current second.

Once per update it takes the window's log probabilities and adds its own logits to the window's. One
small LSTM with the same weights runs for every genre, on the probabilities of that genre and of the
strongest other one: it learns how to weight the past and when to drop it, but cannot learn artists.
An LSTM over the embedding did learn artists: clips by unseen artists fell from 0.78 to 0.73.

It is trained on long seeded programmes with the state carried from chunk to chunk, the gradient
cut at the chunks. They are put together from the seconds of clips (as they are, and augmented); in
the two seconds in which the trunk's window holds two pieces their logits are blended.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.integer[Any]]

FLOOR: Final = -12.0
"""Log probabilities are clipped here."""
_BLENDED: Final = np.array([1 / 3, 2 / 3], np.float32)
"""Share of the new piece in the first seconds after a change."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the LSTM is built and trained."""

    units: int = 16
    """Width of the LSTM of every genre."""
    epochs: int = 10
    """Number of epochs."""
    programmes: int = 128
    """Programmes per epoch."""
    seconds: int = 240
    """Length of a programme; the state is carried through it."""
    chunk: int = 40
    """Seconds after which the gradient is cut."""
    batch: int = 32
    """Programmes per batch."""
    piece: tuple[float, float] = (10.0, 150.0)
    """Seconds that one recording plays; drawn evenly on a logarithmic scale."""
    learning_rate: float = 5e-3
    """Peak learning rate, before a cosine decay to zero."""
    label_smoothing: float = 0.05
    """Share of every label that is spread over all genres."""
    ramp: float = 3.0
    """After a change of the music the loss fades in over this many seconds."""
    seed: int = 1
    """Seed of everything drawn."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Material that programmes are put together from."""

    logits: Floats
    """The window's logits, made without the row's clip; shape ``(n, labels)``."""
    pieces: tuple[tuple[Ints, ...], ...]
    """By clip: stretches of its seconds as row numbers."""
    targets: Ints
    """Genre of every clip that has pieces."""
    shares: Floats
    """How often each of them is drawn; sums to 1."""


def inputs(logits: Any) -> Any:
    """Return the LSTM's input: ``(…, labels)`` to ``(…, labels, 2)``, in Keras operations."""
    from keras import ops

    certain = ops.maximum(ops.log_softmax(logits, axis=-1), FLOOR)
    top = ops.top_k(certain, 2)[0]
    first, second = top[..., :1], top[..., 1:]
    rival = ops.where(certain >= first, second, first)
    return ops.stack([certain, certain - rival], axis=-1) / 4.0


def build(settings: Settings) -> Any:
    """Build the LSTM of one genre: ``(batch, time, 2)``, h and c to added logits, h and c."""
    from keras import Input, Model, layers

    x = Input((None, 2), name="of_genre")
    h, c = (Input((settings.units,), name=name) for name in ("h", "c"))
    lstm = layers.LSTM(
        settings.units, return_sequences=True, return_state=True, use_cudnn=False, name="lstm_1"
    )
    y, *after = lstm(x, initial_state=[h, c])
    # Zeros: training starts from the window's own output.
    added = layers.Dense(1, kernel_initializer="zeros", name="logits")(y)
    return Model([x, h, c], [added, *after], name="memory")


def remember(model: Any, logits: Any, h: Any, c: Any, *, training: bool = False) -> Any:
    """Run the LSTM for every genre: logits ``(batch, time, labels)`` to logits, h and c.

    The states have the shape ``(batch, labels, units)``.

    Parameters
    ----------
    model
        The LSTM of one genre.
    logits
        Logits of the window, shape ``(batch, time, labels)``.
    h
        State, shape ``(batch, labels, units)``.
    c
        State, shape ``(batch, labels, units)``.
    training
        Whether to run in training mode.
    """
    from keras import ops

    batch, time, labels = logits.shape
    x = ops.reshape(ops.transpose(inputs(logits), (0, 2, 1, 3)), (batch * labels, time, 2))
    flat = [ops.reshape(state, (batch * labels, -1)) for state in (h, c)]
    added, *after = model([x, *flat], training=training)
    added = ops.transpose(ops.reshape(added, (batch, labels, time)), (0, 2, 1))
    return logits + added, *(ops.reshape(state, (batch, labels, -1)) for state in after)


def programme(
    rows: Rows, settings: Settings, rng: np.random.Generator
) -> tuple[Floats, Ints, Floats]:
    """Draw a programme: logits ``(seconds, labels)``, genres and ages ``(seconds,)``.

    Parameters
    ----------
    rows
        Material of the programme.
    settings
        Lengths of programme and pieces.
    rng
        Source of everything drawn.
    """
    logits: list[Floats] = []
    genres: list[Ints] = []
    ages: list[Floats] = []
    length = 0
    while length < settings.seconds:
        clip = int(rng.choice(len(rows.pieces), p=rows.shares))
        wanted = int(np.exp(rng.uniform(*np.log(settings.piece))))
        chosen: list[Ints] = []
        while sum(map(len, chosen)) < wanted:
            chosen.append(rows.pieces[clip][int(rng.integers(len(rows.pieces[clip])))])
        new = rows.logits[np.concatenate(chosen)[:wanted]].copy()
        if logits:
            blended = min(len(_BLENDED), len(new))
            share = _BLENDED[:blended, None]
            new[:blended] = share * new[:blended] + (1 - share) * logits[-1][-1]
        logits.append(new)
        genres.append(np.full(len(new), rows.targets[clip]))
        ages.append(np.arange(1, len(new) + 1, dtype=np.float32))
        length += len(new)
    end = settings.seconds
    return np.concatenate(logits)[:end], np.concatenate(genres)[:end], np.concatenate(ages)[:end]


def fit(
    rows: Rows, settings: Settings, *, on_epoch: Callable[[int, float], None] = lambda n, loss: None
) -> Any:
    """Train the LSTM.

    Parameters
    ----------
    rows
        Training material.
    settings
        How the LSTM is built and trained.
    on_epoch
        Called with the number and the loss of every epoch.
    """
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    n_labels = rows.logits.shape[1]
    model = build(settings)
    batches = max(1, settings.programmes // settings.batch)
    chunks = settings.seconds // settings.chunk
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, settings.epochs * batches * chunks
        ),
        weight_decay=0.0,
        global_clipnorm=1.0,
    )

    def update(logits: Any, wanted: Any, weight: Any, h: Any, c: Any) -> Any:
        with tf.GradientTape() as tape:
            answer, h, c = remember(model, logits, h, c, training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(wanted, answer)
            loss = tf.reduce_sum(losses * weight) / tf.reduce_sum(weight)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, h, c

    optimizer.build(model.trainable_variables)  # variables made within a step have it traced twice
    step: Any = tf.function(update, autograph=False)
    labels = np.eye(n_labels, dtype=np.float32) * (1 - settings.label_smoothing)
    labels += settings.label_smoothing / n_labels
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for _ in range(batches):
            drawn = zip(
                *(programme(rows, settings, rng) for _ in range(settings.batch)), strict=True
            )
            logits, genres, ages = (np.stack(column) for column in drawn)
            weights = np.minimum(ages / settings.ramp, 1)
            h, c = (np.zeros((len(logits), n_labels, settings.units), np.float32) for _ in "hc")
            for chunk in range(chunks):
                at = slice(chunk * settings.chunk, (chunk + 1) * settings.chunk)
                loss, h, c = step(logits[:, at], labels[genres[:, at]], weights[:, at], h, c)
                losses.append(float(loss))
        on_epoch(epoch, float(np.mean(losses)))
    return model


def run(model: Any, logits: Floats, begins: NDArray[np.bool_]) -> Floats:
    """Run the LSTM over seconds, with a fresh state wherever a programme begins.

    Parameters
    ----------
    model
        The LSTM of one genre.
    logits
        Logits of the window, shape ``(n, labels)``.
    begins
        Rows with a fresh state, shape ``(n,)``.
    """
    n_labels, units = logits.shape[1], model.get_layer("lstm_1").units
    bounds = [*np.flatnonzero(begins), len(logits)]
    parts = list(itertools.pairwise(bounds))
    padded = np.zeros((len(parts), max(b - a for a, b in parts), n_labels), np.float32)
    for row, (begin, end) in enumerate(parts):
        padded[row, : end - begin] = logits[begin:end]
    zeros = np.zeros((len(parts), n_labels, units), np.float32)
    answers = np.asarray(remember(model, padded, zeros, zeros)[0])
    return np.concatenate([answers[row, : b - a] for row, (a, b) in enumerate(parts)])
