"""Model folders on disk: ``model.onnx``, ``manifest.json`` and a model card ``README.md``.

The manifest says what the weights file expects and how it was made. It is checked against its JSON
Schema and the weights against their SHA-256 before anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from streamgenre.audio.mfcc import MfccSpec
from streamgenre.errors import ModelError, nearest
from streamgenre.paths import expand

MANIFEST_VERSION: Final = 1
_MAX_MANIFEST_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class StateTensor:
    """One state tensor of a stateful model."""

    input: str
    """Name of the graph's input that takes the state."""
    output: str
    """Name of the graph's output that gives the next state."""
    shape: tuple[int, ...]
    """Shape without the batch axis."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Manifest of a model folder."""

    folder: Path
    """Path of the model folder."""
    name: str
    """Name of the model."""
    kind: Literal["stateful", "windowed"]
    """How the model takes its frames."""
    labels: tuple[str, ...]
    """Genres in the order of the logits."""
    features: MfccSpec
    """MFCC parameters of this model."""
    window_frames: int
    """Windowed: number of frames that the model looks at; 0 for a stateful model."""
    states: tuple[StateTensor, ...]
    """Stateful: state tensors; empty for a windowed model."""
    temperature: float
    """Calibration: probabilities are softmax(logits / temperature)."""
    speech_temperature: float | None
    """Calibration of the speech output: sigmoid(logit / this); None without that output."""
    sha256: str
    """SHA-256 of model.onnx, hexadecimal."""
    raw: dict[str, Any]
    """The whole manifest as read."""

    @property
    def weights(self) -> Path:
        """Path of the weights file."""
        return self.folder / "model.onnx"


def shipped_folder() -> Path:
    """Return the folder that holds the model folders shipped with streamgenre."""
    packaged = Path(str(resources.files("streamgenre"))) / "model_folders"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "models"


def shipped_models() -> list[str]:
    """Return the names of the shipped models."""
    return sorted(path.parent.name for path in shipped_folder().glob("*/manifest.json"))


def find_model(name_or_folder: str) -> Path:
    """Return the folder of a model, given the name of a shipped model or a path."""
    if name_or_folder in shipped_models():
        return shipped_folder() / name_or_folder
    try:
        folder = expand(name_or_folder)
        if (folder / "manifest.json").is_file():
            return folder
        there = folder.is_dir()
    except (OSError, RuntimeError) as error:  # no access, too long a name, no such user's home
        raise ModelError(f"no model {name_or_folder!r}: cannot look there: {error}") from error
    if there:
        raise ModelError(
            f"no model in {folder}: a model folder holds manifest.json and model.onnx; "
            "`python -m train fit` writes one"
        )
    names = shipped_models()
    raise ModelError(
        f"no model {name_or_folder!r}: shipped are {', '.join(names) or 'none'}; "
        f"or give the path of a model folder{nearest(name_or_folder, names)}"
    )


def read_manifest(folder: Path) -> Manifest:
    """Read and check a model folder's manifest and the hash of its weights.

    Raises
    ------
    ModelError
        Naming the file and what is wrong with it.
    """
    path = folder / "manifest.json"
    data = _read_json(path)
    version = data.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise ModelError(
            f"{path}: manifest version {version!r}, but this streamgenre reads version "
            f"{MANIFEST_VERSION}; update streamgenre or export the model again"
        )
    _check_schema(path, data)
    try:
        features = MfccSpec(**data["features"])
        temperature = float(data["calibration"]["temperature"])
        speech = data.get("speech")
    except (ValueError, OverflowError) as error:
        raise ModelError(f"{path}: features or calibration: {error}") from error
    manifest = Manifest(
        folder=folder,
        name=data["name"],
        kind=data["kind"],
        labels=tuple(data["labels"]),
        features=features,
        window_frames=data.get("window_frames", 0),
        states=tuple(
            StateTensor(s["input"], s["output"], tuple(s["shape"])) for s in data.get("states", ())
        ),
        temperature=temperature,
        speech_temperature=float(speech["temperature"]) if speech else None,
        sha256=data["sha256"]["model.onnx"],
        raw=data,
    )
    _check_hash(manifest)
    return manifest


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ModelError(f"{path}: larger than {_MAX_MANIFEST_BYTES} bytes; not a manifest")
        data = json.loads(path.read_text("utf-8"), parse_float=_number, parse_constant=_number)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; is it a model folder?") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data


def _number(text: str) -> float:
    """Parse a finite number; 16000.0 becomes an int, as JSON Schema allows for integers."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return int(value) if value.is_integer() else value


def _check_schema(path: Path, data: dict[str, Any]) -> None:
    import fastjsonschema

    schema = json.loads(
        (resources.files("streamgenre") / "schemas" / "manifest.json").read_text("utf-8")
    )
    try:
        fastjsonschema.validate(schema, data)
    except fastjsonschema.JsonSchemaValueException as error:
        message = error.message.removeprefix("data.").removeprefix("data ")
        raise ModelError(f"{path}: {message}") from error


def _check_hash(manifest: Manifest) -> None:
    try:
        with manifest.weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{manifest.weights}: {error.strerror}; the folder is not whole"
        ) from error
    if found != manifest.sha256:
        raise ModelError(
            f"{manifest.weights}: SHA-256 is {found[:12]}…, the manifest says "
            f"{manifest.sha256[:12]}…; the file is damaged or was exchanged: install it again"
        )
