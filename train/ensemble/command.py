"""``train ensemble``: average model folders into one."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import shlex
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.features import MfccStream
from streamgenre.manifest import MANIFEST_VERSION, find_model, read_manifest
from streamgenre.models import SPEECH, load_model
from train import card
from train.ensemble import graph
from train.errors import TrainError
from train.export import NEXT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from streamgenre.manifest import Manifest
    from train.progress import Progress
    from train.recipes.base import State

DESCRIPTION: Final = """\
Average the calibrated probabilities of several models and write that as a model folder
of its own: one graph with all members in it, run at one go. The members must have the
same labels and the same feature settings. Nothing is trained; it is checked that the
folder gives the mean of its members before it is written.

example:
  python -m train ensemble lstm cnn --out /tmp/both
"""

TOLERANCE: Final = 1e-5
"""Largest difference of a probability from the members' mean that is let pass."""
_SECONDS: Final = 12


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "ensemble",
        parents=[output],
        help="average model folders into one",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="model folder, or name of a shipped model"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="model folder to write"
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the model folder if it is there"
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Carry the command out."""
    folders = [find_model(name) for name in options.models]
    if len(folders) < 2:
        raise TrainError(f"an ensemble needs at least two models, not {len(folders)}")
    card.check_out(options.out, replace=options.replace)
    members = [read_manifest(folder) for folder in folders]
    names = [member.name for member in members]
    telling = [member.name for member in members if member.speech_temperature]
    if telling and not graph.speaks(members):
        progress.note(f"only {', '.join(telling)} can tell speech; the ensemble will not")
    command = shlex.join(["ensemble", *names, "--out", f"models/{options.out.name}"])
    manifest, difference = average(
        members, options.out, f"python -m train {command}", replace=options.replace
    )
    if options.json:
        print(json.dumps(manifest, indent=2, ensure_ascii=False))
    else:
        print(f"{options.out}: {' + '.join(names)}, {difference:.1e} from the mean of these")


def average(
    members: Sequence[Manifest], out: Path, command: str, *, replace: bool = False
) -> tuple[dict[str, Any], float]:
    """Write the ensemble of models as a model folder.

    Returns
    -------
    The manifest, and the largest difference of a probability from the members' mean.

    Raises
    ------
    TrainError
        If the members do not fit together, or the graph does not give their mean.
    """
    graph.fits(members)
    model, states = graph.merged(members)
    weights = model.SerializeToString()
    manifest = _manifest(out.name, members, states, weights, command)
    with card.new_folder(out, replace=replace) as folder:
        card.write_folder(folder, manifest, weights)
        (folder / "README.md").write_text(_card(manifest), "utf-8")
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
    return manifest, difference


def _difference(members: Sequence[Manifest], folder: Path) -> float:
    """Run ensemble and members over noise as two stations, one of them younger."""
    spec = members[0].features
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=_SECONDS * spec.samplerate)).astype(np.float32)
    samples *= np.repeat(rng.uniform(0.05, 1, 4 * _SECONDS), spec.samplerate // 4)[: len(samples)]
    stream = MfccStream(spec)
    cuts = np.arange(1, _SECONDS) * spec.samplerate
    hops = [np.asarray(stream.push(part), np.float32) for part in np.split(samples, cuts)]
    together, alone = load_model(str(folder)), [load_model(str(m.folder)) for m in members]
    worst = 0.0
    for number, hop in enumerate(hops):
        if not len(hop):
            continue
        stations = ["old"] if number < _SECONDS // 2 else ["old", "young"]
        frames = [hop] * len(stations)
        said = together.update(stations, frames)
        each = [(model, model.update(stations, frames)) for model in alone]
        mean = np.mean([model.probabilities(output) for model, output in each], axis=0)
        worst = max(worst, float(np.abs(together.probabilities(said) - mean).max()))
        if (speech := together.speech(said)) is not None:
            mean = np.mean([model.speech(output) for model, output in each], axis=0)
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
    windowed = graph.is_windowed(members)
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "name": name,
        "kind": "windowed" if windowed else "stateful",
        "labels": list(first.labels),
        "features": asdict(first.features),
        "calibration": {"temperature": 1.0},
        "sha256": {"model.onnx": hashlib.sha256(weights).hexdigest()},
        "training": {
            "command": command,
            "recipe": "ensemble",
            "seed": 0,
            "members": [
                {
                    "name": member.name,
                    "sha256": member.sha256,
                    "temperature": member.temperature,
                    "training": member.raw["training"],
                }
                for member in members
            ],
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": {"python": platform.python_version(), "onnx": metadata.version("onnx")},
        },
    }
    if windowed:
        manifest["window_frames"] = first.window_frames
    else:
        manifest["states"] = [
            {"input": s.name, "output": s.name + NEXT, "shape": list(s.shape)} for s in states
        ]
    if graph.speaks(members):
        manifest[SPEECH] = {"temperature": 1.0}
    steps = [member.raw["steps"] for member in members if "steps" in member.raw]
    if steps:
        manifest["steps"] = "; ".join(dict.fromkeys(steps))
    return manifest


def _card(manifest: dict[str, Any]) -> str:
    members = manifest["training"]["members"]
    rows = [
        f"| {m['name']} | `{m['sha256'][:16]}…` | {m['temperature']} | "
        f"`{m['training']['command']}` |"
        for m in members
    ]
    lines = [
        f"# {manifest['name']}\n",
        "An ensemble: the mean of the calibrated probabilities of its members, in one graph. What "
        "its members owe to others and what they were trained on is in their own cards.\n",
        f"- **Labels:** {', '.join(manifest['labels'])}",
        f"- **Kind:** {manifest['kind']}",
        "- **Output:** logits; their softmax is the mean\n",
        "| member | SHA-256 of its graph | temperature | made by |",
        "|---|---|---|---|",
        *rows,
        "\nNot measured: take `python -m train evaluate` and music by artists that no member was "
        "trained on.\n",
        f"```\n{manifest['training']['command']}\n```",
    ]
    if "steps" in manifest:
        lines.insert(-1, f"One call: {manifest['steps']}.\n")
    return "\n".join(lines) + "\n"
