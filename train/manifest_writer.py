"""Manifests of trained models, as :mod:`streamgenre.inference.manifest` reads them."""

from __future__ import annotations

import datetime
import hashlib
import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from streamgenre.inference.manifest import MANIFEST_VERSION
from train.export.embedding_output import width_of
from train.recipes.recipe import NEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamgenre.audio.features import MfccSpec
    from train.corpora.corpus import Clip, Corpus
    from train.recipes.recipe import State


def manifest_of(
    *,
    name: str,
    kind: Literal["stateful", "windowed"],
    labels: Sequence[str],
    spec: MfccSpec,
    weights: bytes,
    training: Mapping[str, Any],
    calibration: Mapping[str, Any],
    speech_temperature: float | None = None,
    window_frames: int | None = None,
    states: Sequence[State] = (),
    step_frames: int = 1,
    steps: str | None = None,
) -> dict[str, Any]:
    """Return a manifest.

    Parameters
    ----------
    name
        Name of the model.
    kind
        ``stateful`` (takes new frames and states) or ``windowed`` (takes the last frames).
    labels
        Genres in the order of the logits.
    spec
        Settings of the MFCC frames.
    weights
        The serialised ONNX model, for its hash.
    training
        How the model was made, see :func:`training_record`.
    calibration
        Temperature of the genres (above 0) and, where known, whether it was fitted.
    speech_temperature
        Temperature of the speech output, above 0; None if the graph has none.
    window_frames
        Frames of a window, for a windowed model.
    states
        State tensors, for a stateful model.
    step_frames
        A call takes a multiple of so many frames.
    steps
        What one call of the graph returns, for the card.
    """
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "name": name,
        "kind": kind,
        "labels": list(labels),
        "features": asdict(spec),
        "calibration": {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in calibration.items()
        },
        "sha256": {"model.onnx": hashlib.sha256(weights).hexdigest()},
        "training": dict(training),
    }
    if kind == "windowed":
        manifest["window_frames"] = window_frames
    else:
        manifest["states"] = [
            {"input": s.name, "output": s.name + NEXT, "shape": list(s.shape)} for s in states
        ]
        if step_frames > 1:
            manifest["step_frames"] = step_frames
    if speech_temperature is not None:
        manifest["speech"] = {"temperature": round(speech_temperature, 4)}
    if (width := width_of(weights)) is not None:
        manifest["embedding"] = {"width": width}
    if steps:
        manifest["steps"] = steps
    return manifest


def training_record(
    *,
    command: str,
    recipe: str,
    seed: int,
    packages: Iterable[str],
    description: str | None = None,
    corpus: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest's entry ``training``: how the model was made, when and with what.

    Parameters
    ----------
    command
        Command line, without paths of this machine.
    recipe
        Name of the recipe.
    seed
        Seed of everything drawn; 0 where nothing was.
    packages
        Distributions whose versions are recorded.
    description
        What the network is, for the card.
    corpus
        What it was trained on, see :func:`corpus_record`.
    details
        Further entries: settings, number of parameters and so on.
    """
    record: dict[str, Any] = {"command": command, "recipe": recipe}
    if description is not None:
        record["description"] = description
    record["seed"] = seed
    record |= details or {}
    record["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    if corpus is not None:
        record["corpus"] = dict(corpus)
    record["versions"] = {"python": platform.python_version()} | {
        name: metadata.version(name) for name in packages
    }
    return record


def corpus_record(
    corpus: Corpus, clips: Sequence[Clip], *, sha256: str, seconds: float, note: str
) -> dict[str, Any]:
    """Return what a manifest says about the corpus.

    Parameters
    ----------
    corpus
        The corpus.
    clips
        Its clips that could be read.
    sha256
        Hash of these clips' files.
    seconds
        Their length together.
    note
        Text for the card: source, licence, limits.
    """
    return {
        "clips": len(clips),
        "sha256": sha256,
        "seconds": round(seconds, 1),
        "folds": len(corpus.folds),
        "folds_by": corpus.folds_by,
        "genres": {label: sum(c.genre == label for c in clips) for label in corpus.labels},
        "warnings": list(corpus.warnings),
        "note": note,
    }


def method_of(corpus: Corpus) -> str:
    """Return how the figures were measured, for the card."""
    held_out = "by artists unseen in training"
    if corpus.folds_by == "file":
        held_out = "unseen in training, though perhaps by artists that were not"
    if corpus.held_out:
        return (
            "The figures are of the recipe: a model was trained with the same settings on the "
            "parts train and validation of the split file, and run as exported ONNX over its part "
            "test. The model in this folder was then trained on all parts; no clips are left to "
            "measure it on. Accuracies are means over the genres. The intervals come from drawing "
            "clips again (bootstrap). Epochs and settings were fixed before the run."
        )
    return (
        f"The figures are of the recipe: {len(corpus.folds)} models were trained with the same "
        "settings, each without one fold, and each was run as exported ONNX over the clips of that "
        f"fold, {held_out}. The model in this folder was then trained on all folds; no clips are "
        "left to measure it on. Accuracies are means over the folds of the mean over the genres. "
        "The intervals come from drawing clips again (bootstrap); another choice of artists would "
        "move the figures more. Epochs and settings were fixed before the run and are the same for "
        "every fold."
    )
