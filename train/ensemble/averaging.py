"""Writing the mean of several models as a model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.errors import ModelError
from streamgenre.inference.models import load_model
from train import model_folder
from train.ensemble import merged_graph
from train.errors import TrainError
from train.manifest_writer import manifest_of, training_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streamgenre.inference.manifest import Manifest
    from train.recipes.recipe import State

TOLERANCE: Final = 1e-5
"""Largest difference of a probability from the members' mean that is accepted."""
_SECONDS: Final = 12


def average(
    members: Sequence[Manifest],
    out: Path,
    command: str,
    *,
    name: str | None = None,
    replace: bool = False,
    more: Mapping[str, Any] | None = None,
    with_card: bool = True,
) -> tuple[dict[str, Any], float]:
    """Write the ensemble of models as a model folder.

    Parameters
    ----------
    members
        The models.
    out
        The folder.
    command
        The command line for the record.
    name
        The ensemble's name, if it is not the folder's.
    replace
        Whether a model folder may be replaced.
    more
        Further manifest entries: ``evaluation``, ``calibration``, and entries of ``training``.
    with_card
        Whether to also write the model card.

    Returns
    -------
    The manifest, and the largest difference of a probability from the members' mean.

    Raises
    ------
    TrainError
        If the members are not compatible, or the graph does not return their mean.
    """
    merged_graph.check_compatible(members)
    model, states = merged_graph.merged(members)
    weights = model.SerializeToString()
    manifest = _manifest(name or out.name, members, states, weights, command)
    with model_folder.new_folder(out, replace=replace) as folder:
        model_folder.write_folder(folder, manifest, weights)
        try:
            difference = _difference(members, folder)
        except ModelError as error:
            raise TrainError(f"the ensemble cannot be run: {error}") from error
        # "not <=" so that NaN is refused too.
        if not difference <= TOLERANCE:
            raise TrainError(
                f"the ensemble differs from the mean of its members by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}; nothing was written"
            )
        added = dict(more or {})
        manifest["training"] |= added.pop("training", {})
        manifest |= added
        model_folder.write_folder(folder, manifest, weights, with_card=with_card)
    return manifest, difference


def _difference(members: Sequence[Manifest], folder: Path) -> float:
    """Run ensemble and members over noise as two stations, one started later."""
    spec = members[0].features
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=_SECONDS * spec.samplerate)).astype(np.float32)
    samples *= np.repeat(rng.uniform(0.05, 1, 4 * _SECONDS), spec.samplerate // 4)[: len(samples)]
    stream = MfccStream(spec)
    cuts = np.arange(1, _SECONDS) * spec.samplerate
    hops = [np.asarray(stream.push(part), np.float32) for part in np.split(samples, cuts)]
    together, alone = (
        load_model(str(folder), trusted=True),
        [load_model(str(m.folder), trusted=True) for m in members],
    )
    worst = 0.0
    for number, hop in enumerate(hops):
        if not len(hop):
            continue
        stations = ["old"] if number < _SECONDS // 2 else ["old", "young"]
        frames = [hop] * len(stations)
        output_of_all = together.update(stations, frames)
        each = [(model, model.update(stations, frames)) for model in alone]
        mean = np.mean([model.probabilities(output) for model, output in each], axis=0)
        worst = max(worst, float(np.abs(together.probabilities(output_of_all) - mean).max()))
        if (speech := together.speech(output_of_all)) is not None:
            spoken = [model.speech(output) for model, output in each]
            mean = np.mean([p for p in spoken if p is not None], axis=0)
            worst = max(worst, float(np.abs(speech - mean).max()))
    return worst


def _manifest(
    name: str,
    members: Sequence[Manifest],
    states: Sequence[State],
    weights: bytes,
    command: str,
) -> dict[str, Any]:
    first = members[0]
    steps = [member.raw["steps"] for member in members if "steps" in member.raw]
    return manifest_of(
        name=name,
        kind="windowed" if merged_graph.is_windowed(members) else "stateful",
        labels=first.labels,
        spec=first.features,
        weights=weights,
        training=training_record(
            command=command,
            recipe="ensemble",
            description="the mean of the calibrated probabilities of its members, in one graph",
            seed=0,
            packages=("onnx",),
            details={
                "members": [
                    {
                        "name": member.name,
                        "sha256": member.sha256,
                        "temperature": member.temperature,
                        "training": member.raw["training"],
                    }
                    for member in members
                ]
            },
        ),
        calibration={"temperature": 1.0},
        speech_temperature=1.0 if merged_graph.speech_members(members) else None,
        window_frames=first.window_frames,
        states=states,
        steps="; ".join(dict.fromkeys(steps)),
    )
