"""``python -m train stream-eval``: programmes of held-out clips through the daemon's engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.manifest import find_model
from streamgenre.models import load_model
from train.errors import TrainError
from train.frames import decode, file_hash, joint_hash
from train.streaming import pictures
from train.streaming.drift import drift
from train.streaming.figures import figures
from train.streaming.listening import listen
from train.streaming.programme import RATE, Clip, Programme, Settings
from train.trunk.talk import SPEECH, read_talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from train.corpus import Corpus
    from train.streaming.listening import Heard

LEAST_SECONDS: Final = 10.0
"""Shorter clips are excerpts; they are not played."""
FOLD: Final = "fold-"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be played to which models."""

    model: str
    """Model folder, name of a shipped model, or folder of fold models."""
    corpus: Corpus
    folder: Path
    """The corpus's folder."""
    settings: Settings = field(default_factory=Settings)
    seed: int = 1
    drift_times: int = 0
    """How often the programme is repeated to look for drift; 0 for not at all."""
    pictures: Path | None = None
    """Folder to write pictures into."""
    note: Callable[[str], None] = lambda text: None
    on_stage: Callable[[str, int], None] = lambda title, seconds: None
    on_second: Callable[[], None] = lambda: None


def stream_eval(order: Order) -> dict[str, Any]:
    """Play programmes to a model, or to each fold's model; return the figures.

    Raises
    ------
    TrainError
        If a fold has no music that the model was not trained on, or no clip is long enough.
    """
    models = fold_models(order.model)
    held_out = models is not None
    if models is None:
        models = dict.fromkeys(order.corpus.folds, find_model(order.model))
        order.note(
            "warning: one model for all folds: it may have heard these clips in training, and then "
            "the figures are far too good; `fit --fold-models DIR` keeps models that have not"
        )
    heard: list[Heard] = []
    labels: tuple[str, ...] = ()
    drifted: dict[str, Any] | None = None
    for fold, folder in sorted(models.items()):
        model = load_model(str(folder))
        labels = model.manifest.labels
        clips, talks = _material(order, fold, labels)
        programme = Programme(clips, talks, order.seed + fold, order.settings)
        order.on_stage(f"fold {fold}", int(order.settings.seconds))
        heard.append(
            listen(model, programme.blocks(), programme.parts, on_second=order.on_second)
        )
        if order.drift_times > 1 and drifted is None:
            seconds = order.drift_times * int(order.settings.seconds)
            order.on_stage(f"drift, fold {fold}", seconds)
            drifted = drift(
                model, clips, order.drift_times, seed=order.seed, settings=order.settings,
                on_second=order.on_second,
            ) | {"fold": fold}  # fmt: skip
    result: dict[str, Any] = {
        "method": _METHOD if held_out else _METHOD + " " + _HEARD,
        "held_out": held_out,
        "seed": order.seed,
        "programme": {
            name: getattr(order.settings, name) for name in order.settings.__dataclass_fields__
        },
        "corpus": {"sha256": joint_hash(file_hash(clip.path) for clip in order.corpus.clips)},
    }
    result |= figures(heard, labels)
    if drifted is not None:
        result["drift"] = drifted
    if order.pictures is not None:
        try:
            order.pictures.mkdir(parents=True, exist_ok=True)
            pictures.draw(order.pictures, result, heard, labels)
        except OSError as error:
            raise TrainError(f"--pictures {order.pictures}: {error.strerror}") from error
    return result


_METHOD: Final = (
    "One seeded programme a fold, played through the daemon's engine and decision stage as fast as "
    "it goes, each to a model that was trained without that fold. A piece is 20 to 240 s of one "
    "genre, put together from different full clips of it (joined by half a second of crossfade, "
    "three in ten at another level); excerpts of 2 to 3 s are not played, and nothing is looped, "
    "but the few clips of a genre come back in later pieces. Between pieces: cuts, crossfades of 1 "
    "to 6 s, digital silence, lost samples, talk. Every second with music counts, the first after "
    "a change too, and a second without a genre counts as wrong. Accuracies are means over the "
    "folds of the mean over the genres; intervals come from drawing clips anew."
)
_HEARD: Final = "**The model may have heard these very clips in training.**"


def fold_models(model: str) -> dict[int, Path] | None:
    """Return the models of a folder written by ``fit --fold-models``, by the fold held out.

    None where the name or folder is a single model.
    """
    folder = Path(model).expanduser()
    found = sorted(folder.glob(f"{FOLD}*/manifest.json")) if folder.is_dir() else []
    if not found or (folder / "manifest.json").is_file():
        return None
    return {int(path.parent.name.removeprefix(FOLD)): path.parent for path in found}


def _material(
    order: Order, fold: int, labels: tuple[str, ...]
) -> tuple[list[Clip], list[Any]]:
    clips = []
    for number, clip in enumerate(order.corpus.clips):
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
        for file in read_talk(order.folder, order.corpus.folds)
        if file.fold == fold and file.kind == SPEECH
    ]
    return clips, talks
