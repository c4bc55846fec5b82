"""``python -m train trunk`` and what ``fit`` does for the recipes on the trunk."""

from __future__ import annotations

import datetime
import hashlib
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import MANIFEST_VERSION
from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora.recordings import decode, frames_of
from train.evaluation import speech_detection
from train.manifest_writer import method_of
from train.trunk import (
    checkpoint,
    front_windows,
    head_training,
    mel_adapter,
    microphone_training,
    model_graph,
    musicnn,
)
from train.trunk.embedded_corpus import Heard, hear
from train.trunk.onnx_graph import NEXT

if TYPE_CHECKING:
    from pathlib import Path

    from train.corpora.corpus import Corpus
    from train.recipes.train_network import Reporter
    from train.trunk.checkpoint import Weights
    from train.trunk.lstm_memory import Settings

_CHECK_SECONDS: Final = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained and where it goes."""

    recipe: head_training.Recipe
    settings: Settings
    corpus: Corpus
    folder: Path
    """The corpus's folder."""
    trunk: Path
    """Folder of the trunk's weights and of the embeddings."""
    out: Path
    command: str
    """The command line for the record; no path of this machine in it."""
    folds: bool
    fold_models: Path | None
    """Folder to keep the folds' models in; None to drop them."""
    replace: bool
    microphone: bool
    """Whether the trunk is made used to rooms and microphones first."""
    note: str
    reporter: Reporter


def fetch_trunk(folder: Path) -> float:
    """Download the trunk, check it against its published graph, keep its weights.

    Returns the largest difference of a tag's probability between Keras and the published graph.
    """
    weights, meta = checkpoint.extract(checkpoint.fetch(folder))
    rng = np.random.default_rng(0)
    mel = np.abs(rng.normal(1, 1, (2, musicnn.FRAMES, musicnn.BANDS))).astype(np.float32)
    difference = musicnn.check(weights, meta, mel)
    checkpoint.save(weights, folder)
    return difference


def train_model(order: Order) -> dict[str, Any]:
    """Measure a recipe on folds, train it on everything, write the folder; return the manifest."""
    model_folder.check_out(order.out, replace=order.replace)
    material = _material(order)
    measured, of_folds = head_training.Measured(), {}
    for fold in order.corpus.measured if order.folds else ():
        order.reporter.stage(f"without fold {fold}")
        weights, heard = material[fold]
        others = tuple(one for one in heard.corpus.folds if one != fold)
        fitted = head_training.fit(heard, order.recipe, order.settings, others)
        head_training.listen(fitted, heard, fold, measured)
        if order.fold_models is not None:
            of_folds[fold] = (fitted, model_graph.export(weights, fitted, _frames(heard)))
    for fold, (fitted, model) in of_folds.items():
        temperatures = measured.temperatures(without=fold)
        manifest = _manifest(order, heard, fitted, model, temperatures)
        assert order.fold_models is not None
        model_folder.write_fold_model(order.fold_models, fold, manifest, model)
    order.reporter.stage("all clips")
    weights, heard = material[None]
    fitted = head_training.fit(heard, order.recipe, order.settings, heard.corpus.folds)
    model = model_graph.export(weights, fitted, _frames(heard))
    manifest = _manifest(
        order, heard, fitted, model, measured.temperatures() if order.folds else {}
    )
    if order.folds:
        method = method_of(heard.corpus).replace("as exported ONNX over", "over")
        manifest["evaluation"] = {
            "method": f"{method} {_METHOD}",
            **head_training.figures(measured, heard),
        }
    with model_folder.new_folder(order.out, replace=order.replace) as folder:
        model_folder.write_folder(folder, manifest, model, with_card=True)
        load_model(str(folder))  # what the daemon would refuse is not written
    return manifest


def _material(order: Order) -> dict[int | None, tuple[Weights, Heard]]:
    """Return by fold a trunk that was not trained on with it, and what that hears, of the fold too.

    The published trunk is the same for every fold, and for none, which stands for all clips.
    """
    reporter, seed = order.reporter, order.settings.seed
    published = checkpoint.load(order.trunk)
    files = speech_detection.read_talk(order.folder, order.corpus.folds)
    folds = (*(order.corpus.measured if order.folds else ()), None)
    trunks = [published]
    if order.microphone:
        settings = microphone_training.Settings(seed=seed)
        windows = front_windows.hear(
            order.corpus, published, order.trunk, talk=files, versions=settings.versions, seed=seed,
            on_job=lambda done, total: reporter.note(f"windows heard: {done} of {total}"),
        )  # fmt: skip
        trunks = []
        for fold in folds:
            reporter.stage("trunk" if fold is None else f"trunk without fold {fold}")
            trunks.append(
                microphone_training.adapted(
                    published, windows, settings, order.trunk, without=fold,
                    on_epoch=lambda number, loss: reporter.note(
                        f"trunk: epoch {number} of {settings.epochs}, loss {loss:.3f}"
                    ),
                )
            )  # fmt: skip
    reporter.stage("programmes")
    heard = hear(
        order.corpus, trunks, order.trunk, talk=files,
        on_job=lambda done, total: reporter.note(f"programmes heard: {done} of {total}"),
    )  # fmt: skip
    pairs = list(zip(trunks, heard, strict=True))
    return dict(zip(folds, pairs if order.microphone else pairs * len(folds), strict=True))


_METHOD: Final = (
    "In detail: the trunk (where it was trained on, without the fold that is measured) and its "
    "adapter were run as ONNX, second by second as the daemon runs them; the heads were run in "
    "Keras on what came out (the exporter has proven the whole graph equal to 1e-5). A 3 s window "
    "is the third second of a clip's stretch with nothing remembered by the head. The strength of "
    "the regularisation, what the LSTM is given and how much of the training is augmented were "
    "settled after a look at figures on these very folds, so that they are a little too good."
)


def _frames(heard: Heard) -> Any:
    """Return frames of a few clips to compare Keras and ONNX on."""
    n = int(_CHECK_SECONDS * mel_adapter.SPEC.samplerate)
    clips = heard.clips[:: max(1, len(heard.clips) // 3)][:3]
    return np.stack(
        [
            frames_of(np.resize(decode(c.path, mel_adapter.SPEC.samplerate), n), mel_adapter.SPEC)
            for c in clips
        ]
    )


def _manifest(
    order: Order,
    heard: Heard,
    fitted: head_training.Fitted,
    model: bytes,
    temperatures: dict[str, float],
) -> dict[str, Any]:
    corpus = order.corpus
    own = fitted.window.kernel.size + fitted.window.bias.size
    if fitted.memory is not None:
        own += fitted.memory.count_params()
    if fitted.speech is not None:
        own += fitted.speech.kernel.size + fitted.speech.bias.size
    packages = ("keras", "tensorflow", "onnx", "onnxruntime", "numpy", "scipy", "soxr", "av")
    speech = {"speech": {"temperature": round(temperatures.get("speech", 1.0), 4)}}
    return {
        "manifest_version": MANIFEST_VERSION,
        "name": order.out.name,
        "kind": "stateful",
        "labels": list(corpus.labels),
        "features": asdict(mel_adapter.SPEC),
        "calibration": {"temperature": round(temperatures.get("logits", 1.0), 4)},
        "sha256": {"model.onnx": hashlib.sha256(model).hexdigest()},
        "training": {
            "command": order.command,
            "recipe": order.recipe.name,
            "description": order.recipe.description,
            "seed": order.settings.seed,
            "settings": asdict(order.settings),
            "parameters": own,
            "strength": fitted.window.strength,
            "trunk": {
                "name": "MSD_musicnn",
                "package": checkpoint.PACKAGE,
                "sha256": checkpoint.WHEEL_SHA256,
                "licence": "ISC, Music Technology Group, Universitat Pompeu Fabra",
                "trained_on": asdict(microphone_training.Settings(seed=order.settings.seed))
                if order.microphone
                else None,
            },
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "corpus": {
                "clips": len(heard.clips),
                "sha256": heard.sha256,
                "seconds": round(heard.seconds, 1),
                "folds": len(corpus.folds),
                "folds_by": corpus.folds_by,
                "genres": {
                    label: sum(clip.genre == label for clip in heard.clips)
                    for label in corpus.labels
                },
                "warnings": list(corpus.warnings),
                "note": order.note,
            },
            "versions": {"python": platform.python_version()}
            | {name: metadata.version(name) for name in packages},
        },
        "states": [
            {"input": s.name, "output": s.name + NEXT, "shape": list(s.shape)}
            for s in model_graph.states_of(fitted.memory, len(corpus.labels))
        ],
        "steps": _STEPS_LSTM if fitted.memory is not None else _STEPS,
    } | (speech if fitted.speech is not None else {})


_STEPS: Final = (
    "one row of logits a call, that after its last frame; it depends on the last 187 frames, "
    "however they were cut into calls"
)
_STEPS_LSTM: Final = (
    "one row of logits and one step of the LSTM a call: call it once a second (62 or 63 frames), "
    "as in training; other hops change what the LSTM remembers"
)
