"""Model folders: manifest, model card and picture, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamgenre.manifest import MANIFEST_VERSION
from train.errors import TrainError
from train.export import NEXT
from train.picture import confusion_svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamgenre.features import MfccSpec
    from train.recipes.base import Network, Recipe


def manifest_of(
    *,
    name: str,
    network: Network,
    labels: Sequence[str],
    spec: MfccSpec,
    temperature: float,
    weights: bytes,
    training: dict[str, Any],
    evaluation: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a manifest as :mod:`streamgenre.manifest` reads it."""
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "name": name,
        "kind": network.kind,
        "labels": list(labels),
        "features": asdict(spec),
        "calibration": {"temperature": round(temperature, 4)},
        "sha256": {"model.onnx": hashlib.sha256(weights).hexdigest()},
        "training": training,
    }
    if network.kind == "stateful":
        manifest["states"] = [
            {"input": s.name, "output": s.name + NEXT, "shape": list(s.shape)}
            for s in network.states
        ]
    else:
        manifest["window_frames"] = network.whole.inputs[0].shape[1]
    if evaluation is not None:
        manifest["evaluation"] = evaluation
    return manifest


@contextlib.contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a folder to write into that becomes ``out`` at the end, or vanishes on any error.

    Raises
    ------
    TrainError
        If ``out`` is there already (unless ``replace``), is no model folder, or cannot be written.
    """
    check_out(out, replace=replace)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.part-", dir=out.parent))
    except OSError as error:
        raise TrainError(f"cannot write to {out.parent}: {error.strerror}") from error
    try:
        yield part
        part.chmod(0o755)  # mkdtemp's folders are for their owner only
        old = part.with_name(part.name + "-old")
        if out.exists():
            out.rename(old)
        part.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_out(out: Path, *, replace: bool) -> None:
    """Refuse to write where something else is; called before hours of training, too."""
    if not out.exists():
        return
    if not replace:
        raise TrainError(f"{out} is there already; give another --out, or --replace to replace it")
    if not out.is_dir() or (any(out.iterdir()) and not (out / "manifest.json").is_file()):
        raise TrainError(f"{out} is no model folder; it is not replaced")


def write_folder(
    folder: Path, manifest: dict[str, Any], weights: bytes, recipe: Recipe | None = None
) -> None:
    """Write the files of a model folder; with a recipe, the model card too."""
    (folder / "model.onnx").write_bytes(weights)
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", "utf-8")
    if recipe is None:
        return
    (folder / "README.md").write_text(card(manifest, recipe), "utf-8")
    evaluation = manifest.get("evaluation")
    if evaluation:
        table = evaluation["confusion"]
        svg = confusion_svg(table["labels"], table["counts"])
        (folder / "confusion.svg").write_text(svg, "utf-8")


def card(manifest: dict[str, Any], recipe: Recipe) -> str:
    """Return the model card in Markdown."""
    training, features = manifest["training"], manifest["features"]
    corpus = training["corpus"]
    rate = features["samplerate"] / round(features["winstep"] * features["samplerate"])
    parts = [
        f"# {manifest['name']}\n",
        f"A {manifest['kind']} genre model for streamgenre: {recipe.description}.\n",
        f"- **Labels:** {', '.join(manifest['labels'])}\n"
        f"- **Input:** {features['numcep']} MFCCs of {features['samplerate']} Hz audio, "
        f"{rate:g} frames a second ({features['nfilt']} mel filters from "
        f"{features['lowfreq']:g} Hz)\n"
        f"- **Output:** logits; probabilities are softmax(logits / "
        f"{manifest['calibration']['temperature']})\n"
        f"- **Parameters:** {training['parameters']:,}\n",
        "## Trained on\n",
        f"{corpus['clips']} clips, {corpus['seconds'] / 60:.0f} minutes, of "
        f"{len(manifest['labels'])} genres (SHA-256 over the sorted file hashes: "
        f"`{corpus['sha256']}`). Folds: {_FOLDS[corpus['folds_by']]}.\n",
        *(f"- {warning}\n" for warning in corpus["warnings"]),
        corpus["note"] + "\n" if corpus.get("note") else "",
        _trunk(manifest) if "trunk" in training else "",
        "## How good it is\n",
        _figures(manifest.get("evaluation")),
        "## Again\n",
        f"```\n{training['command']}\n```\n",
        f"Seed {training['seed']}, {training['date']}; "
        + ", ".join(f"{name} {version}" for name, version in training["versions"].items())
        + ". The same seed gives the same batches and first weights; the weights at the end may "
        "differ in their last digits from machine to machine.\n",
    ]
    return "\n".join(part for part in parts if part)


def _trunk(manifest: dict[str, Any]) -> str:
    """Return what a model on the trunk owes to others, and how it is to be run."""
    trunk = manifest["training"]["trunk"]
    return (
        "## The trunk\n\n"
        f"{trunk['name']} from the package `{trunk['package']}` (wheel SHA-256 "
        f"`{trunk['sha256'][:16]}…`), by Jordi Pons and Xavier Serra, "
        "“musicnn: pre-trained convolutional neural networks for music audio tagging”, ISMIR 2019 "
        f"late-breaking demo. Licence: {trunk['licence']}; its text is in the file NOTICE. Its "
        "authors trained it on the Million Song Dataset; its weights are in this model unchanged.\n"
        "\nIt is reached from MFCC frames: with as many cepstra as filters, an inverse transform "
        "and an exponential give the energies of 160 filters back, and non-negative sums of these "
        "are the trunk's 96 bands (0.8 % off; its units at cosine 0.997 of those of its own "
        "input). Only the new frames go through its vertical filters, most of the work. Its "
        "horizontal filters look 64 frames ahead and its residual layers nine more: these run anew "
        "over the last 187 frames at every call, with zeros after the newest. So nothing is late, "
        "and the trunk need not be trained anew to do without the future.\n\n"
        f"One call: {manifest['steps']}.\n"
    )


_FOLDS = {
    "clips.csv": "the column `fold` of `clips.csv`, no artist in two folds",
    "artist": "made by artist, no known artist in two folds",
    "split": "a split file, told below",
    "file": "made by file, artists unknown: **the figures below may be far too good**",
}

_ROWS = (
    ("window", "3 s windows, nothing heard before"),
    ("clip", "whole clips (mean probability of the updates from 3 s on)"),
    ("hop", "single updates within a clip, once a second from 3 s on"),
    ("hop_after_10_s", "the update after 10 s of a clip (longer clips only)"),
    ("endless_hop", "single updates, clips played one after the other with no reset"),
)


def _figures(evaluation: dict[str, Any] | None) -> str:
    if evaluation is None:
        return "Not measured: trained with `--no-folds`. The probabilities are not calibrated.\n"
    labels = evaluation["window"]["by_genre"]
    lines = [
        evaluation["method"] + "\n",
        "| | accuracy | 95 % interval | by fold | chance |",
        "|---|---|---|---|---|",
    ]
    for key, title in _ROWS:
        if key in evaluation:
            lines.append(_row(title, evaluation[key], evaluation["chance"]))
    lines += [
        "",
        "Share right by genre, all folds together:\n",
        "| | " + " | ".join(labels) + " |",
        "|---" * (len(labels) + 1) + "|",
        *(
            f"| {key} | "
            + " | ".join(f"{evaluation[key]['by_genre'][label]:.2f}" for label in labels)
            + " |"
            for key in ("window", "clip")
        ),
        "",
        _confusion(evaluation["confusion"]),
        _calibration(evaluation["calibration"]),
    ]
    if "variants" in evaluation:
        lines.append(_variants(evaluation["variants"]))
    if "programmes" in evaluation:
        lines.append(_programmes(evaluation["programmes"]))
    return "\n".join(lines)


def _row(title: str, figure: dict[str, Any], chance: float) -> str:
    low, high = figure["ci95"]
    by_fold = ", ".join(f"{value:.2f}" for value in figure["by_fold"])
    return (
        f"| {title} | **{figure['accuracy']:.3f}** | {low:.3f} to {high:.3f} | {by_fold} | "
        f"{chance:.2f} |"
    )


def _confusion(table: dict[str, Any]) -> str:
    width = max(len(label) for label in table["labels"]) + 1
    rows = [
        " " * width + "".join(f"{label[:6]:>7}" for label in table["labels"]),
        *(
            f"{label:<{width}}" + "".join(f"{count:>7}" for count in counts)
            for label, counts in zip(table["labels"], table["counts"], strict=True)
        ),
    ]
    return (
        "What clips were taken for (a row is a true genre; [as a picture](confusion.svg)):\n\n"
        "```\n" + "\n".join(rows) + "\n```\n"
    )


def _calibration(figure: dict[str, Any]) -> str:
    text = (
        f"Calibration: expected calibration error of the updates {figure['ece_at_1']:.3f} before "
        f"and {figure['ece']:.3f} after the temperature {figure['temperature']:.2f}"
    )
    if "ece_cross_fitted" in figure:
        text += f" ({figure['ece_cross_fitted']:.3f} where it was fitted without the fold measured)"
    return text + ".\n"


def _variants(figure: dict[str, Any]) -> str:
    by_genre = ", ".join(f"{g} {share:.2f}" for g, share in figure["clip"]["by_genre"].items())
    low, high = figure["clip"]["ci95"]
    return (
        f"Other recordings of clips held out ({figure['clips']} files such as over the air through "
        f"a microphone, never trained on; genres {', '.join(figure['clip']['by_genre'])} only): "
        f"whole recordings **{figure['clip']['accuracy']:.3f}** ({low:.3f} to {high:.3f}; "
        f"{by_genre}), 3 s windows {figure['window']['accuracy']:.3f}.\n"
    )


def _programmes(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "Programmes of held-out clips, one endless stream a fold with a change every 5 to 13 s "
        "(before the decision stage; every second counts, the first after a change too; a piece "
        "that is never recognised has no lag):\n",
        "| programme | accuracy by second | lag, median | lag, 90 % | wrong flips a minute |",
        "|---|---|---|---|---|",
    ]
    for name, figure in figures.items():
        lag, late = (
            f"{figure[key]} s" if figure[key] is not None else "never"
            for key in ("lag_median", "lag_p90")
        )
        lines.append(
            f"| {name} | {figure['second']:.3f} | {lag} | {late} | "
            f"{figure['wrong_flips_a_minute']} |"
        )
    lines.append(
        "\n`line` changes levels only; `augmented` has other loudspeakers, rooms, noise from 0 to "
        "30 dB below the music, clipping, other tempi and missing treble: a kind of programme that "
        "the head was trained on too, with other artists.\n"
    )
    return "\n".join(lines)
