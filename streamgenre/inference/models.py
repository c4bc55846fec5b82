"""Genre models in onnxruntime: one interface for the stateful and the windowed kind.

A model takes the new frames of any number of stations at once (batch axis = stations) and returns
one row of logits per station. Each station's past is kept here by the station's name, so that hop
by hop gives the same as the whole stream at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.inference.decision import Answer
from streamgenre.inference.head import read_head
from streamgenre.inference.isolated import IsolatedSession
from streamgenre.inference.manifest import (
    EMBEDDING,
    FRAMES,
    KNOWN,
    LOGITS,
    MUSIC,
    SPEECH,
    TAGS,
    Manifest,
    check_hash,
    find_model,
    parse_manifest,
    read_weights,
    shipped_hashes,
)
from streamgenre.inference.session import open_graph
from streamgenre.inference.whole_steps import WholeSteps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

__all__ = [
    "EMBEDDING",
    "FRAMES",
    "KNOWN",
    "LOGITS",
    "MAX_ROWS",
    "MUSIC",
    "SPEECH",
    "TAGS",
    "Model",
    "Output",
    "StatefulModel",
    "WindowedModel",
    "load_model",
    "softmax",
]

MAX_ROWS: Final = 8
"""Stations in one run of a graph; more are taken in several. Eight bring all that a batch can bring
(``benchmarks/stations.py``); from 16 on, the tensors of the wide models are so large that the
allocator requests them from the system at every run, at twice the cost."""


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return probabilities over the last axis, computed in float64."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def _sigmoid(
    logits: NDArray[np.float32] | None, temperature: float | None
) -> NDArray[np.float64] | None:
    if logits is None or temperature is None:
        return None
    return softmax(np.stack([logits, np.zeros_like(logits)], axis=-1) / temperature)[..., 0]


@dataclass(frozen=True, slots=True)
class Output:
    """Uncalibrated output of a model for some stations."""

    logits: NDArray[np.float32]
    """Logits of the genres, shape ``(stations, labels)``."""
    speech: NDArray[np.float32] | None = None
    """Logits of speech without music, shape ``(stations,)``; None without that output."""
    music: NDArray[np.float32] | None = None
    """Logits of music, shape ``(stations,)``; None without that output."""
    known: NDArray[np.float32] | None = None
    """Logits of music that is like one of the genres, shape ``(stations,)``; None without that
    output."""
    tags: NDArray[np.float32] | None = None
    """Logits of the tags, shape ``(stations, tags)``; None without that output."""
    embedding: NDArray[np.float32] | None = None
    """Embeddings, shape ``(stations, width)``; None where they are not fetched."""

    def of(self, row: int) -> Output:
        """Return the output for one of the stations."""
        one: list[Any] = [None if each is None else each[row : row + 1] for each in self._all()]
        return Output(*one)

    @property
    def finite(self) -> bool:
        """Whether all are finite numbers."""
        return all(np.isfinite(each).all() for each in self._all() if each is not None)

    def _all(self) -> Sequence[Any]:
        return self.logits, self.speech, self.music, self.known, self.tags, self.embedding


class Model(ABC):
    """A loaded model; make one with :func:`load_model`.

    Parameters
    ----------
    manifest
        The model's manifest: labels, features, temperature and tensors.
    session
        ONNX Runtime session of its weights.
    """

    def __init__(self, manifest: Manifest, session: Any) -> None:
        self.manifest = manifest
        self._session = session
        self._head = read_head(manifest)
        self._fetch(with_embedding=self._head is not None)

    def _fetch(self, *, with_embedding: bool) -> None:
        """Choose the outputs that are fetched; with a head, none on the genres of the base."""
        left_out = {LOGITS, KNOWN} if self._head else set()
        if not with_embedding:
            left_out.add(EMBEDDING)
        outputs = self.manifest.outputs
        fetched = {name: width for name, width in outputs.items() if name not in left_out}
        self._columns = list(fetched)
        self._ends = np.cumsum(list(fetched.values()))

    def keep_embeddings(self) -> None:
        """Have each output contain the embedding, from which one's own genres are taught.

        Raises
        ------
        ModelError
            If the model has no embedding.
        """
        if not self.manifest.embedding_width:
            raise ModelError(
                f"{self.manifest.weights}: has no embedding to teach genres on; take a shipped "
                "model, or add the output with `python -m train add-embedding`"
            )
        self._fetch(with_embedding=True)

    @abstractmethod
    def update(self, stations: Sequence[str], frames: Sequence[Frames]) -> Output:
        """Take each station's new frames and return the output after the last of them.

        Parameters
        ----------
        stations
            Names, each at most once.
        frames
            One array per station, shape ``(n_new, numcep)``; ``n_new`` ≥ 1 may differ.

        Raises
        ------
        ValueError
            If stations and frames do not fit; then no station's past has changed.
        """

    @abstractmethod
    def reset(self, station: str) -> None:
        """Forget a station's past, as at its start."""

    def probabilities(self, output: Output) -> NDArray[np.float64]:
        """Return the calibrated probabilities of the genres, shape ``(stations, labels)``.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        if not output.finite:
            raise ModelError(
                f"{self.manifest.weights}: gives logits that are not numbers; its weights are "
                "damaged or it was badly trained: take another model"
            )
        return softmax(output.logits / self.manifest.temperature)

    def speech(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of speech without music, shape ``(stations,)``."""
        return _sigmoid(output.speech, self.manifest.speech_temperature)

    def music(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of music, shape ``(stations,)``."""
        return _sigmoid(output.music, self.manifest.music_temperature)

    def known(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of music like the genres, shape ``(stations,)``.

        None for a taught model: the graph speaks of the genres of its base.
        """
        return _sigmoid(output.known, self.manifest.known_temperature)

    def tags(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of the tags, shape ``(stations, tags)``."""
        return _sigmoid(output.tags, self.manifest.tags_temperature)

    def answer(self, output: Output) -> Answer:
        """Return the calibrated answer for one station.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        genres = self.probabilities(output)
        tags = self.tags(output)
        speech, music, known = (
            None if found is None else float(found[0])
            for found in (self.speech(output), self.music(output), self.known(output))
        )
        return Answer(genres[0], speech, music, None if tags is None else tags[0], known)

    def _output(self, outputs: NDArray[np.float32]) -> Output:
        """Split rows that hold the columns of all outputs one after another."""
        found = dict(zip(self._columns, np.split(outputs, self._ends[:-1], axis=1), strict=True))
        speech, music, known = (
            found[name][:, 0] if name in found else None for name in (SPEECH, MUSIC, KNOWN)
        )
        embedding = found.get(EMBEDDING)
        logits = found[LOGITS] if self._head is None else self._head.logits(found[EMBEDDING])
        return Output(logits, speech, music, known, found.get(TAGS), embedding)

    def _check_batch(self, stations: Sequence[str], frames: Sequence[Frames]) -> None:
        numcep = self.manifest.features.numcep
        if len(set(stations)) != len(frames) or len(stations) != len(frames):
            raise ValueError(
                f"expected one array of frames for each of {list(stations)}, each named once; "
                f"found {len(frames)} arrays"
            )
        for station, new in zip(stations, frames, strict=True):
            if new.ndim != 2 or len(new) == 0 or new.shape[1] != numcep:
                raise ValueError(
                    f"{station}: expected frames of shape (at least 1, {numcep}), not {new.shape}"
                )


class StatefulModel(Model):
    """A recurrent model: each station's state tensors go in and come out at every update.

    Parameters
    ----------
    manifest
        The model's manifest: labels, features, temperature and tensors.
    session
        ONNX Runtime session of its weights.
    """

    def __init__(self, manifest: Manifest, session: Any) -> None:
        super().__init__(manifest, session)
        self._states: dict[str, list[Frames]] = {}  # with a batch axis of 1
        self._inputs = [state.input for state in manifest.states]
        self._nexts = [state.output for state in manifest.states]
        self._zeros = [np.zeros((1, *state.shape), np.float32) for state in manifest.states]
        self._steps = WholeSteps(manifest.step_frames)
        self._last: dict[str, Frames] = {}

    def update(self, stations: Sequence[str], frames: Sequence[Frames]) -> Output:
        """See :meth:`Model.update`.

        Frames short of a whole step wait for the next call. A call without a whole step returns
        the station's last output.
        """
        self._check_batch(stations, frames)
        outputs = np.empty((len(stations), self._ends[-1]), "f4")
        whole = [self._steps.take(*each) for each in zip(stations, frames, strict=True)]
        for rows in _rows_by_length(whole):
            names = [stations[row] for row in rows]
            if not len(whole[rows[0]]):
                outputs[rows] = [self._latest(name) for name in names]
                continue
            states = [self._states.get(name, self._zeros) for name in names]
            outputs[rows], after = self._run(
                list(map(_joined, zip(*states, strict=True))),
                _joined([whole[row][None] for row in rows]),
            )
            if self.manifest.step_frames > 1:
                self._last |= {
                    name: outputs[row].copy() for name, row in zip(names, rows, strict=True)
                }
            if len(names) == 1:
                self._states[names[0]] = after
                continue
            for position, name in enumerate(names):
                # Copies: a view of the batch would keep every station's state alive.
                self._states[name] = [tensor[position : position + 1].copy() for tensor in after]
        return self._output(outputs)

    def _run(self, states: list[Frames], frames: Frames) -> tuple[Frames, list[Frames]]:
        """Return the rows of all outputs after the last frame, and the next states."""
        feed = dict(zip(self._inputs, states, strict=True)) | {FRAMES: frames}
        found = self._session.run([*self._columns, *self._nexts], feed)
        columns, after = found[: len(self._columns)], found[len(self._columns) :]
        return np.concatenate([column[:, -1] for column in columns], axis=-1), after

    def _latest(self, station: str) -> Frames:
        """Return a station's last output; at its start one from less than a step."""
        if station in self._last:
            return self._last[station]
        rows, _ = self._run(self._zeros, self._steps.repeated(station)[None])
        row: Frames = rows[0]
        return row

    def state(self, station: str) -> dict[str, Frames]:
        """Return a station's state tensors by input name; zeros where it has no past."""
        tensors = self._states.get(station, self._zeros)
        return {name: tensor[0] for name, tensor in zip(self._inputs, tensors, strict=True)}

    def reset(self, station: str) -> None:
        """See :meth:`Model.reset`."""
        self._states.pop(station, None)
        self._last.pop(station, None)
        self._steps.forget(station)


class WindowedModel(Model):
    """A model that looks at the last ``window_frames`` frames.

    While a station is younger than that, the frames that are there are repeated in their order
    until the window is full: the model sees only what was really heard.

    Parameters
    ----------
    manifest
        The model's manifest: labels, features, temperature and tensors.
    session
        ONNX Runtime session of its weights.
    """

    def __init__(self, manifest: Manifest, session: Any) -> None:
        super().__init__(manifest, session)
        self._pasts: dict[str, Frames] = {}

    def update(self, stations: Sequence[str], frames: Sequence[Frames]) -> Output:
        """See :meth:`Model.update`."""
        self._check_batch(stations, frames)
        length = self.manifest.window_frames
        pasts = {}
        for station, new in zip(stations, frames, strict=True):
            past = self._pasts.get(station)
            seen = new if past is None else np.concatenate([past, new])
            pasts[station] = seen[-length:].copy()
        windows = [np.resize(seen, (length, seen.shape[1])) for seen in pasts.values()]
        outputs = []
        for start in range(0, len(windows), MAX_ROWS):
            feed = {FRAMES: np.stack(windows[start : start + MAX_ROWS])}
            outputs.append(np.concatenate(self._session.run(self._columns, feed), axis=-1))
        self._pasts |= pasts
        return self._output(np.concatenate(outputs))

    def reset(self, station: str) -> None:
        """See :meth:`Model.reset`."""
        self._pasts.pop(station, None)


def _joined(tensors: Sequence[Frames]) -> Frames:
    """Return tensors of one row each as one; a single one as it is."""
    return tensors[0] if len(tensors) == 1 else np.concatenate(tensors)


def _rows_by_length(frames: Sequence[Frames]) -> list[list[int]]:
    """Group the rows of a batch by their number of frames, up to ``MAX_ROWS`` in a group."""
    groups: dict[int, list[int]] = {}
    for row, new in enumerate(frames):
        groups.setdefault(len(new), []).append(row)
    return [
        rows[start : start + MAX_ROWS]
        for rows in groups.values()
        for start in range(0, len(rows), MAX_ROWS)
    ]


def load_model(name_or_folder: str, *, trusted: bool = False) -> Model:
    """Load a shipped model by its name, or any model folder by its path.

    A graph that does not come with streamgenre runs in a process of its own, with limited memory
    and processor time.

    Parameters
    ----------
    name_or_folder
        Name of a shipped model, or path of a model folder.
    trusted
        Whether to run any graph in this process, as one that you have made yourself.

    Raises
    ------
    ModelError
        If there is no such folder, its files are damaged or do not fit together, or the graph
        exceeds the limits.
    """
    manifest = parse_manifest(find_model(name_or_folder))
    if trusted or manifest.graph_sha256 in shipped_hashes():
        session: Any = open_graph(manifest, read_weights(manifest))
    else:
        check_hash(manifest)
        session = IsolatedSession(manifest)
    return (StatefulModel if manifest.kind == "stateful" else WindowedModel)(manifest, session)
