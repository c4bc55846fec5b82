"""The teachers: what MSD_musicnn and YAMNet say of three seconds of clean sound.

Nothing of YAMNet is shipped: its scores tell a student where music, speech and noise are.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES
from train.augmentation.room_acoustics import RATE
from train.corpora.recordings import frames_of
from train.errors import TrainError
from train.trunk import mel_adapter
from train.trunk.heads import embedding
from train.trunk.musicnn import FRAMES as WINDOW
from train.trunk.onnx_graph import embedding_graph, states_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

EMBEDDING: Final = 1756
"""MSD_musicnn's pooled features (1506), units (200) and tags (50)."""
CLASSES: Final = 521
"""YAMNet's classes."""
WINDOWS: Final = 2
"""Windows of three seconds in an excerpt."""
TAGS: Final = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
    *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists"),
    *("classic rock", "soul", "indie rock", "mellow", "electronica", "80s", "folk", "90s"),
    *("chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic"),
    *("experimental", "female vocalist", "guitar", "hip-hop", "70s", "party", "country"),
    *("easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "progressive rock"),
    *("60s", "rnb", "indie pop", "sad", "house", "happy"),
)
"""MSD_musicnn's tags, in the order of its outputs."""
_WINDOW_S: Final = 3.0
_YAMNET: Final = 15_600


class Musicnn:
    """MSD_musicnn over the windows of excerpts.

    Parameters
    ----------
    weights
        Its weights.
    threads
        Threads of onnxruntime.
    """

    def __init__(self, weights: Weights, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._weights = weights
        self._session = onnxruntime.InferenceSession(
            embedding_graph([weights]).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, samples: Floats) -> Floats:
        """Return the embeddings of an excerpt's windows, shape ``(2, 1756)``."""
        frames = np.stack([frames_of(part, mel_adapter.SPEC)[:WINDOW] for part in windows(samples)])
        fresh = {
            s.name: np.zeros((len(frames), *s.shape), np.float32) for s in states_of(self._weights)
        }
        (pooled,) = self._session.run(["pooled"], {FRAMES: frames, **fresh})
        return embedding(self._weights, pooled[:, 0])


class Yamnet:
    """YAMNet as a TFLite file, over the windows of excerpts.

    Parameters
    ----------
    path
        The file: 15,600 samples in, 521 scores out.

    Raises
    ------
    TrainError
        If the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise TrainError(
                "YAMNet needs the package ai-edge-litert: pip install ai-edge-litert"
            ) from error
        try:
            self._net: Any = Interpreter(str(path), num_threads=1)
            self._net.allocate_tensors()
            self._input = self._net.get_input_details()[0]
            self._output = self._net.get_output_details()[0]
        except (OSError, ValueError, RuntimeError) as error:
            raise TrainError(f"{path}: cannot be used as YAMNet: {error}") from error
        if list(self._input["shape"]) not in ([_YAMNET], [1, _YAMNET]):
            raise TrainError(f"{path}: takes {self._input['shape']}, expected {_YAMNET} samples")

    def __call__(self, samples: Floats) -> Floats:
        """Return the mean scores in an excerpt's windows, shape ``(2, 521)``."""
        return np.stack(
            [
                np.mean([self.scores(part[at * RATE :]) for at in range(3)], axis=0)
                for part in windows(samples)
            ]
        )

    def scores(self, samples: Floats) -> Floats:
        """Return the scores of the first 0.975 s, shape ``(521,)``."""
        piece = samples[:_YAMNET].reshape(self._input["shape"]).astype(np.float32)
        self._net.set_tensor(self._input["index"], piece)
        self._net.invoke()
        found: Floats = self._net.get_tensor(self._output["index"]).reshape(-1)
        return found


def windows(samples: Floats) -> list[Floats]:
    """Return the windows of an excerpt, 187 frames of MSD_musicnn each."""
    length = round((mel_adapter.SPEC.winlen + (WINDOW - 1) * mel_adapter.SPEC.winstep) * RATE)
    step = round(_WINDOW_S * RATE)
    return [samples[at * step : at * step + length] for at in range(WINDOWS)]


def class_names(path: Path) -> tuple[str, ...]:
    """Return YAMNet's classes from its class map.

    Raises
    ------
    TrainError
        If the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names = tuple(row["display_name"] for row in csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise TrainError(f"{path}: no class map of YAMNet: {error}") from error
    if len(names) != CLASSES:
        raise TrainError(f"{path}: names {len(names)} classes, expected {CLASSES}")
    return names
