"""The whole of a training: folds, figures, calibration, the model on all clips, the folder."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.models import LOGITS, SPEECH, load_model
from train import model_folder
from train.corpora.dataset import check_data, stray_noise_of
from train.corpora.recordings import log_mel
from train.evaluation import clip_outcomes
from train.evaluation.held_out import HeldOut
from train.export.keras_to_onnx import export
from train.manifest_writer import method_of, record_of
from train.recipes import speech_output
from train.recipes.batches import Material, material_of
from train.recipes.training_loop import Epoch, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.models import Model
    from train.corpora.corpus import Clip
    from train.corpora.dataset import Data
    from train.recipes.recipe import Network, Recipe, Settings


_CHECK_FRAMES: Final = 200


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where progress goes; each gets what is being trained and what happened."""

    stage: Callable[[str], None] = lambda title: None
    """A model's training begins: its title."""
    epoch: Callable[[Epoch], None] = lambda epoch: None
    """An epoch of it ended."""
    note: Callable[[str], None] = lambda text: None
    """Something worth a line."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained and where it goes."""

    recipe: Recipe
    settings: Settings
    out: Path
    command: str
    """The command line for the record; no path of this machine in it."""
    folds: bool = True
    """Whether to measure the recipe on folds first."""
    fold_models: Path | None = None
    """Folder to keep the folds' models in; None to drop them."""
    replace: bool = False
    """Whether ``out`` may be replaced."""
    note: str = ""
    """A paragraph on the corpus for the card: source, licence, limits."""
    reporter: Reporter = field(default_factory=Reporter)


def train_model(order: Order, data: Data) -> dict[str, Any]:
    """Measure a recipe on folds, train it on everything, write the folder; return the manifest."""
    check_data(data, folds=order.folds)
    model_folder.check_out(order.out, replace=order.replace)
    measured = _measure(order, data) if order.folds else None
    order.reporter.stage("all clips")
    network = _fit(order, data)
    weights = export(network, _sample(order, data))
    manifest = _manifest(order, data, network, weights, measured)
    if measured is not None:
        figures = measured.figures(data.corpus.labels, measured.temperatures()[LOGITS])
        manifest["evaluation"] = {"method": method_of(data.corpus), **figures}
    with model_folder.new_folder(order.out, replace=order.replace) as folder:
        model_folder.write_folder(folder, manifest, weights, with_card=True)
        load_model(str(folder))  # what the daemon would refuse is not written
    return manifest


def _manifest(
    order: Order, data: Data, network: Network, weights: bytes, measured: HeldOut | None,
    *, without: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the manifest, its temperatures fitted on the folds but the one left out."""
    fitted = {} if measured is None else measured.temperatures(without=without)
    return model_folder.manifest_of(
        name=order.out.name,
        network=network,
        labels=data.corpus.labels,
        spec=data.spec,
        temperature=fitted.get(LOGITS, 1.0),
        speech_temperature=None if network.speech is None else fitted.get(SPEECH, 1.0),
        weights=weights,
        training=record_of(order, data, network),
    )


def _measure(order: Order, data: Data) -> HeldOut:
    """Train a model a fold, and run each over what it has not heard."""
    measured = HeldOut()
    kept: dict[int, tuple[Network, bytes]] = {}
    for fold in data.corpus.measured:
        order.reporter.stage(f"without fold {fold}")
        network = _fit(order, data, without=fold)
        weights = export(network, _sample(order, data))
        model = _loaded(_manifest(order, data, network, weights, None), weights)
        of_clips = measured.hear(model, data, fold)
        if order.fold_models is not None:
            kept[fold] = (network, weights)
        heard = clip_outcomes.figures(of_clips, data.corpus.labels, 1.0)
        order.reporter.note(
            f"{order.recipe.name}, fold {fold}: windows {heard['window']['accuracy']:.3f}, "
            f"clips {heard['clip']['accuracy']:.3f} (chance {heard['chance']:.2f})"
        )
    for fold, (network, weights) in kept.items():
        manifest = _manifest(order, data, network, weights, measured, without=fold)
        assert order.fold_models is not None
        model_folder.write_fold_model(order.fold_models, fold, manifest, weights)
    return measured


def _fit(order: Order, data: Data, *, without: int | None = None) -> Network:
    """Train on all folds but one, or on all."""
    clips = [clip for clip in data.clips if clip.fold != without]
    network = fit(
        order.recipe, _material(data, clips), data.spec, order.settings,
        on_epoch=order.reporter.epoch,
    )  # fmt: skip
    files = [file for file in data.talk if file.fold != without]
    if network.inside is not None and files:
        network = speech_output.learn(
            network,
            data.spec,
            order.settings,
            [(file.kind, data.recordings[file.path].frames) for file in files],
            [data.recordings[clip.path].frames for clip in clips],
        )
    return network


def _material(data: Data, clips: Sequence[Clip]) -> Material:
    labels = data.corpus.labels
    return material_of(
        [log_mel(data.recordings[clip.path].frames, data.spec) for clip in clips],
        [labels.index(clip.genre) for clip in clips],
        [clip.artist.casefold() for clip in clips],
        len(labels),
        [log_mel(frames, data.spec) for frames in stray_noise_of(data)],
    )


def _sample(order: Order, data: Data) -> NDArray[np.float32]:
    """Return frames of a few clips to compare Keras and ONNX on, shape ``(4, n, numcep)``."""
    length = order.settings.frames if order.recipe.kind == "windowed" else _CHECK_FRAMES
    clips = data.clips[:: max(1, len(data.clips) // 4)][:4]
    shape = (length, data.spec.numcep)
    return np.stack([np.resize(data.recordings[clip.path].frames, shape) for clip in clips])


def _loaded(manifest: dict[str, Any], weights: bytes) -> Model:
    """Load a model as the daemon would."""
    with tempfile.TemporaryDirectory(prefix="streamgenre-") as folder:
        model_folder.write_folder(Path(folder), manifest, weights)
        return load_model(folder)
