"""The model card in Markdown, out of the manifest alone."""

from __future__ import annotations

from typing import Any, Final

from train.cards.card_figures import figures, stream


def card(manifest: dict[str, Any]) -> str:
    """Return the model card in Markdown."""
    training, features = manifest["training"], manifest["features"]
    evaluation = manifest.get("evaluation", {})
    rate = features["samplerate"] / round(features["winstep"] * features["samplerate"])
    parts = [
        f"# {manifest['name']}\n",
        f"A {manifest['kind']} genre model for streamgenre: {training['description']}.\n",
        f"- **Labels:** {', '.join(manifest['labels'])}\n"
        f"- **Input:** {features['numcep']} MFCCs of {features['samplerate']} Hz audio, "
        f"{rate:g} frames a second ({features['nfilt']} mel filters from "
        f"{features['lowfreq']:g} Hz)\n"
        f"- **Output:** logits; probabilities are softmax(logits / "
        f"{manifest['calibration']['temperature']})"
        + (
            f"; and `speech`, one logit: sigmoid(speech / {manifest['speech']['temperature']}) is "
            "the probability of speech without music"
            if "speech" in manifest
            else ""
        )
        + "\n"
        + (f"- **Parameters:** {training['parameters']:,}\n" if "parameters" in training else ""),
        _corpus(training["corpus"], manifest["labels"]) if "corpus" in training else "",
        _trunk(manifest) if "trunk" in training else "",
        _members(manifest) if "members" in training else "",
        "## How good it is\n",
        figures(evaluation) if evaluation else _not_measured(training),
        stream(evaluation["stream"]) if "stream" in evaluation else "",
        "## Again\n",
        f"```\n{training['command']}\n```\n",
        (f"Seed {training['seed']}, " if training["seed"] else "")
        + f"{training['date']}; "
        + ", ".join(f"{name} {version}" for name, version in training["versions"].items())
        + ".\n"
        + ("" if "members" in training and "corpus" not in training else _SEED),
    ]
    return "\n".join(part for part in parts if part)


_SEED: Final = (
    "\nThe same seed gives the same batches and first weights; the weights at the end may differ "
    "in their last digits from machine to machine.\n"
)


def _corpus(corpus: dict[str, Any], labels: list[str]) -> str:
    parts = [
        "## Trained on\n",
        f"{corpus['clips']} clips, {corpus['seconds'] / 60:.0f} minutes, of {len(labels)} genres "
        f"(SHA-256 over the sorted file hashes: `{corpus['sha256']}`). Folds: "
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
        owed = "What they owe to others and what they were trained on is in their own cards.\n"
        lines = [lines[0], owed, lines[1] + " made by |", lines[2] + "---|"]
    for member in training["members"]:
        row = f"| {member['name']} | `{member['sha256'][:16]}…` | {member['temperature']} |"
        made_by = f" `{member['training']['command']}` |"
        lines.append(row if "corpus" in training else row + made_by)
    if "steps" in manifest:
        lines.append(f"\nOne call: {manifest['steps']}.")
    return "\n".join(lines) + "\n"


def _not_measured(training: dict[str, Any]) -> str:
    if "corpus" not in training:
        return (
            "Not measured: take `python -m train evaluate` and music by artists that no member was "
            "trained on.\n"
        )
    return "Not measured: trained with `--no-folds`. The probabilities are not calibrated.\n"


def _trunk(manifest: dict[str, Any]) -> str:
    """Return what a model on the trunk owes to others, and how it is to be run."""
    trunk = manifest["training"]["trunk"]
    further = trunk.get("trained_on")
    weights = "its weights are in this model unchanged"
    if further:
        weights = (
            "its convolutions over the mel bands are in this model unchanged. What follows them "
            "was made used to rooms, microphones and noise: trained on for "
            f"{further['epochs']} epochs to give for {further['versions']} changed copies of every "
            "three seconds what the published trunk gives for the clean ones, without a genre told "
            "and without the fold that is measured; the weights are the mean of the published and "
            f"the new ones, {further['mix']:.0%} of it new"
        )
    return (
        "## The trunk\n\n"
        f"{trunk['name']} from the package `{trunk['package']}` (wheel SHA-256 "
        f"`{trunk['sha256'][:16]}…`), by Jordi Pons and Xavier Serra, "
        "“musicnn: pre-trained convolutional neural networks for music audio tagging”, ISMIR 2019 "
        f"late-breaking demo. Licence: {trunk['licence']}; its text is in the file NOTICE. Its "
        f"authors trained it on the Million Song Dataset; {weights}.\n"
        "\nIt is reached from MFCC frames: with as many cepstra as filters, an inverse transform "
        "and an exponential give the energies of 160 filters back, and non-negative sums of these "
        "are the trunk's 96 bands (0.8 % off; its units at cosine 0.997 of those of its own "
        "input). Only the new frames go through its vertical filters, most of the work. Its "
        "horizontal filters look 64 frames ahead and its residual layers nine more: these run anew "
        "over the last 187 frames at every call, with zeros after the newest. So nothing is late, "
        "and the trunk need not be trained anew to do without the future.\n\n"
        f"One call: {manifest['steps']}.\n"
    )


_FOLDS: Final = {
    "clips.csv": "the column `fold` of `clips.csv`, no artist in two folds",
    "artist": "made by artist, no known artist in two folds",
    "split": "a split file, told below",
    "file": "made by file, artists unknown: **the figures below may be far too good**",
}
