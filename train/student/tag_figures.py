"""How well a student finds the tags that its teacher finds in clean sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.tags import LEAST
from train.student.agreement import area
from train.student.excerpts import CHECK
from train.student.teachers import EMBEDDING, TAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.lessons import Lessons
    from train.student.trunk_figures import Trained

    Floats = NDArray[np.float32]

_FEWEST: Final = 10
"""Windows that must have a tag, and must not, for its figure."""
_BATCH: Final = 64
_TAGS: Final = slice(EMBEDDING - len(TAGS), EMBEDDING)


def tag_figures(trained: Trained, lessons: Lessons) -> dict[str, Any]:
    """Return figures on free music that the student was not trained on, and a temperature.

    A window has a tag if the teacher, which hears it clean, gives it the probability from which
    tags are reported. The figure is the area under the receiver's curve.

    Parameters
    ----------
    trained
        The student.
    lessons
        The training set.
    """
    rows = np.flatnonzero((lessons.folds == CHECK) & (lessons.groups == "music")).tolist()
    if not rows:
        return {}
    wanted = _logits(trained, lessons.targets(rows)[..., :EMBEDDING])
    answers = {
        "clean": _answers(trained, lessons, rows, 0),
        "degraded": _answers(trained, lessons, rows, 99),
    }
    has = 1 / (1 + np.exp(-wanted)) >= LEAST
    enough = np.minimum(has.sum(axis=0), (~has).sum(axis=0)) >= _FEWEST
    by_tag = {
        name: {what: round(area(found[:, tag], has[:, tag]), 3) for what, found in answers.items()}
        for tag, name in enumerate(TAGS)
        if enough[tag]
    }
    return {
        "of": f"{len(wanted)} windows of 3 s of free music from packages never trained on; a "
        f"window has a tag if the teacher gives it {LEAST:g} or more",
        "windows": len(wanted),
        "mean": {
            what: round(float(np.mean([figure[what] for figure in by_tag.values()])), 3)
            for what in answers
        },
        "by_tag": by_tag,
        "temperature": _temperature(answers["degraded"], wanted),
    }


def _logits(trained: Trained, embedding: Floats) -> Floats:
    """Return logits of tags from standardised embeddings, shape ``(windows, tags)``."""
    standardised = embedding[..., _TAGS].reshape(-1, len(TAGS))
    logits: Floats = standardised * trained.spread[_TAGS] + trained.mean[_TAGS]
    return logits


def _answers(trained: Trained, lessons: Lessons, rows: list[int], copy: int) -> Floats:
    from keras import ops

    rng = np.random.default_rng(0)
    found = [
        ops.convert_to_numpy(
            trained.model(lessons.frames(rows[at : at + _BATCH], copy, rng), training=False)
        )
        for at in range(0, len(rows), _BATCH)
    ]
    return _logits(trained, np.concatenate(found)[..., :EMBEDDING])


def _temperature(found: Floats, wanted: Floats) -> float:
    """Return the temperature at which the student's probabilities are likest the teacher's."""
    truth = 1 / (1 + np.exp(-wanted))

    def surprise(temperature: float) -> float:
        logits = found / temperature
        each = np.maximum(logits, 0) - logits * truth + np.log1p(np.exp(-np.abs(logits)))
        return float(each.mean())

    choices = np.exp(np.linspace(np.log(0.3), np.log(3), 93))
    return round(float(min(choices, key=surprise)), 4)
