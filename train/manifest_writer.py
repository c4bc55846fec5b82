"""What a manifest says of how a model was made, and what its card says of how it was measured."""

from __future__ import annotations

import datetime
import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from train.corpora.corpus import Corpus
    from train.corpora.dataset import Data
    from train.recipes.recipe import Network
    from train.recipes.train_network import Order


def record_of(order: Order, data: Data, network: Network) -> dict[str, Any]:
    """Return what the manifest says about how the model was made."""
    packages = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy", "soxr", "av")
    return {
        "command": order.command,
        "recipe": order.recipe.name,
        "description": order.recipe.description,
        "seed": order.settings.seed,
        "settings": asdict(order.settings),
        "parameters": int(sum(np.prod(w.shape) for w in network.whole.trainable_weights)),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "corpus": {
            "clips": len(data.clips),
            "sha256": data.sha256,
            "seconds": round(data.seconds, 1),
            "folds": len(data.corpus.folds),
            "folds_by": data.corpus.folds_by,
            "genres": {
                label: sum(clip.genre == label for clip in data.clips)
                for label in data.corpus.labels
            },
            "warnings": list(data.corpus.warnings),
            "note": order.note,
        },
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
    }


def method_of(corpus: Corpus) -> str:
    """Return how the figures came about, for the card."""
    heard = "of artists of whom it had heard nothing"
    if corpus.folds_by == "file":
        heard = "which it had not heard, though perhaps others by the same artists"
    if corpus.held_out:
        return (
            "The figures are of the recipe: a model was trained with the same settings on the "
            "parts train and validation of the split file, and run as exported ONNX over its part "
            "test. The model in this folder was then trained on all parts; nothing is left to "
            "measure it on. Accuracies are means over the genres. The intervals come from drawing "
            "clips anew (bootstrap). Epochs and settings were fixed before the run."
        )
    return (
        f"The figures are of the recipe: {len(corpus.folds)} models were trained with the same "
        "settings, each without one fold, and each was run as exported ONNX over the clips of that "
        f"fold, {heard}. The model in this folder was then trained on all folds; nothing is left "
        "to measure it on. Accuracies are means over the folds of the mean over the genres. The "
        "intervals come from drawing clips anew (bootstrap); another choice of artists would move "
        "the figures more. Epochs and settings were fixed before the run and are the same for "
        "every fold."
    )
