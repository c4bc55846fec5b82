"""An ancestor's outputs on test windows: their files and their figures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.output import softmax
from train.cache import read_arrays, write_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import Windows

_VERSION: Final = 1
"""Raise it when a network or a front end changes: the same settings then give other outputs."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs for the test windows of one split."""

    rows: NDArray[np.int64]
    """Test windows."""
    logits: NDArray[np.float32]
    """Shape ``(len(rows), labels)``."""
    epochs: int
    seconds: float
    parameters: int


def key_of(ancestor: Ancestor, sha256: str, folds: Sequence[int], most_epochs: int | None) -> str:
    """Return a hash of everything that the answers depend on.

    Parameters
    ----------
    ancestor
        The ancestor.
    sha256
        Hash of the corpus.
    folds
        Fold of every clip.
    most_epochs
        Upper limit of the epochs; None for the authors' number.
    """
    settings = {
        "version": _VERSION,
        "spec": asdict(ancestor.spec),
        "protocol": asdict(ancestor.protocol),
        "windows": [ancestor.window_frames, ancestor.windows, ancestor.genres],
        "corpus": sha256,
        "folds": list(folds),
        "most_epochs": most_epochs,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def write_answers(path: Path, key: str, answers: Answers) -> None:
    """Write answers, so that an interrupted run can continue.

    Parameters
    ----------
    path
        The answers' file.
    key
        Hash from :func:`key_of`.
    answers
        The answers.
    """
    write_arrays(path, {"key": key, **{n: getattr(answers, n) for n in Answers.__slots__}})


def read_answers(path: Path, key: str) -> Answers | None:
    """Return kept answers, or None if there are none for these settings.

    Parameters
    ----------
    path
        The answers' file.
    key
        Hash from :func:`key_of`.
    """
    kept = read_arrays(path)
    if kept is None or str(kept.get("key")) != key:
        return None
    return Answers(
        kept["rows"], kept["logits"], int(kept["epochs"]), float(kept["seconds"]),
        int(kept["parameters"]),
    )  # fmt: skip


def figures(windows: Windows, answers: Sequence[Answers], *, whole_clips: bool) -> dict[str, Any]:
    """Return the figures of one split or of all folds.

    Parameters
    ----------
    windows
        The windows of the answers.
    answers
        One entry per split; no window is in two of them.
    whole_clips
        Whether all windows of the tested clips were tested, so that clips can be measured.
    """
    logits = np.concatenate([a.logits for a in answers])
    rows = np.concatenate([a.rows for a in answers])
    folds = np.repeat(np.arange(len(answers)), [len(a.rows) for a in answers])
    clips, targets = windows.clip[rows], windows.target[rows]
    result: dict[str, Any] = {
        "labels": list(windows.labels),
        "chance": round(1 / len(windows.labels), 4),
        "majority": round(float(np.bincount(targets).max() / len(targets)), 4),
        "epochs": [a.epochs for a in answers],
        "seconds": round(sum(a.seconds for a in answers), 1),
        "parameters": answers[0].parameters,
        "temperature": round(
            statistics.fit_temperature(logits, targets, statistics.genre_weights(targets)), 4
        ),
        "window": _accuracy(logits.argmax(axis=1), targets, folds, clips),
    }
    judged = (logits.argmax(axis=1), targets, "windows")
    if whole_clips:
        of_clip, where = np.unique(clips, return_index=True)
        mean = [softmax(logits[clips == clip]).mean(axis=0) for clip in of_clip]
        decided = np.argmax(mean, axis=1)
        result["clip"] = _accuracy(decided, targets[where], folds[where], of_clip)
        judged = (decided, targets[where], "clips")
    result["confusion"] = {
        "of": judged[2],
        "counts": statistics.confusion(judged[0], judged[1], len(windows.labels)).tolist(),
    }
    return result


def _accuracy(decided: Any, targets: Any, folds: Any, clips: Any) -> dict[str, Any]:
    """Return plain and balanced accuracy (mean over the folds), with their intervals."""
    hits = decided == targets
    alike = np.zeros_like(targets)
    figures: dict[str, Any] = {}
    for name, of in (("plain", alike), ("balanced", targets)):
        rng = np.random.default_rng(0)
        low, high = statistics.bootstrap_interval(hits, of, folds, clips, rng=rng)
        figures[name] = round(statistics.fold_accuracy(hits, of, folds), 4)
        figures[f"{name}_ci95"] = [round(low, 4), round(high, 4)]
    return figures | {"items": len(hits)}
