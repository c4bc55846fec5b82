"""Fetching the trunk, and the whole training of a head on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora import talk_files
from train.corpora.recordings import decode, frames_of
from train.manifest_writer import corpus_record, manifest_of, method_of, training_record
from train.trunk import (
    checkpoint,
    front_windows,
    head_training,
    mel_adapter,
    microphone_training,
    model_graph,
    musicnn,
    pruning,
)
from train.trunk.embedded_corpus import EmbeddedCorpus, embed_corpus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from train.corpora.corpus import Corpus
    from train.job import TrainingJob
    from train.trunk.checkpoint import Weights
    from train.trunk.lstm_memory import Settings

    Job = TrainingJob[head_training.HeadRecipe, Settings]

_CHECK_SECONDS: Final = 8


@dataclass(frozen=True, slots=True)
class TrunkInput:
    """The corpus and the trunk for training a head."""

    corpus: Corpus
    folder: Path
    """The corpus's folder."""
    trunk: Path
    """Folder of the trunk's weights and of the embeddings."""
    microphone: bool = False
    """Whether to train the trunk on rooms, microphones and noise first."""
    trained: Mapping[int | None, Weights] | None = None
    """Trunks trained on before, by the fold that they have not heard, None for all clips; in place
    of the published one."""
    trained_as: Mapping[str, Any] | None = None
    """How, for the manifest."""


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


def train_model(job: Job, given: TrunkInput) -> dict[str, Any]:
    """Measure a recipe on folds, train it on all clips, write the folder; return the manifest.

    Parameters
    ----------
    job
        The recipe and the folder to write.
    given
        The corpus and the trunk.
    """
    model_folder.check_out(job.out, replace=job.replace)
    material = _material(job, given)
    measured, of_folds = head_training.Measured(), {}
    for fold in given.corpus.measured if job.folds else ():
        job.reporter.stage(f"without fold {fold}")
        weights, embedded = material[fold]
        others = tuple(one for one in embedded.corpus.folds if one != fold)
        fitted = head_training.fit(embedded, job.recipe, job.settings, others)
        head_training.measure_fold(fitted, embedded, fold, measured)
        if job.fold_models is not None:
            of_folds[fold] = (
                weights, fitted, model_graph.export(weights, fitted, _frames(embedded)),
            )  # fmt: skip
    for fold, (weights, fitted, model) in of_folds.items():
        temperatures = measured.temperatures(without=fold)
        manifest = _manifest(job, given, embedded, weights, fitted, model, temperatures)
        assert job.fold_models is not None
        model_folder.write_fold_model(job.fold_models, fold, manifest, model)
    job.reporter.stage("all clips")
    weights, embedded = material[None]
    fitted = head_training.fit(embedded, job.recipe, job.settings, embedded.corpus.folds)
    model = model_graph.export(weights, fitted, _frames(embedded))
    manifest = _manifest(
        job, given, embedded, weights, fitted, model, measured.temperatures() if job.folds else {}
    )
    if job.folds:
        method = method_of(embedded.corpus).replace("as exported ONNX over", "over")
        manifest["evaluation"] = {
            "method": f"{method} {_METHOD}",
            **head_training.figures(measured, embedded),
        }
    with model_folder.new_folder(job.out, replace=job.replace) as folder:
        model_folder.write_folder(folder, manifest, model, with_card=True)
        load_model(str(folder), trusted=True)  # a model that the daemon refuses is not written
    return manifest


def _material(job: Job, given: TrunkInput) -> dict[int | None, tuple[Weights, EmbeddedCorpus]]:
    """Return by fold a trunk that was not trained on with it, and what that hears, of the fold too.

    The published trunk is the same for every fold and for None, which stands for all clips. It goes
    without its dead filters.
    """
    reporter, seed = job.reporter, job.settings.seed
    published = pruning.pruned(checkpoint.load(given.trunk))
    files = talk_files.read_talk(given.folder, given.corpus.folds)
    folds = (*(given.corpus.measured if job.folds else ()), None)
    trunks = [published]
    if given.trained is not None:
        trunks = [given.trained[fold] for fold in folds]
    elif given.microphone:
        settings = microphone_training.Settings(seed=seed)
        windows = front_windows.front_features(
            given.corpus, published, given.trunk, talk=files, versions=settings.versions, seed=seed,
            on_job=lambda done, total: reporter.note(f"windows embedded: {done} of {total}"),
        )  # fmt: skip
        trunks = []
        for fold in folds:
            reporter.stage("trunk" if fold is None else f"trunk without fold {fold}")
            trunks.append(
                microphone_training.adapted(
                    published, windows, settings, given.trunk, without=fold,
                    on_epoch=lambda number, loss: reporter.note(
                        f"trunk: epoch {number} of {settings.epochs}, loss {loss:.3f}"
                    ),
                )
            )  # fmt: skip
    reporter.stage("programmes")
    embedded = embed_corpus(
        given.corpus, trunks, given.trunk, talk=files,
        on_job=lambda done, total: reporter.note(f"programmes embedded: {done} of {total}"),
    )  # fmt: skip
    pairs = list(zip(trunks, embedded, strict=True))
    return dict(zip(folds, pairs if len(pairs) > 1 else pairs * len(folds), strict=True))


_METHOD: Final = (
    "In detail: the trunk (where it was trained further, without the fold that is measured) and "
    "its adapter were run as ONNX, second by second as the daemon runs them; the heads were run in "
    "Keras on the result (the exporter checks that the whole graph is equal to 1e-5). A 3 s window "
    "is the third second of a stretch of a clip, with a fresh state of the head. The strength of "
    "the regularisation, the input of the LSTM and the share of augmented training material were "
    "chosen with figures of these very folds in view, so they are slightly too good."
)


def _frames(embedded: EmbeddedCorpus) -> Any:
    """Return frames of a few clips to compare Keras and ONNX on."""
    n = int(_CHECK_SECONDS * mel_adapter.SPEC.samplerate)
    clips = embedded.clips[:: max(1, len(embedded.clips) // 3)][:3]
    return np.stack(
        [
            frames_of(np.resize(decode(c.path, mel_adapter.SPEC.samplerate), n), mel_adapter.SPEC)
            for c in clips
        ]
    )


def _manifest(
    job: Job,
    given: TrunkInput,
    embedded: EmbeddedCorpus,
    weights: Weights,
    fitted: head_training.Fitted,
    model: bytes,
    temperatures: dict[str, float],
) -> dict[str, Any]:
    corpus = given.corpus
    own = fitted.window.kernel.size + fitted.window.bias.size
    if fitted.memory is not None:
        own += fitted.memory.count_params()
    if fitted.speech is not None:
        own += fitted.speech.kernel.size + fitted.speech.bias.size
    states = model_graph.states_of(weights, fitted.memory, len(corpus.labels))
    trained_on = dict(given.trained_as) if given.trained_as is not None else None
    if given.microphone:
        trained_on = asdict(microphone_training.Settings(seed=job.settings.seed))
    return manifest_of(
        name=job.out.name,
        kind="stateful",
        labels=corpus.labels,
        spec=mel_adapter.SPEC,
        weights=model,
        training=training_record(
            command=job.command,
            recipe=job.recipe.name,
            description=job.recipe.description,
            seed=job.settings.seed,
            packages=("keras", "tensorflow", "onnx", "onnxruntime", "numpy", "scipy", "soxr", "av"),
            corpus=corpus_record(
                corpus,
                embedded.clips,
                sha256=embedded.sha256,
                seconds=embedded.seconds,
                note=job.note,
            ),
            details={
                "settings": asdict(job.settings),
                "parameters": own,
                "strength": fitted.window.strength,
                "trunk": {
                    "name": "MSD_musicnn",
                    "package": checkpoint.PACKAGE,
                    "sha256": checkpoint.WHEEL_SHA256,
                    "licence": "ISC, Music Technology Group, Universitat Pompeu Fabra",
                    "filters": musicnn.front_width(weights),
                    "trained_on": trained_on,
                },
            },
        ),
        calibration={"temperature": temperatures.get("logits", 1.0)},
        speech_temperature=temperatures.get("speech", 1.0) if fitted.speech is not None else None,
        states=states,
        step_frames=musicnn.step(weights),
        steps=_STEPS_LSTM if fitted.memory is not None else _STEPS,
    )


_STEPS: Final = (
    "returns one row of logits, after its last frame; it depends on the last three seconds, "
    "however they are cut into calls"
)
_STEPS_LSTM: Final = (
    "returns one row of logits and takes one step of the LSTM: call it once per second (62 or 63 "
    "frames), as in training; other hops change what the LSTM remembers"
)
