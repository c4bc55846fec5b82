"""An ancestor as a model folder that ``listen --model`` runs."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import MANIFEST_VERSION
from streamgenre.inference.models import load_model
from train import model_folder
from train.ancestors import ancestor_graph
from train.ancestors.clip_windows import SEED

if TYPE_CHECKING:
    from pathlib import Path

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import Heard, Windows
    from train.ancestors.train_ancestor import Trained

_CHECKED: Final = 6
"""Windows on which graph and Keras are compared."""


def write(
    out: Path,
    ancestor: Ancestor,
    trained: Trained,
    heard: Heard,
    windows: Windows,
    temperature: float | None,
) -> None:
    """Export a trained ancestor into a model folder, replacing what is there.

    Raises
    ------
    TrainError
        If the graph differs from what was trained, or the folder cannot be written.
    """
    weights = _graph(ancestor, trained, heard, windows)
    manifest = _manifest(ancestor, trained, heard, windows, weights, temperature)
    with model_folder.new_folder(out, replace=True) as folder:
        model_folder.write_folder(folder, manifest, weights)
        (folder / "README.md").write_text(_card(ancestor, manifest), "utf-8")
        load_model(str(folder))


def calibrate(out: Path, ancestor: Ancestor, temperature: float) -> None:
    """Write the temperature, once it is known, into a model folder that is there already."""
    path = out / "manifest.json"
    if not path.is_file():
        return
    manifest = json.loads(path.read_text("utf-8"))
    manifest["calibration"] = {"temperature": temperature, "fitted": True}
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (out / "README.md").write_text(_card(ancestor, manifest), "utf-8")


def _graph(ancestor: Ancestor, trained: Trained, heard: Heard, windows: Windows) -> bytes:
    length = ancestor.window_frames
    some = heard.frames[:: max(1, len(heard.frames) // _CHECKED)][:_CHECKED]
    frames = np.stack([of_clip[-length:] for of_clip in some])
    if trained.nearest is not None:
        return ancestor_graph.checked(trained.nearest.graph(length), trained.predict, frames)
    front = ancestor.front(ancestor.spec) if ancestor.front else np.asarray

    def predict(x: Any) -> Any:
        return trained.predict(np.asarray(front(x)))

    assert trained.assembly is not None
    return ancestor_graph.export(ancestor, trained.assembly, predict, frames, len(windows.labels))


def _manifest(
    ancestor: Ancestor,
    trained: Trained,
    heard: Heard,
    windows: Windows,
    weights: bytes,
    temperature: float | None,
) -> dict[str, Any]:
    packages = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy", "soxr", "av")
    return {
        "manifest_version": MANIFEST_VERSION,
        "name": ancestor.name,
        "kind": "windowed",
        "labels": list(windows.labels),
        "features": asdict(ancestor.spec),
        "window_frames": ancestor.window_frames,
        "calibration": {"temperature": temperature or 1.0, "fitted": temperature is not None},
        "sha256": {"model.onnx": hashlib.sha256(weights).hexdigest()},
        "training": {
            "command": f"python -m train reproduce --corpus DIR --only {ancestor.name}",
            "recipe": ancestor.name,
            "seed": SEED,
            "settings": asdict(ancestor.protocol),
            "parameters": trained.parameters,
            "epochs": trained.epochs,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "corpus": {"clips": len(windows.clips), "sha256": heard.sha256},
            "versions": {"python": platform.python_version()}
            | {name: metadata.version(name) for name in packages},
        },
    }


def _card(ancestor: Ancestor, manifest: dict[str, Any]) -> str:
    training, spec = manifest["training"], ancestor.spec
    calibrated = (
        f"fitted on held-out artist folds ({manifest['calibration']['temperature']})"
        if manifest["calibration"]["fitted"]
        else "none: the probabilities are not calibrated"
    )
    lines = [
        f"# {ancestor.name}\n",
        f"{ancestor.what}: trained as its authors did, for comparison. It has heard the artists "
        "that it is tested on by their protocol; take another model to listen with.\n",
        f"- **Labels:** {', '.join(manifest['labels'])}",
        f"- **Input:** the last {ancestor.window_frames / spec.frame_rate:.1f} s, "
        f"{spec.numcep} cepstra of {spec.nfilt} filters at {spec.samplerate} Hz; what is made of "
        "them is in the graph",
        f"- **Parameters:** {training['parameters']:,}; {training['epochs']} epochs",
        f"- **Temperature:** {calibrated}",
        f"- **Trained on:** {training['corpus']['clips']} clips, less those for test and "
        f"validation (SHA-256 over the sorted file hashes: `{training['corpus']['sha256']}`)",
        *(f"- **Adapted:** {text}" for text in ancestor.adapted),
        *(f"- **Assumed:** {text}" for text in ancestor.assumed),
        f"\n```\n{training['command']}\n```",
    ]
    return "\n".join(lines) + "\n"
