"""Training an ancestor on one split, and its outputs for the test windows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.ancestors.ancestor import Assembly
from train.ancestors.clip_windows import SEED, Split, Windows
from train.ancestors.nearest_neighbours import Nearest
from train.errors import TrainError
from train.job import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from train.ancestors.ancestor import Ancestor

    Floats = NDArray[np.float32]

_BATCH: Final = 32
_SAMPLE: Final = 500
"""Number of training windows for mean and standard deviation."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained ancestor."""

    predict: Callable[[Floats], Floats]
    """Windows after the front end to logits."""
    epochs: int
    """Number of epochs; 0 for the nearest neighbours."""
    seconds: float
    parameters: int
    assembly: Assembly | None
    """The network; None for the nearest neighbours."""
    nearest: Nearest | None = None


def train(
    ancestor: Ancestor,
    windows: Windows,
    split: Split,
    *,
    most_epochs: int | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Train an ancestor on a split.

    Parameters
    ----------
    ancestor, windows, split
        The ancestor and its training material.
    most_epochs
        Upper limit of the epochs, below that of the authors.
    on_epoch
        Called after each epoch; its loss includes the networks' penalties.

    Raises
    ------
    TrainError
        If the loss is no longer finite.
    """
    began = time.monotonic()
    n_labels = len(windows.labels)
    if ancestor.build is None:
        rows = np.concatenate([split.train, split.validation])  # it does not use validation
        nearest = Nearest.of(windows.take(rows), windows.target[rows], n_labels)
        size = nearest.means.size + nearest.covariances.size
        return Trained(nearest.logits, 0, time.monotonic() - began, size, None, nearest)
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    columns = windows.frames[0].shape[1]
    assembly = Assembly((windows.length, columns), ancestor.window)
    ancestor.build(assembly, *_scale(ancestor, windows, split), n_labels)
    model = assembly.model()
    model.compile(
        keras.optimizers.Adam(ancestor.protocol.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    epochs = min(ancestor.protocol.epochs, most_epochs or ancestor.protocol.epochs)
    clock = [time.monotonic()]

    def tell(number: int, logs: dict[str, Any]) -> None:
        clock.append(time.monotonic())
        on_epoch(Epoch(number + 1, float(logs["loss"]), clock[-1] - clock[-2]))

    reporting = keras.callbacks.LambdaCallback(on_epoch_end=tell)
    callbacks: list[Any] = [reporting, keras.callbacks.TerminateOnNaN()]
    if ancestor.protocol.patience:
        callbacks.append(keras.callbacks.EarlyStopping(patience=ancestor.protocol.patience))
    history = model.fit(
        _batches(windows, split.train, ancestor.protocol.batch, shuffle=True),
        validation_data=_batches(windows, split.validation, _BATCH, shuffle=False)
        if ancestor.protocol.patience
        else None,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    losses = history.history["loss"]
    if not np.isfinite(losses).all():
        raise TrainError(f"{ancestor.name}: the loss became {losses[-1]} in epoch {len(losses)}")

    def predict(x: Floats) -> Floats:
        logits: Floats = model.predict(x, batch_size=_BATCH, verbose=0)
        return logits

    return Trained(
        predict, len(losses), time.monotonic() - began, int(model.count_params()), assembly
    )


def logits_of(trained: Trained, windows: Windows, rows: Any) -> Floats:
    """Return a trained ancestor's logits for windows, shape ``(len(rows), labels)``.

    Parameters
    ----------
    trained
        The trained ancestor.
    windows
        All windows.
    rows
        Numbers of the windows to run.
    """
    step = 8 * _BATCH
    parts = [trained.predict(windows.take(rows[i : i + step])) for i in range(0, len(rows), step)]
    return np.concatenate(parts)


def _scale(ancestor: Ancestor, windows: Windows, split: Split) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column over some training windows."""
    rng = np.random.default_rng(SEED)
    rows = rng.permutation(split.train)[:_SAMPLE]
    x = windows.take(rows)
    if ancestor.window is not None:
        x = np.asarray(ancestor.window(x))
    std = np.maximum(x.std(axis=(0, 1)), 1e-3)
    return x.mean(axis=(0, 1)).astype(np.float32), std.astype(np.float32)


def _batches(windows: Windows, rows: Any, size: int, *, shuffle: bool) -> Any:
    import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        """Batches of windows, cut from the clips on demand."""

        def __init__(self) -> None:
            super().__init__()
            self._rng = np.random.default_rng(SEED)
            self._rows = np.array(rows)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self._rows) // size)

        def __getitem__(self, number: int) -> tuple[Any, Any]:
            some = self._rows[number * size : (number + 1) * size]
            return windows.take(some), windows.target[some]

        def on_epoch_end(self) -> None:
            if shuffle:
                self._rng.shuffle(self._rows)

    return Batches()
