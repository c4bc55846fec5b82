"""The third stage: a student learns to answer degraded sound as its teachers answer clean sound.

The state after every epoch is kept, with that of the optimiser: interrupted, it goes on there. It
is Keras 3 without anything of one backend: ``KERAS_BACKEND=torch`` or ``jax`` run it on a GPU.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from train.cache import read_arrays, write_arrays
from train.errors import TrainError
from train.job import Epoch
from train.student import whole
from train.student.agreement import IN_A_ROW, Agreement, agreement, in_a_row
from train.student.excerpts import CHECK
from train.student.lessons import MASKS
from train.student.students import KINDS, Whole, build
from train.student.teachers import CLASSES, EMBEDDING
from train.trunk.musicnn import TAGS, UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from train.student.lessons import Lessons
    from train.student.students import Student
    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a student is trained."""

    epochs: int = 12
    rows: int = 6000
    """Excerpts of an epoch."""
    batch: int = 32
    learning_rate: float = 2e-3
    """Peak of the learning rate, after a warm-up of a twentieth and before a cosine decay."""
    without: tuple[int, ...] = ()
    """Folds of the corpus that are left out."""
    seed: int = 1


def loss_of(shares: Floats) -> Callable[[Any, Any], Any]:
    """Return the loss of each window: teachers' embedding and classes, music and speech.

    Parameters
    ----------
    shares
        What each number of the embedding counts, shape ``(1756,)``.
    """
    from keras import ops

    def loss(wanted: Any, found: Any) -> Any:
        embedding, classes, kinds = _split(wanted)
        masks = wanted[..., -MASKS:]
        apart = ops.abs(found[..., :EMBEDDING] - embedding)
        huber = ops.where(apart < 1, 0.5 * apart * apart, apart - 0.5)
        parts = ops.sum(huber * shares, axis=-1) * masks[..., 0]
        of_classes, of_kinds = _split(found)[1:]
        parts += 0.05 * ops.sum(_surprise(classes, of_classes), axis=-1) * masks[..., 1]
        return parts + 0.3 * ops.sum(_surprise(kinds, of_kinds) * masks[..., 2:], axis=-1)

    return loss


def even_shares() -> Floats:
    """Return the shares of the loss for a student that begins from nothing."""
    pooled = EMBEDDING - UNITS - TAGS
    widths = (pooled, UNITS, TAGS)
    return np.repeat(np.array((0.5, 1, 1)) / widths, widths).astype(np.float32)


def _split(values: Any) -> tuple[Any, Any, Any]:
    middle = EMBEDDING + CLASSES
    return (
        values[..., :EMBEDDING],
        values[..., EMBEDDING:middle],
        values[..., middle : middle + KINDS],
    )


def _surprise(wanted: Any, logits: Any) -> Any:
    """Return the binary cross-entropy of logits."""
    from keras import ops

    return ops.maximum(logits, 0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits)))


def fit(
    student: Student,
    lessons: Lessons,
    settings: Fitting,
    path: Path,
    *,
    start: Path | None = None,
    teacher: Weights | None = None,
    on_epoch: Callable[[Epoch, Agreement], None] = lambda epoch, agreement: None,
) -> Any:
    """Train a student, or go on with it; return the network.

    Parameters
    ----------
    student
        The network.
    lessons
        The training set.
    settings
        How it is trained.
    path
        Where its state is kept after every epoch.
    start
        Another student's state of the same network to begin with.
    teacher
        The published teacher's weights, for a student that begins as the teacher.
    on_epoch
        Called after every epoch.

    Raises
    ------
    TrainError
        If a state does not fit or cannot be written.
    """
    import keras

    keras.utils.set_random_seed(settings.seed)
    model = build(student, IN_A_ROW * student.kind.frames)
    steps = settings.epochs * (settings.rows // settings.batch)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 20,
        steps,
        warmup_target=settings.learning_rate,
        warmup_steps=max(1, steps // 20),
    )
    shares = even_shares()
    if isinstance(student, Whole):
        if teacher is None:
            raise TrainError(f"the student {student.name} begins as its teacher; none was given")
        shares = whole.shares(teacher)
    optimiser = keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=1.0)
    model.compile(optimiser, loss=loss_of(shares))
    model.optimizer.build(model.trainable_variables)
    first = 1
    if path.exists():
        first = _restore(model, path, whole=True) + 1
    elif start is not None:
        _restore(model, start, whole=False)
    elif isinstance(student, Whole) and teacher is not None:
        whole.start(model, teacher, lessons)
    rows = np.flatnonzero(lessons.folds == CHECK).tolist()
    for number in range(first, settings.epochs + 1):
        rng = np.random.default_rng([settings.seed, number])
        begun, losses = time.monotonic(), []
        drawn = lessons.rows(settings.without, rng, settings.rows)
        size = max(1, settings.batch // IN_A_ROW) * IN_A_ROW
        for at in range(0, len(drawn) - size + 1, size):
            batch = lessons.batch(drawn[at : at + size], rng)
            losses.append(float(model.train_on_batch(*map(in_a_row, batch))))
            if not np.isfinite(losses[-1]):
                raise TrainError(f"the loss is {losses[-1]} in epoch {number}; lower the rate")
        _keep(model, path, number, lessons, asdict(settings) | {"start": start and start.stem})
        epoch = Epoch(number, float(np.mean(losses)), time.monotonic() - begun)
        on_epoch(epoch, agreement(model, lessons, rows))
    return model


def _keep(
    model: Any, path: Path, epoch: int, lessons: Lessons, settings: Mapping[str, Any]
) -> None:
    from keras import ops

    kept = {"weight": model.weights, "optimiser": model.optimizer.variables}
    arrays = {
        f"{what}_{number}": ops.convert_to_numpy(variable)
        for what, variables in kept.items()
        for number, variable in enumerate(variables)
    }
    about = {
        "epoch": np.array(epoch), "mean": lessons.mean, "spread": lessons.spread,
        "settings": np.array(json.dumps(settings)),
    }  # fmt: skip
    write_arrays(path, {**arrays, **about})


def _restore(model: Any, path: Path, *, whole: bool) -> int:
    """Set a network's weights, with ``whole`` the optimiser too; return the epoch."""
    kept = read_arrays(path)
    if kept is None:
        raise TrainError(f"{path} is damaged; delete it to begin again")
    wanted = {f"weight_{i}": w for i, w in enumerate(model.weights)}
    if whole:
        wanted |= {f"optimiser_{i}": w for i, w in enumerate(model.optimizer.variables)}
    if any(n not in kept or kept[n].shape != tuple(w.shape) for n, w in wanted.items()):
        raise TrainError(f"{path} is of another network; delete it, or name that student")
    for name, variable in wanted.items():
        variable.assign(kept[name])
    return int(kept["epoch"])


def settings_of(path: Path) -> dict[str, Any]:
    """Return how a student was trained, from its state: settings, and what it began with.

    Parameters
    ----------
    path
        The state; one of an older version says nothing.
    """
    kept = read_arrays(path) or {}
    found: dict[str, Any] = json.loads(str(kept["settings"])) if "settings" in kept else {}
    return found


def load(student: Student, path: Path) -> tuple[Any, Floats, Floats]:
    """Return a trained network, and mean and spread of its teacher's embedding.

    Parameters
    ----------
    student
        The network.
    path
        Its state.

    Raises
    ------
    TrainError
        If it does not fit.
    """
    if not path.is_file():
        raise TrainError(f"no student at {path}; `python -m train trunk fit` trains one")
    model = build(student)
    _restore(model, path, whole=False)
    kept = read_arrays(path) or {}
    return model, kept["mean"], kept["spread"]
