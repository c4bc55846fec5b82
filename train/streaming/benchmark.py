"""``python -m train stream-eval``: programmes of held-out clips through the daemon's engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import find_model
from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora.corpus import read_corpus
from train.corpora.recordings import decode, file_hash, joint_hash
from train.errors import TrainError
from train.evaluation.speech_detection import SPEECH, read_talk
from train.streaming import stream_pictures
from train.streaming.drift import BLOCK_S, drift
from train.streaming.playback import listen
from train.streaming.programme import RATE, Clip, Programme, Settings
from train.streaming.stream_figures import figures

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from train.cli.progress import Progress
    from train.corpora.corpus import Corpus
    from train.streaming.playback import Heard

_DESCRIPTION: Final = """\
Play programmes of hours to a model, through the engine and the decision stage of the
daemon, as fast as it goes: one programme a fold, made of the fold's own full clips.
Tells how often it was right by the second, how soon after a change, how often it
flipped to a wrong genre, how well its probabilities can be trusted, and whether talk
was told from music.

The figures mean something only for models that have not heard the clips: give the
folder that `fit --fold-models` has written. A single model is played all folds, and
the result says so.

examples:
  python -m train fit --recipe lstm --corpus ~/music --out models/lstm \\
      --fold-models /tmp/folds/lstm
  python -m train stream-eval /tmp/folds/lstm --corpus ~/music --card models/lstm
  python -m train stream-eval lite --corpus ~/music --hours 0.5 --json
"""
LEAST_SECONDS: Final = 10.0
"""Shorter clips are excerpts; they are not played."""


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
    drift_hours: float = 0.0
    """Hours with no reset to look for drift; 0 for not at all."""
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
    models = model_folder.fold_models(order.model)
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
        heard.append(listen(model, programme.blocks(), programme.parts, on_second=order.on_second))
        if order.drift_hours > 0 and drifted is None:
            times = max(2, round(order.drift_hours * 3600 / BLOCK_S))
            order.on_stage(f"drift, fold {fold}", times * BLOCK_S)
            drifted = drift(
                model, clips, times, seed=order.seed, settings=order.settings,
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
            stream_pictures.draw(order.pictures, result, heard, labels)
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
    "folds of the mean over the genres; intervals come from drawing clips anew. The settings of "
    "the decision stage were chosen on shorter programmes made the same way, so that these figures "
    "are a little too good."
)
_HEARD: Final = "**The model may have heard these very clips in training.**"


def _material(order: Order, fold: int, labels: tuple[str, ...]) -> tuple[list[Clip], list[Any]]:
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


def add_parser(commands: Any, output: argparse.ArgumentParser, **more: Any) -> None:
    """Add the command to the parser of the whole command line."""
    parser = commands.add_parser(
        "stream-eval", parents=[output], help="play programmes of hours to a model",
        description=_DESCRIPTION, **more,
    )  # fmt: skip
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="folder of fold models, model folder, or name of a shipped model",
    )
    parser.add_argument(
        "--corpus", type=Path, required=True, metavar="DIR", help="folder with the music"
    )
    parser.add_argument(
        "--hours", type=_hours, default=1.0, metavar="H", help="length of a programme (default 1)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed (default 1)")
    parser.add_argument(
        "--drift",
        type=_hours,
        default=0.0,
        metavar="HOURS",
        help="also play ten minutes of the first fold again and again for so many hours, with no "
        "reset, and compare the last time with the first",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write pictures (SVG) into this folder"
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FOLDER",
        help="write figures and pictures into the manifest and the card of this model folder: that "
        "of the model whose folds these are",
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Run the command."""
    corpus = read_corpus(options.corpus)
    if options.card is not None:
        model_folder.read(options.card)  # what is wrong with it is told before the hours
    order = Order(
        options.model,
        corpus,
        options.corpus,
        replace(Settings(), seconds=options.hours * 3600),
        options.seed,
        options.drift,
        options.pictures or options.card,
        progress.note,
        progress.seconds,
        progress.step,
    )
    result = stream_eval(order)
    if options.card is not None:
        model_folder.add_stream(options.card, result)
    print(json.dumps(result, indent=2) if options.json else _text(result))


def _hours(text: str) -> float:
    import argparse

    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1000, not {value:g}")
    return value


def _text(result: dict[str, Any]) -> str:
    lag, low_high = result["lag"], "{:.3f} to {:.3f}".format(*result["second"]["ci95"])
    lines = [
        f"right by the second   {result['second']['accuracy']:8.3f}  ({low_high}; chance "
        f"{result['chance']:.2f})",
        f"before the decision   {result['hop']['accuracy']:8.3f}",
        f"lag after a change    {_seconds(lag['median_s']):>8}  median; 90 % within "
        f"{_seconds(lag['p90_s'])}; never right {lag['never']:.0%} of {lag['pieces']} pieces",
        f"wrong flips a minute  {result['flips_a_minute']:8.2f}",
        f"unknown               {result['unknown']:8.1%}",
        f"calibration error     {result['calibration']['hop']['ece']:8.3f}  Brier score "
        f"{result['calibration']['hop']['brier']:.3f}",
    ]
    talk = result["speech"]
    if talk["talk_called_speech"] is not None:
        lines.append(
            f"talk called speech    {talk['talk_called_speech']:8.1%}  music called speech "
            f"{talk['music_called_speech']:.1%}"
        )
    if "drift" in result:
        drifted = result["drift"]
        moved = drifted["last"] - drifted["first"]
        lines.append(
            f"drift                 {moved:+8.4f}  right by the second after "
            f"{drifted['hours']:g} h without a reset, {drifted['first']:.4f} at first"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"
