"""An ancestor as a model folder that ``listen --model`` runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.models import load_model
from train import model_folder
from train.ancestors import ancestor_graph
from train.ancestors.clip_windows import SEED
from train.manifest_writer import manifest_of, training_record

if TYPE_CHECKING:
    from pathlib import Path

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import FullClips, Windows
    from train.ancestors.train_ancestor import Trained

_CHECKED: Final = 6
"""Number of windows on which graph and Keras are compared."""


def write(
    out: Path,
    ancestor: Ancestor,
    trained: Trained,
    full: FullClips,
    windows: Windows,
    temperature: float | None,
) -> None:
    """Export a trained ancestor into a model folder, replacing an existing one.

    Parameters
    ----------
    out
        The model folder.
    ancestor
        The ancestor.
    trained
        The trained classifier.
    full
        The full clips.
    windows
        The windows it was trained on.
    temperature
        Calibration temperature, above 0; None if it was not fitted yet.

    Raises
    ------
    TrainError
        If the graph differs from the trained network, or the folder cannot be written.
    """
    weights = _graph(ancestor, trained, full, windows)
    manifest = _manifest(ancestor, trained, full, windows, weights, temperature)
    with model_folder.new_folder(out, replace=True) as folder:
        model_folder.write_folder(folder, manifest, weights)
        (folder / "README.md").write_text(_card(ancestor, manifest), "utf-8")
        load_model(str(folder), trusted=True)


def calibrate(out: Path, ancestor: Ancestor, temperature: float) -> None:
    """Write the temperature into a model folder, if there is one.

    Parameters
    ----------
    out
        The model folder.
    ancestor
        The ancestor.
    temperature
        Calibration temperature, above 0; None if it was not fitted yet.
    """
    if not (out / model_folder.MANIFEST).is_file():
        return
    manifest = model_folder.read_manifest(out)
    manifest["calibration"] = {"temperature": temperature, "fitted": True}
    model_folder.write_manifest(out, manifest)
    model_folder.write_text(out / "README.md", _card(ancestor, manifest))


def _graph(ancestor: Ancestor, trained: Trained, full: FullClips, windows: Windows) -> bytes:
    length = ancestor.window_frames
    some = full.frames[:: max(1, len(full.frames) // _CHECKED)][:_CHECKED]
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
    full: FullClips,
    windows: Windows,
    weights: bytes,
    temperature: float | None,
) -> dict[str, Any]:
    return manifest_of(
        name=ancestor.name,
        kind="windowed",
        labels=windows.labels,
        spec=ancestor.spec,
        weights=weights,
        training=training_record(
            command=f"python -m train reproduce --corpus DIR --only {ancestor.name}",
            recipe=ancestor.name,
            seed=SEED,
            packages=(
                "keras",
                "tensorflow",
                "tf2onnx",
                "onnx",
                "onnxruntime",
                "numpy",
                "soxr",
                "av",
            ),
            corpus={"clips": len(windows.clips), "sha256": full.sha256},
            details={
                "settings": asdict(ancestor.protocol),
                "parameters": trained.parameters,
                "epochs": trained.epochs,
            },
        ),
        calibration={"temperature": temperature or 1.0, "fitted": temperature is not None},
        window_frames=ancestor.window_frames,
    )


def _card(ancestor: Ancestor, manifest: dict[str, Any]) -> str:
    training, spec = manifest["training"], ancestor.spec
    calibrated = (
        f"fitted on held-out artist folds ({manifest['calibration']['temperature']})"
        if manifest["calibration"]["fitted"]
        else "none: the probabilities are not calibrated"
    )
    lines = [
        f"# {ancestor.name}\n",
        f"{ancestor.what}: trained as its authors did, for comparison. Under their protocol "
        "it is tested on artists it was trained on; use another model for listening.\n",
        f"- **Labels:** {', '.join(manifest['labels'])}",
        f"- **Input:** the last {ancestor.window_frames / spec.frame_rate:.1f} s, "
        f"{spec.numcep} cepstra of {spec.nfilt} filters at {spec.samplerate} Hz; the "
        "graph computes its input from them",
        f"- **Parameters:** {training['parameters']:,}; {training['epochs']} epochs",
        f"- **Temperature:** {calibrated}",
        f"- **Trained on:** {training['corpus']['clips']} clips, without those for test and "
        f"validation (SHA-256 of the sorted file hashes: `{training['corpus']['sha256']}`)",
        *(f"- **Adapted:** {text}" for text in ancestor.adapted),
        *(f"- **Assumed:** {text}" for text in ancestor.assumed),
        f"\n```\n{training['command']}\n```",
    ]
    return "\n".join(lines) + "\n"
