"""Training a network: folds, figures, calibration, the final model, the model folder."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import LOGITS, SPEECH
from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora.dataset import check_data, stray_noise_of
from train.corpora.recordings import log_mel
from train.evaluation import clip_outcomes
from train.evaluation.held_out import HeldOut
from train.export.keras_to_onnx import export
from train.fitting import speech_output
from train.fitting.batches import Material, material_of
from train.fitting.training_loop import fit
from train.manifest_writer import corpus_record, manifest_of, method_of, training_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model
    from train.corpora.corpus import Clip
    from train.corpora.dataset import Data
    from train.job import TrainingJob
    from train.recipes.recipe import Network, Recipe, Settings

    Job = TrainingJob[Recipe, Settings]

_CHECK_FRAMES: Final = 200


def train_model(job: Job, data: Data) -> dict[str, Any]:
    """Measure a recipe on folds, train it on all clips, write the folder; return the manifest.

    Parameters
    ----------
    job
        The recipe and the folder to write.
    data
        The corpus with its frames.
    """
    check_data(data, folds=job.folds)
    model_folder.check_out(job.out, replace=job.replace)
    measured = _measure(job, data) if job.folds else None
    job.reporter.stage("all clips")
    network = _fit(job, data)
    weights = export(network, _sample(job, data))
    manifest = _manifest(job, data, network, weights, measured)
    if measured is not None:
        figures = measured.figures(data.corpus.labels, measured.temperatures()[LOGITS])
        manifest["evaluation"] = {"method": method_of(data.corpus), **figures}
    with model_folder.new_folder(job.out, replace=job.replace) as folder:
        model_folder.write_folder(folder, manifest, weights, with_card=True)
        load_model(str(folder), trusted=True)  # a model that the daemon refuses is not written
    return manifest


def _manifest(
    job: Job, data: Data, network: Network, weights: bytes, measured: HeldOut | None,
    *, without: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the manifest; temperatures are fitted on all folds but ``without``."""
    fitted = {} if measured is None else measured.temperatures(without=without)
    stateful = network.kind == "stateful"
    return manifest_of(
        name=job.out.name,
        kind=network.kind,
        labels=data.corpus.labels,
        spec=data.spec,
        weights=weights,
        training=_training(job, data, network),
        calibration={"temperature": fitted.get(LOGITS, 1.0)},
        speech_temperature=None if network.speech is None else fitted.get(SPEECH, 1.0),
        window_frames=None if stateful else network.whole.inputs[0].shape[1],
        states=network.states,
    )


def _training(job: Job, data: Data, network: Network) -> dict[str, Any]:
    return training_record(
        command=job.command,
        recipe=job.recipe.name,
        description=job.recipe.description,
        seed=job.settings.seed,
        packages=("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy", "soxr", "av"),
        corpus=corpus_record(
            data.corpus, data.clips, sha256=data.sha256, seconds=data.seconds, note=job.note
        ),
        details={
            "settings": asdict(job.settings),
            "parameters": int(sum(np.prod(w.shape) for w in network.whole.trainable_weights)),
        },
    )


def _measure(job: Job, data: Data) -> HeldOut:
    """Train a model per fold, and run each on its held-out fold."""
    measured = HeldOut()
    kept: dict[int, tuple[Network, bytes]] = {}
    for fold in data.corpus.measured:
        job.reporter.stage(f"without fold {fold}")
        network = _fit(job, data, without=fold)
        weights = export(network, _sample(job, data))
        model = _loaded(_manifest(job, data, network, weights, None), weights)
        of_clips = measured.run(model, data, fold)
        if job.fold_models is not None:
            kept[fold] = (network, weights)
        found = clip_outcomes.figures(of_clips, data.corpus.labels, 1.0)
        job.reporter.note(
            f"{job.recipe.name}, fold {fold}: windows {found['window']['accuracy']:.3f}, "
            f"clips {found['clip']['accuracy']:.3f} (chance {found['chance']:.2f})"
        )
    for fold, (network, weights) in kept.items():
        manifest = _manifest(job, data, network, weights, measured, without=fold)
        assert job.fold_models is not None
        model_folder.write_fold_model(job.fold_models, fold, manifest, weights)
    return measured


def _fit(job: Job, data: Data, *, without: int | None = None) -> Network:
    """Train on all folds but one, or on all."""
    clips = [clip for clip in data.clips if clip.fold != without]
    network = fit(
        job.recipe, _material(data, clips), data.spec, job.settings,
        on_epoch=job.reporter.epoch,
    )  # fmt: skip
    files = [file for file in data.talk if file.fold != without]
    if network.inside is not None and files:
        network = speech_output.learn(
            network,
            data.spec,
            job.settings,
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


def _sample(job: Job, data: Data) -> NDArray[np.float32]:
    """Return frames of a few clips to compare Keras and ONNX on, shape ``(4, n, numcep)``."""
    length = job.settings.frames if job.recipe.kind == "windowed" else _CHECK_FRAMES
    clips = data.clips[:: max(1, len(data.clips) // 4)][:4]
    shape = (length, data.spec.numcep)
    return np.stack([np.resize(data.recordings[clip.path].frames, shape) for clip in clips])


def _loaded(manifest: dict[str, Any], weights: bytes) -> Model:
    """Load a model as the daemon would."""
    with tempfile.TemporaryDirectory(prefix="streamgenre-") as folder:
        model_folder.write_folder(Path(folder), manifest, weights)
        return load_model(folder, trusted=True)
