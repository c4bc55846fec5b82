"""Outputs of models on held-out clips, unchanged and in a simulated room, and their figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.inference.manifest import LOGITS, SPEECH
from streamgenre.inference.output import softmax
from streamgenre.inference.settings import DecisionSettings
from train.corpora import talk_files
from train.errors import TrainError
from train.evaluation import clip_outcomes, speech_detection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest
    from streamgenre.inference.model import Model
    from train.corpora.corpus import Clip, Corpus
    from train.corpora.dataset import Data

    Frames = NDArray[np.float32]


@dataclass(slots=True)
class HeldOut:
    """Outputs collected so far, from one model or from the models of the folds."""

    clips: list[clip_outcomes.Outcome] = field(default_factory=list)
    variants: list[clip_outcomes.Outcome] = field(default_factory=list)
    """Further recordings of the clips."""
    room: list[clip_outcomes.Outcome] = field(default_factory=list)
    """The clips in a simulated room."""
    speech: speech_detection.Measured = field(default_factory=speech_detection.Measured)
    noise: list[Frames] = field(default_factory=list)
    """Logits of 3 s windows of noise without music; these recordings are unseen in training."""

    def run(self, model: Model, data: Data, fold: int | None) -> list[clip_outcomes.Outcome]:
        """Run a model over a fold's clips and files of speech; None for all measured folds.

        Parameters
        ----------
        model
            A loaded model folder.
        data
            The corpus with its frames.
        fold
            The fold to run over; None for all measured folds.

        Returns
        -------
        Its outcomes on the unchanged clips.
        """
        folds = data.corpus.measured if fold is None else (fold,)
        number = 1 if fold is None else fold
        clips = [clip for clip in data.clips if clip.fold in folds]
        files = [file for file in data.talk if file.fold in folds]

        def outcomes(
            items: Sequence[tuple[int, Clip, Frames]], *, endless: bool = False
        ) -> list[clip_outcomes.Outcome]:
            return clip_outcomes.run_clips(
                model,
                [frames for *_, frames in items],
                [model.manifest.labels.index(clip.genre) for _, clip, _ in items],
                [number] * len(items),
                [n for n, *_ in items],
                rng=np.random.default_rng(0),
                endless=endless,
            )

        unchanged = outcomes(
            [(n, clip, data.recordings[clip.path].frames) for n, clip in enumerate(clips)],
            endless=True,
        )
        self.clips += unchanged
        self.variants += outcomes(
            [
                (n, clip, data.recordings[path].frames)
                for n, clip in enumerate(clips)
                for path in clip.variants
                if path in data.recordings
            ]
        )
        self.room += outcomes([(n, clip, data.rooms[clip.path]) for n, clip in enumerate(clips)])
        noises = [file for file in talk_files.noises(data.talk)[1] if file.fold in folds]
        self.noise += clip_outcomes.windows(model, [data.recordings[f.path].frames for f in noises])
        if files and model.manifest.speech_temperature is not None:
            spoken = [(file.path, file.kind) for file in files]
            spoken += [(clip.path, clip.genre) for clip in clips]
            speech_detection.measure_files(
                model,
                [
                    (n, what, number, data.recordings[path].frames)
                    for n, (path, what) in enumerate(spoken)
                ],
                self.speech,
            )
        return unchanged

    def temperatures(self, *, without: int | None = None) -> dict[str, float]:
        """Return the fitted temperature of each output of the graph; a fold may be left out."""
        clips = [outcome for outcome in self.clips if outcome.fold != without]
        fitted = {LOGITS: clip_outcomes.temperature_of(clips)}
        if self.speech.logits:
            fitted[SPEECH] = speech_detection.temperature_of(self.speech, without=without)
        return fitted

    def figures(self, labels: Sequence[str], temperature: float) -> dict[str, Any]:
        """Return the figures.

        Parameters
        ----------
        labels
            Genres in the order of the logits.
        temperature
            Calibration temperature, above 0.
        """
        result = clip_outcomes.figures(self.clips, labels, temperature)
        for name, found in (("variants", self.variants), ("room", self.room)):
            if found:
                result[name] = clip_outcomes.figures(found, labels, temperature)
        if self.noise:
            result["noise"] = _of_noise(softmax(np.concatenate(self.noise) / temperature))
        kinds_of_sound = {str(kind) for kinds in self.speech.what for kind in kinds}
        if {talk_files.SPEECH, talk_files.MUSIC} <= kinds_of_sound:
            result["speech"] = speech_detection.figures(self.speech)
        return result


def _of_noise(probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """Return how confident a model is on noise."""
    likeliest = probabilities.max(axis=1)
    return {
        "windows": len(likeliest),
        "likeliest": round(float(likeliest.mean()), 4),
        "unknown": round(float((likeliest < DecisionSettings().enter).mean()), 4),
    }


def check(models: Mapping[int | None, Manifest], corpus: Corpus) -> None:
    """Check that models can be measured on a corpus.

    Parameters
    ----------
    models
        Manifests by the fold left out; None for a model of all folds.
    corpus
        The corpus.

    Raises
    ------
    TrainError
        If the corpus has a genre that a model does not know, or no such fold.
    """
    for fold, manifest in models.items():
        strange = sorted(set(corpus.labels) - set(manifest.labels))
        if strange:
            raise TrainError(
                f"the corpus has genres that the model does not know: {', '.join(strange)}; "
                f"it knows {', '.join(manifest.labels)}"
            )
        if fold is not None and fold not in corpus.folds:
            raise TrainError(
                f"there is a model for fold {fold}, but the corpus has only "
                f"{', '.join(map(str, corpus.folds))}; give the corpus or split file that the "
                "models were made with"
            )


def doubt(models: Mapping[int | None, Manifest], data: Data) -> str:
    """Return why figures would not hold for unseen music; empty if they do.

    Parameters
    ----------
    models
        Manifests by the fold left out; None for a model of all folds.
    data
        The corpus to measure on.
    """
    for fold, manifest in models.items():
        training = manifest.raw["training"]
        made = [training, *(member["training"] for member in training.get("members", ()))]
        for corpus in (one["corpus"] for one in made if "corpus" in one):
            same = data.sha256 == corpus.get("sha256")
            if fold is None and same:
                return (
                    "the model was trained on this very corpus; the figures say nothing about "
                    "unseen music"
                )
            if fold is not None and not (same and corpus.get("folds_by") == data.corpus.folds_by):
                return (
                    f"the model for fold {fold} was made with another corpus or other folds; it "
                    "may have been trained on what it is measured on"
                )
    return ""


def evaluate(
    models: Mapping[int | None, Model],
    data: Data,
    *,
    on_model: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Return the figures of models on a corpus.

    Parameters
    ----------
    models
        The models by the fold left out; None for a model to which every clip counts as held out.
    data
        The corpus to run them over.
    on_model
        Called when a model is done.
    """
    held_out = HeldOut()
    for fold, model in models.items():
        held_out.run(model, data, fold)
        on_model()
    # The folds' temperatures hardly differ; each was fitted without its fold.
    temperature = float(np.mean([model.manifest.temperature for model in models.values()]))
    corpus = {"clips": len(held_out.clips), "sha256": data.sha256}
    labels = next(iter(models.values())).manifest.labels
    return held_out.figures(labels, temperature) | {"corpus": corpus}
