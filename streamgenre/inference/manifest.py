"""Model folders on disk: ``model.onnx``, ``manifest.json`` and a model card ``README.md``.

The manifest says what the weights file expects and how it was made. It is checked against its JSON
Schema, and the weights against their SHA-256, before anything is loaded. A model folder may come
from anybody, so sizes are checked before memory is taken.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from streamgenre.audio.mfcc import MfccSpec
from streamgenre.errors import ModelError
from streamgenre.inference.files import MAX_WEIGHTS_BYTES, read_bounded, sha256_of
from streamgenre.inference.genre_names import check_genres
from streamgenre.inference.manifest_json import check_schema, read_json, shortly
from streamgenre.inference.model_names import shipped_folder

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_VERSION: Final = 1
FRAMES: Final = "frames"
"""Name of the graph's input of frames."""
LOGITS: Final = "logits"
"""Name of the output of genres."""
SPEECH: Final = "speech"
"""Name of the output of speech without music."""
MUSIC: Final = "music"
"""Name of the output of music, of any kind."""
KNOWN: Final = "known"
"""Name of the output of music that is like one of the genres."""
TAGS: Final = "tags"
"""Name of the output of tags."""
EMBEDDING: Final = "embedding"
"""Name of the output of what the linear layer of the genres takes."""
HEAD_FILE: Final = "head.f32"
"""Name of the file with the head of a taught model."""
_MAX_ELEMENTS: Final = 1_000_000
"""Most numbers in a window, in all states together, and in the matrix of mel filters."""
MAX_HEAD_NUMBERS: Final = 4_000_000
"""Most numbers in the head of a taught model: a thousand genres on the shipped models take half."""
_MAX_SAMPLES_A_SECOND: Final = 4_000_000
"""Most samples that the Fourier transforms of one second of audio may take."""


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
    step_frames: int
    """Stateful: a call takes a multiple of so many frames."""
    temperature: float
    """Calibration: probabilities are softmax(logits / temperature)."""
    speech_temperature: float | None
    """Calibration of the speech output: sigmoid(logit / this); None without that output."""
    music_temperature: float | None
    """Calibration of the music output: sigmoid(logit / this); None without that output."""
    known_temperature: float | None
    """Calibration of the known output: sigmoid(logit / this); None without that output."""
    tags: tuple[str, ...]
    """Tags in the order of the tags output; empty without that output."""
    tags_temperature: float
    """Calibration of the tags output: sigmoid(logit / this)."""
    embedding_width: int
    """Columns of the embedding; 0 without that output."""
    graph_labels: int
    """Columns of the graph's logits: of a taught model, those of the model it was taught on."""
    graph_sha256: str
    """SHA-256 of model.onnx, hexadecimal."""
    head_sha256: str | None
    """SHA-256 of the head of a taught model, hexadecimal; None for another model."""
    sha256: str
    """What tells models apart, hexadecimal: the SHA-256 of model.onnx; of a taught model, that of
    graph, head, labels and temperature together."""
    raw: dict[str, Any]
    """The whole manifest as read."""

    @property
    def outputs(self) -> dict[str, int]:
        """The graph's outputs other than states, with the number of their columns, in order."""
        found = {LOGITS: self.graph_labels}
        if self.embedding_width:
            found[EMBEDDING] = self.embedding_width
        if self.speech_temperature is not None:
            found[SPEECH] = 1
        if self.music_temperature is not None:
            found[MUSIC] = 1
        if self.known_temperature is not None:
            found[KNOWN] = 1
        if self.tags:
            found[TAGS] = len(self.tags)
        return found

    @property
    def weights(self) -> Path:
        """Path of the weights file."""
        return self.folder / "model.onnx"


def read_manifest(folder: Path) -> Manifest:
    """Read and check a model folder's manifest and the hash of its weights.

    Raises
    ------
    ModelError
        Naming the file and what is wrong with it.
    """
    manifest = parse_manifest(folder)
    check_hash(manifest)
    return manifest


def parse_manifest(folder: Path) -> Manifest:
    """Read and check a model folder's manifest; the weights are not looked at.

    Raises
    ------
    ModelError
        Naming the file and what is wrong with it.
    """
    return manifest_from(folder, read_json(folder / "manifest.json"))


def manifest_from(folder: Path, data: dict[str, Any]) -> Manifest:
    """Return a manifest, given its JSON object.

    Parameters
    ----------
    folder
        The model folder.
    data
        The JSON object in its ``manifest.json``.

    Raises
    ------
    ModelError
        Naming the file and what is wrong with it.
    """
    path = folder / "manifest.json"
    version = data.get("manifest_version")
    if version != MANIFEST_VERSION or isinstance(version, bool):
        raise ModelError(
            f"{path}: manifest version {shortly(version)}, but this streamgenre reads version "
            f"{MANIFEST_VERSION}; update streamgenre or export the model again"
        )
    # Compiling the schema takes 10 MB; a test checks the shipped manifests.
    if folder.parent != shipped_folder():
        check_schema(path, data)
    try:
        return _manifest(folder, data)
    except (AttributeError, KeyError, TypeError):
        check_schema(path, data)  # a shipped one is damaged: say where
        raise


def _manifest(folder: Path, data: dict[str, Any]) -> Manifest:
    path = folder / "manifest.json"
    try:
        features = MfccSpec(**data["features"])
        temperature = float(data["calibration"]["temperature"])
        temperatures = {name: _temperature(data.get(name)) for name in (SPEECH, MUSIC, KNOWN, TAGS)}
    except (ValueError, OverflowError) as error:
        raise ModelError(f"{path}: features or calibration: {error}") from error
    manifest = Manifest(
        folder=folder,
        name=data["name"],
        kind=data["kind"],
        labels=tuple(data["labels"]),
        features=features,
        window_frames=data["window_frames"] if data["kind"] == "windowed" else 0,
        states=tuple(
            StateTensor(s["input"], s["output"], tuple(s["shape"]))
            for s in (data["states"] if data["kind"] == "stateful" else ())
        ),
        step_frames=data.get("step_frames", 1) if data["kind"] == "stateful" else 1,
        temperature=temperature,
        speech_temperature=temperatures["speech"],
        music_temperature=temperatures["music"],
        known_temperature=temperatures["known"],
        tags=tuple(data["tags"]["labels"] if "tags" in data else ()),
        tags_temperature=temperatures["tags"] or 1.0,
        embedding_width=data["embedding"]["width"] if "embedding" in data else 0,
        graph_labels=data["head"]["graph_labels"] if "head" in data else len(data["labels"]),
        graph_sha256=data["sha256"]["model.onnx"],
        head_sha256=data["sha256"].get(HEAD_FILE) if "head" in data else None,
        sha256=_identity(data),
        raw=data,
    )
    if problem := _problem_of(manifest):
        raise ModelError(f"{path}: {problem}")
    return manifest


def _identity(data: dict[str, Any]) -> str:
    graph: str = data["sha256"]["model.onnx"]
    if "head" not in data:
        return graph
    parts = [graph, data["sha256"].get(HEAD_FILE), data["labels"], data["calibration"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _temperature(output: dict[str, Any] | None) -> float | None:
    return None if output is None else float(output["temperature"])


def _problem_of(manifest: Manifest) -> str:
    """Return what exceeds the limits in a manifest that fits its schema, else ""."""
    features = manifest.features
    texts = (manifest.name, *manifest.labels, *manifest.tags)
    if odd := next((text for text in texts if not text.isprintable() or text != text.strip()), ""):
        # They are shown in terminals and are parts of topics and file names.
        return f"name, label or tag {odd!a}: expected printable text without spaces at the ends"
    bins = features.nfft // 2 + 1
    states = sum(math.prod(state.shape) for state in manifest.states)
    names = [state.input for state in manifest.states], [state.output for state in manifest.states]
    for too_much, what in (
        (manifest.window_frames * features.numcep > _MAX_ELEMENTS, "window_frames times numcep"),
        (states > _MAX_ELEMENTS, "the states' sizes together"),
        (features.nfilt * bins > _MAX_ELEMENTS, "nfilt times nfft/2"),
    ):
        if too_much:
            return f"{what}: expected up to {_MAX_ELEMENTS} numbers"
    if problem := _problem_of_head(manifest):
        return problem
    if features.frame_rate * features.nfft > _MAX_SAMPLES_A_SECOND:
        return (
            f"nfft {features.nfft} every {features.winstep} s: expected up to "
            f"{_MAX_SAMPLES_A_SECOND} samples in the transforms of a second"
        )
    if any(len(set(each)) != len(each) for each in names):
        return "states: each input and output must be named once"
    return ""


def _problem_of_head(manifest: Manifest) -> str:
    if "head" not in manifest.raw:
        return ""
    if manifest.head_sha256 is None:
        return f"sha256: {HEAD_FILE} is missing; the model has a head, so the file's hash is needed"
    try:
        check_genres(manifest.labels)
    except ModelError as error:
        return str(error)
    width = manifest.embedding_width
    if not width:
        return "a head needs the graph's embedding: the manifest names none"
    if manifest.raw["head"]["width"] != width:
        return f"the head takes {manifest.raw['head']['width']} numbers, the embedding has {width}"
    if width * (len(manifest.labels) + 2) > MAX_HEAD_NUMBERS:
        return f"head: expected up to {MAX_HEAD_NUMBERS} numbers; teach fewer genres"
    return ""


def check_hash(manifest: Manifest) -> None:
    """Check the SHA-256 of a model's weights file.

    Raises
    ------
    ModelError
        If it is another one, or the file cannot be read.
    """
    _compare(manifest, sha256_of(manifest.weights))


def read_weights(manifest: Manifest) -> bytes:
    """Return the content of a model's weights file after checking the SHA-256 of these bytes.

    Raises
    ------
    ModelError
        If it is another one, or the file cannot be read.
    """
    weights = read_bounded(manifest.weights, MAX_WEIGHTS_BYTES, "a model")
    _compare(manifest, hashlib.sha256(weights).hexdigest())
    return weights


def _compare(manifest: Manifest, found: str) -> None:
    if found != manifest.graph_sha256:
        raise ModelError(
            f"{manifest.weights}: SHA-256 is {found[:12]}…, the manifest says "
            f"{manifest.graph_sha256[:12]}…; the file is damaged or was exchanged: install it again"
        )
