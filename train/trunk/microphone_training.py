"""Further training of the trunk on rooms, microphones and noise.

Through a microphone the trunk's units differ from those of the same music on the line signal, and
no head can undo that. So the layers after the front are trained on pairs of the same three seconds,
clean and changed, to return for the changed ones what the published trunk returns for the clean
ones. Genres are not used, and clean windows are among the examples, so the trunk keeps what it
knows. The front is not changed (:mod:`.front_windows`).

The result is a mean of the published and the trained weights, which keeps more of the clean music
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from train.cache import read_arrays, write_arrays
from train.trunk import musicnn
from train.trunk.musicnn import TAGS, UNITS, front_width

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights
    from train.trunk.front_windows import FrontFeatures

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trunk is trained further."""

    versions: int = 4
    """Changed copies of every window."""
    epochs: int = 12
    """Number of epochs."""
    changed: float = 0.6
    """Share of the windows that are changed."""
    mix: float = 0.75
    """Share of the trained weights in the mean with the published ones: on two folds, 1 gained 9
    points over the air and 5 in the room, and lost 1 to 2 on clean windows; 0.6 gained 5 and 3, and
    lost half a point."""
    batch: int = 64
    """Windows per step."""
    learning_rate: float = 1e-3
    """Peak learning rate, before a cosine decay to zero."""
    seed: int = 1
    """Seed of the changes and of the order."""


def adapted(
    weights: Weights,
    fronts: FrontFeatures,
    settings: Settings,
    cache: Path,
    *,
    without: int | None = None,
    on_epoch: Callable[[int, float], None] = lambda number, loss: None,
) -> Weights:
    """Return :func:`adapt`'s weights, from the cache if they are there.

    Parameters
    ----------
    weights
        The published trunk's weights.
    fronts
        Windows, clean and changed.
    settings
        How the trunk is trained.
    cache
        Folder to keep the weights in.
    without
        The fold whose windows are not used.
    on_epoch
        Called with the number and the loss of every epoch.

    Raises
    ------
    TrainError
        If the cache cannot be written.
    """
    about = json.dumps([fronts.key, asdict(settings), without])
    path = cache / f"adapted-{hashlib.sha256(about.encode()).hexdigest()[:32]}.npz"
    if (kept := read_arrays(path)) is not None:
        return {**weights, **kept}
    found = adapt(weights, fronts, settings, without=without, on_epoch=on_epoch)
    trained = {name: value for name, value in found.items() if value is not weights[name]}
    write_arrays(path, trained)
    return found


def adapt(
    weights: Weights,
    fronts: FrontFeatures,
    settings: Settings,
    *,
    without: int | None = None,
    on_epoch: Callable[[int, float], None] = lambda number, loss: None,
) -> Weights:
    """Train the layers after the front; return all weights of the trunk.

    Parameters
    ----------
    weights
        The published trunk's weights.
    fronts
        Windows, clean and changed.
    settings
        How it is trained.
    without
        The fold whose windows are not used.
    on_epoch
        Called with the number and the loss of every epoch.
    """
    import keras

    keras.utils.set_random_seed(settings.seed)
    rows = np.flatnonzero(fronts.folds != without)
    back = musicnn.back(weights)
    model = _with_units(back, weights)
    steps = max(1, len(rows) // settings.batch)
    clean = (fronts.features[part, 0].astype(np.float32) for part in np.array_split(rows, steps))
    wanted = np.concatenate([np.asarray(model(batch, training=False)) for batch in clean])
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0),
        loss=_distance(wanted.std(axis=0) + 1e-3, 2 * front_width(weights)),
    )
    rng = np.random.default_rng(settings.seed)
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for part in np.array_split(rng.permutation(len(rows)), steps):
            part = np.sort(part)
            version = 1 + rng.integers(settings.versions, size=len(part))
            version[rng.random(len(part)) >= settings.changed] = 0
            shown = fronts.features[rows[part], version].astype(np.float32)
            losses.append(float(model.train_on_batch(shown, wanted[part])))
        on_epoch(epoch, float(np.mean(losses)))
    trained = {
        name: (1 - settings.mix) * weights[name] + settings.mix * found
        for name, found in musicnn.weights_of(back).items()
    }
    return {**weights, **trained}


def _with_units(back: Any, weights: Weights) -> Any:
    """Return a network from the front's features, ``(n, 187, filters)``, to what the heads take.

    Those are the pooled and normalised features, the units and the tags.
    """
    from keras import Model, ops

    _, pooled, units, tags = back.outputs
    scale, shift = musicnn.normalisation(weights, 9)
    return Model(back.inputs[0], ops.concatenate([pooled * scale + shift, units, tags], axis=-1))


def _distance(spread: Floats, front: int) -> Callable[[Any, Any], Any]:
    """Return the loss: units and tags count equally, pooled residual features a third of that."""
    from keras import ops

    pooled = len(spread) - UNITS - TAGS
    share = np.concatenate(
        [
            np.where(np.arange(pooled) < front, 0, 0.3 / (pooled - front)),
            np.full(UNITS, 1 / UNITS),
            np.full(TAGS, 1 / TAGS),
        ]
    ).astype(np.float32)

    def loss(wanted: Any, found: Any) -> Any:
        apart = ops.abs(found - wanted) / spread
        huber = ops.where(apart < 1, 0.5 * apart * apart, apart - 0.5)
        return ops.sum(huber * share, axis=-1)

    return loss
