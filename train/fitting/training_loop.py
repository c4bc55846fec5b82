"""The training loop: one network, one set of clips, a fixed number of steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from train.corpora.recordings import cepstra
from train.errors import TrainError
from train.fitting.batches import Programmes, Sampler, window_batch
from train.job import Epoch
from train.recipes.recipe import Network, Normalisation, Recipe, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.audio.features import MfccSpec
    from train.fitting.batches import Material


def fit(
    recipe: Recipe,
    material: Material,
    spec: MfccSpec,
    settings: Settings,
    *,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Network:
    """Train a network from scratch.

    Parameters
    ----------
    recipe
        The network.
    material
        Training material.
    spec
        Settings of the frames.
    settings
        How the network is trained.
    on_epoch
        Called after each epoch.

    Raises
    ------
    TrainError
        If the loss is no longer finite.
    """
    import keras

    # Keras numbers layers across models; after this the same seed gives the same file.
    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    normalisation = Normalisation.of(material.energies)
    network = recipe.build(settings, spec, material.n_labels, normalisation)
    sampler = Sampler(
        material,
        np.random.default_rng(settings.seed),
        settings.augmentation,
        mix_probability=settings.mix_probability,
    )
    step = _stateful_step if recipe.kind == "stateful" else _windowed_step
    run_step = step(network, sampler, spec, settings, _optimizer(settings))
    for number in range(1, settings.epochs + 1):
        began = time.monotonic()
        loss = float(np.mean([run_step() for _ in range(settings.steps)]))
        if not np.isfinite(loss):
            raise TrainError(
                f"the loss became {loss} in epoch {number}; try a lower --learning-rate"
            )
        on_epoch(Epoch(number, loss, time.monotonic() - began))
    return network


def _optimizer(settings: Settings) -> Any:
    import keras

    total = settings.epochs * settings.steps
    warmup = min(100, total // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        max(1, total - warmup),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=settings.weight_decay, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _windowed_step(
    network: Network, sampler: Sampler, spec: MfccSpec, settings: Settings, optimizer: Any
) -> Callable[[], float]:
    import tensorflow as tf

    model = network.whole
    optimizer.build(model.trainable_variables)  # variables made within a step have it traced twice

    def update(frames: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(frames, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    step: Any = tf.function(update, autograph=False)

    def run() -> float:
        energies, labels = window_batch(sampler, settings.batch, settings.frames)
        return float(step(cepstra(energies, spec), _smoothed(labels, settings)))

    return run


def _stateful_step(
    network: Network, sampler: Sampler, spec: MfccSpec, settings: Settings, optimizer: Any
) -> Callable[[], float]:
    import tensorflow as tf

    model = network.whole
    optimizer.build(model.trainable_variables)  # as above
    programmes = Programmes(sampler, settings.batch)
    states = [np.zeros((settings.batch, *state.shape), np.float32) for state in network.states]

    def update(frames: Any, labels: Any, weights: Any, states: Any) -> Any:
        with tf.GradientTape() as tape:
            logits, *after = model([frames, *states], training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, after

    step: Any = tf.function(update, autograph=False)

    def run() -> float:
        nonlocal states
        chunk = programmes.next_chunk(settings.frames)
        for state in states:
            state[chunk.fresh] = 0
        loss, after = step(
            cepstra(chunk.energies, spec), _smoothed(chunk.labels, settings), chunk.weights, states
        )
        states = [np.array(state) for state in after]  # copies: the next fresh rows are zeroed
        return float(loss)

    return run


def _smoothed(labels: np.ndarray[Any, Any], settings: Settings) -> np.ndarray[Any, Any]:
    share = np.float32(settings.label_smoothing)
    smoothed: np.ndarray[Any, Any] = labels * (1 - share) + share / labels.shape[-1]
    return smoothed
