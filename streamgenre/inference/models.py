"""Genre models in onnxruntime: the stateful and the windowed kind, and loading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.isolated import IsolatedSession
from streamgenre.inference.manifest import (
    FRAMES,
    Manifest,
    check_hash,
    parse_manifest,
    read_weights,
)
from streamgenre.inference.model import Model
from streamgenre.inference.model_names import find_model, shipped_hashes
from streamgenre.inference.session import open_graph
from streamgenre.inference.whole_steps import WholeSteps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.output import Output

    Frames = NDArray[np.float32]

MAX_ROWS: Final = 8
"""Stations in one run of a graph; more are taken in several. Eight bring all that a batch can bring
(``benchmarks/stations.py``); from 16 on, the tensors of the wide models are so large that the
allocator requests them from the system at every run, at twice the cost."""


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
        parts = [self._steps.split(*each) for each in zip(stations, frames, strict=True)]
        whole = [each for each, _ in parts]
        for rows in _rows_by_length(whole):
            names = [stations[row] for row in rows]
            if not len(whole[rows[0]]):
                for name, row in zip(names, rows, strict=True):
                    outputs[row] = self._latest(name, parts[row][1])
                    self._steps.keep(name, parts[row][1])
                continue
            states = [self._states.get(name, self._zeros) for name in names]
            outputs[rows], after = self._run(
                list(map(_joined, zip(*states, strict=True))),
                _joined([whole[row][None] for row in rows]),
            )
            if self.manifest.step_frames > 1:
                for name, row in zip(names, rows, strict=True):
                    self._last[name] = outputs[row].copy()
                    self._steps.keep(name, parts[row][1])
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

    def _latest(self, station: str, waiting: Frames) -> Frames:
        """Return a station's last output; at its start one from less than a step."""
        if station in self._last:
            return self._last[station]
        rows, _ = self._run(self._zeros, self._steps.filled(waiting)[None])
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
