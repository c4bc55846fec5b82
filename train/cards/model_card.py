"""The model card in Markdown, written from the manifest alone."""

from __future__ import annotations

import math
from typing import Any, Final

from train.cards.card_figures import figures, stream
from train.cards.markdown import wrapped

_FLOAT_BYTES: Final = 4


def card(manifest: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    training = manifest["training"]
    evaluation = manifest.get("evaluation", {})
    parts = [
        f"# {manifest['name']}\n",
        _summary(manifest),
        _inside(manifest),
        _corpus(training["corpus"], manifest["labels"]) if "corpus" in training else "",
        _trunk(manifest) if "trunk" in training else "",
        _members(manifest) if "members" in training else "",
        "## How good it is\n",
        figures(evaluation)
        if evaluation
        else "Not" + _not_measured(training).removeprefix("not") + "\n",
        stream(evaluation["stream"]) if "stream" in evaluation else "",
        "## How to make it again\n",
        f"```\n{training['command']}\n```\n",
        (f"Seed {training['seed']}, " if training["seed"] else "")
        + f"{training['date']}; "
        + ", ".join(f"{name} {version}" for name, version in training["versions"].items())
        + ".\n"
        + ("" if "members" in training and "corpus" not in training else _SEED),
    ]
    return wrapped("\n".join(part for part in parts if part))


_SEED: Final = (
    "\nThe same seed gives the same batches and first weights; the final weights may differ in "
    "their last digits between machines.\n"
)


def _summary(manifest: dict[str, Any]) -> str:
    """Return the five points that a card begins with."""
    training, evaluation = manifest["training"], manifest.get("evaluation")
    points = {
        "What for": _purpose(manifest),
        "How good": _how_good(evaluation) if evaluation else _not_measured(training),
        "Where it fails": _failures(manifest, evaluation or {}),
        "What it costs": _costs(manifest),
        "How to make it again": f"`{training['command']}`",
    }
    return "\n".join(f"- **{title}:** {text}" for title, text in points.items()) + "\n"


def _purpose(manifest: dict[str, Any]) -> str:
    labels = manifest["labels"]
    speech = ", and speech from everything else" if "speech" in manifest else ""
    if "music" in manifest:
        speech = ", music from speech and noise"
    if "tags" in manifest:
        speech += f", and what music is like in {len(manifest['tags']['labels'])} tags"
    return (
        f"telling {len(labels)} genres of music apart in a live stream ({', '.join(labels)})"
        f"{speech}, once a second."
    )


def _how_good(evaluation: dict[str, Any]) -> str:
    chance = evaluation["chance"]
    text = (
        f"on held-out clips {evaluation['window']['accuracy']:.2f} of the 3 s windows are right "
        f"(chance {chance:.2f})"
    )
    if "stream" in evaluation:
        found = evaluation["stream"]
        text += f"; in hours of programme {found['second']['accuracy']:.2f} of the seconds"
        if found["lag"]["median_s"] is not None:
            text += f", with a median lag of {found['lag']['median_s']:g} s after a change"
    return text + "."


def _failures(manifest: dict[str, Any], evaluation: dict[str, Any]) -> str:
    found = []
    if evaluation:
        shares = evaluation["window"]["by_genre"]
        worst = sorted(shares, key=shares.__getitem__)[:2]
        found.append(
            "weakest genres: " + " and ".join(f"{name} ({shares[name]:.2f})" for name in worst)
        )
    if "room" in evaluation:
        found.append(f"in a simulated room {evaluation['room']['window']['accuracy']:.2f}")
    if "variants" in evaluation:
        found.append(f"over the air {evaluation['variants']['clip']['accuracy']:.2f}")
    if "known" in evaluation:
        missed = (
            1 - evaluation["known"]["decision"]["with the head"]["clean"]["other_called_unknown"]
        )
        found.append(
            f"{missed:.0%} of the seconds of electronic, ambient and film music get one of the "
            "genres, the others are `unknown`"
        )
    else:
        found.append("music of other genres gets one of the known genres, or `unknown`")
    if manifest["training"].get("corpus", {}).get("note"):
        found.append("more under [Trained on](#trained-on)")
    return "; ".join(found) + "."


def _costs(manifest: dict[str, Any]) -> str:
    training = manifest["training"]
    found = []
    if "parameters" in training:
        trunk = " besides the trunk" if "trunk" in training else ""
        found.append(f"{training['parameters']:,} trained parameters{trunk}")
    if manifest["kind"] == "stateful":
        size = sum(math.prod(state["shape"]) for state in manifest["states"]) * _FLOAT_BYTES
        found.append(f"{size / 1000:.0f} kB of state per station")
    else:
        found.append(f"a window of {manifest['window_frames']} frames per station")
    return "; ".join(found) + ". CPU times are in docs/models.md."


def _inside(manifest: dict[str, Any]) -> str:
    training, features = manifest["training"], manifest["features"]
    rate = features["samplerate"] / round(features["winstep"] * features["samplerate"])
    more = []
    if "speech" in manifest:
        more.append(
            f"`speech`, one logit: sigmoid(speech / {manifest['speech']['temperature']}) is the "
            "probability of speech without music"
        )
    if "music" in manifest:
        more.append(
            f"`music`, one logit: sigmoid(music / {manifest['music']['temperature']}) is the "
            "probability of music of any kind"
        )
    if "known" in manifest:
        more.append(
            f"`known`, one logit: sigmoid(known / {manifest['known']['temperature']}) is the "
            "probability that the music is like one of the genres"
        )
    if "tags" in manifest:
        more.append(f"`tags`, a logit for each of {len(manifest['tags']['labels'])} tags")
    others = "".join(f"; {text}" for text in more[:-1])
    others += "".join(f"; and {text}" for text in more[-1:])
    return (
        "## What it is\n\n"
        f"A {manifest['kind']} model: {training['description']}.\n\n"
        f"- **Input:** {features['numcep']} MFCCs of {features['samplerate']} Hz audio, "
        f"{rate:g} frames per second ({features['nfilt']} mel filters from "
        f"{features['lowfreq']:g} Hz)\n"
        f"- **Output:** logits; probabilities are softmax(logits / "
        f"{manifest['calibration']['temperature']}){others}\n"
    )


def _corpus(corpus: dict[str, Any], labels: list[str]) -> str:
    parts = [
        "## Trained on\n",
        f"{corpus['clips']} clips, {corpus['seconds'] / 60:.0f} minutes, {len(labels)} genres "
        f"(SHA-256 of the sorted file hashes: `{corpus['sha256']}`). Folds: "
        f"{_FOLDS[corpus['folds_by']]}.\n",
        *(f"- {warning}\n" for warning in corpus["warnings"]),
    ]
    if corpus.get("note"):
        parts.append(corpus["note"] + "\n")
    return "\n".join(parts)


def _members(manifest: dict[str, Any]) -> str:
    """Return what an ensemble was made of."""
    training = manifest["training"]
    lines = ["## Members\n", "| member | SHA-256 of its graph | temperature |", "|---|---|---|"]
    if "corpus" not in training:
        owed = "Their own cards say what they were trained on and whose work they build on.\n"
        lines = [lines[0], owed, lines[1] + " made by |", lines[2] + "---|"]
    for member in training["members"]:
        row = f"| {member['name']} | `{member['sha256'][:16]}…` | {member['temperature']} |"
        made_by = f" `{member['training']['command']}` |"
        lines.append(row if "corpus" in training else row + made_by)
    if "steps" in manifest:
        lines.append(f"\nOne call {manifest['steps']}.")
    return "\n".join(lines) + "\n"


def _not_measured(training: dict[str, Any]) -> str:
    if "corpus" not in training:
        return (
            "not measured. Run `python -m train evaluate` on music by artists that no member was "
            "trained on."
        )
    return "not measured: trained with `--no-folds`. The probabilities are not calibrated."


def _trunk(manifest: dict[str, Any]) -> str:
    """Return whose work a model on the trunk builds on, and how it is run."""
    trunk = manifest["training"]["trunk"]
    further = trunk.get("trained_on")
    weights = "Its weights are in this model unchanged."
    if further and "student" in further:
        weights = (
            "Of its 561 filters 497 never fire on any music; they are left out. The power of every "
            "two frames is averaged, and all filters are half as long, for two fifths of the cost. "
            "Then everything was trained further on free music and on the corpus, without genres: "
            "to return for these pairs of frames, of the clean recording or of a degraded copy "
            "(rooms, small loudspeakers and microphones, noise, talk, codecs), what the published "
            "trunk returns for every frame of the clean one. For every fold that is measured there "
            "was a trunk that had not heard it."
        )
    elif further:
        weights = (
            "Its convolutions over the mel bands are in this model unchanged. The layers after "
            "them were trained further on rooms, microphones and noise: for "
            f"{further['epochs']} epochs they learnt to return for {further['versions']} changed "
            "copies of every three seconds what the published trunk returns for the clean ones, "
            "without genres and without the fold that is measured. The weights are the mean of "
            f"the published and the new ones, {further['mix']:.0%} new."
        )
    if trunk.get("filters") and not (further and "student" in further):
        weights = (
            f"Of its 561 filters {561 - trunk['filters']} never fire on any music; they are left "
            f"out, which changes no answer. {weights}"
        )
    return (
        "## The trunk\n\n"
        f"{trunk['name']} from the package `{trunk['package']}` (wheel SHA-256 "
        f"`{trunk['sha256'][:16]}…`), by Jordi Pons and Xavier Serra, "
        "“musicnn: pre-trained convolutional neural networks for music audio tagging”, ISMIR 2019 "
        f"late-breaking demo. Licence: {trunk['licence']}; its text is in the file NOTICE. Its "
        f"authors trained it on the Million Song Dataset. {weights}\n"
        "\nThe graph computes the trunk's input from MFCC frames: with as many cepstra as filters, "
        "an inverse transform and an exponential return the energies of 160 filters, and "
        "non-negative sums of these are the trunk's 96 bands (0.8 % off; its units at cosine 0.997 "
        "of those of its own input). Only the new frames go through its vertical filters, most of "
        "the work. Its horizontal filters look a second ahead and its residual layers further: "
        "these run again over the last three seconds at every call, with zeros after the newest. "
        "So nothing is delayed, and the trunk does not need retraining to work without the "
        "future.\n\n"
        f"One call {manifest['steps']}.\n"
    )


_FOLDS: Final = {
    "clips.csv": "the column `fold` of `clips.csv`, no artist in two folds",
    "artist": "made by artist, no known artist in two folds",
    "split": "a split file, described below",
    "file": "made by file, artists unknown: **the figures below may be far too good**",
}
