"""The streaming benchmark: programmes of held-out clips through the daemon's engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.model_names import find_model
from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora.recordings import decode
from train.corpora.talk_files import SPEECH, read_talk
from train.errors import TrainError
from train.hashes import file_hash, joint_hash
from train.streaming import stream_pictures
from train.streaming.drift import BLOCK_S, drift
from train.streaming.playback import play
from train.streaming.programme import RATE, Clip, Programme, Settings
from train.streaming.stream_figures import figures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from train.corpora.corpus import Corpus
    from train.streaming.playback import Playback

LEAST_SECONDS: Final = 10.0
"""Shorter clips are excerpts and are not played."""


@dataclass(frozen=True, slots=True)
class BenchmarkJob:
    """Programmes to play and the models to play them to."""

    model: str
    """Model folder, name of a shipped model, or folder of fold models."""
    corpus: Corpus
    folder: Path
    """The corpus's folder."""
    settings: Settings = field(default_factory=Settings)
    seed: int = 1
    drift_hours: float = 0.0
    """Hours without a reset for the drift test; 0 to skip it."""
    pictures: Path | None = None
    """Folder to write pictures into."""
    note: Callable[[str], None] = lambda text: None
    on_stage: Callable[[str, int], None] = lambda title, seconds: None
    on_second: Callable[[], None] = lambda: None


def stream_eval(job: BenchmarkJob) -> dict[str, Any]:
    """Play programmes to a model, or to each fold's model; return the figures.

    Raises
    ------
    TrainError
        If a fold has no music that the model was not trained on, or no clip is long enough.
    """
    models = model_folder.fold_models(job.model)
    held_out = models is not None
    if models is None:
        models = dict.fromkeys(job.corpus.folds, find_model(job.model))
        job.note(
            "warning: one model for all folds: it may have been trained on these clips, and then "
            "the figures are far too good; `fit --fold-models DIR` keeps models that were not"
        )
    played: list[Playback] = []
    labels: tuple[str, ...] = ()
    drifted: dict[str, Any] | None = None
    for fold, folder in sorted(models.items()):
        model = load_model(str(folder), trusted=True)
        labels = model.manifest.labels
        clips, talks = _material(job, fold, labels)
        programme = Programme(clips, talks, job.seed + fold, job.settings)
        job.on_stage(f"fold {fold}", int(job.settings.seconds))
        played.append(play(model, programme.blocks(), programme.parts, on_second=job.on_second))
        if job.drift_hours > 0 and drifted is None:
            times = max(2, round(job.drift_hours * 3600 / BLOCK_S))
            job.on_stage(f"drift, fold {fold}", times * BLOCK_S)
            drifted = drift(
                model, clips, times, seed=job.seed, settings=job.settings,
                on_second=job.on_second,
            ) | {"fold": fold}  # fmt: skip
    result: dict[str, Any] = {
        "method": _METHOD if held_out else _METHOD + " " + _SEEN,
        "held_out": held_out,
        "seed": job.seed,
        "programme": {
            name: getattr(job.settings, name) for name in job.settings.__dataclass_fields__
        },
        "corpus": {"sha256": joint_hash(file_hash(clip.path) for clip in job.corpus.clips)},
    }
    result |= figures(played, labels)
    if drifted is not None:
        result["drift"] = drifted
    if job.pictures is not None:
        try:
            job.pictures.mkdir(parents=True, exist_ok=True)
            stream_pictures.draw(job.pictures, result, played, labels)
        except OSError as error:
            raise TrainError(f"--pictures {job.pictures}: {error.strerror}") from error
    return result


_METHOD: Final = (
    "One seeded programme per fold, played through the daemon's engine and decision stage as fast "
    "as possible, each to a model trained without that fold. A piece is 20 to 240 s of one genre, "
    "put together from different full clips (joined by half a second of crossfade, three in ten at "
    "another level). Excerpts of 2 to 3 s are not played and nothing is looped, but the few clips "
    "of a genre return in later pieces. Between pieces: cuts, crossfades of 1 to 6 s, digital "
    "silence, lost samples, talk. Every second with music counts, including the first after a "
    "change, and a second without a genre counts as wrong. Accuracies are means over the folds of "
    "the mean over the genres; intervals come from drawing clips again (bootstrap). The settings "
    "of the decision stage were chosen on shorter programmes made the same way, so these figures "
    "are slightly too good."
)
_SEEN: Final = "**The model may have been trained on these very clips.**"


def _material(
    job: BenchmarkJob, fold: int, labels: tuple[str, ...]
) -> tuple[list[Clip], list[Any]]:
    clips = []
    for number, clip in enumerate(job.corpus.clips):
        if clip.fold != fold or clip.genre not in labels:
            continue
        samples = decode(clip.path, RATE)
        if len(samples) >= LEAST_SECONDS * RATE:
            clips.append(Clip(number, labels.index(clip.genre), samples))
    if len({clip.genre for clip in clips}) < 2:
        raise TrainError(
            f"fold {fold}: a programme needs clips of {LEAST_SECONDS:g} s or more of at least two "
            f"genres that the model knows; found {len(clips)} clips"
        )
    talks = [
        decode(file.path, RATE)
        for file in read_talk(job.folder, job.corpus.folds)
        if file.fold == fold and file.kind == SPEECH
    ]
    return clips, talks
