"""Embeddings of files, hop by hop, as a listening station sees them; to teach genres on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import StreamgenreError
from streamgenre.events import Update
from streamgenre.inference.decision import DecisionSettings
from streamgenre.inference.models import MAX_ROWS, Model, load_model
from streamgenre.library.hearing import problem_of
from streamgenre.library.results import FileResult, FileSummary
from streamgenre.sources.files.playlist import open_file
from streamgenre.sources.tags import name_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.events import AnyEvent
    from streamgenre.inference.decision import Answer
    from streamgenre.inference.manifest import Manifest
    from streamgenre.inference.models import Output

    Floats = NDArray[np.float32]

FILES: Final = MAX_ROWS
"""Files that are heard at once, in one batch of the model."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a model sees in one file, a row a hop."""

    path: Path
    """The file."""
    rows: Floats
    """Embeddings, shape ``(hops, width)``. A silent hop is not shown to the model and has none."""
    times: Floats
    """End of each hop in seconds from the start of the file, shape ``(hops,)``."""
    speech: Floats | None
    """Probability of speech without music in each hop; None if the model does not report it."""
    music: Floats | None
    """Probability of music in each hop; None if the model does not report it."""
    result: FileResult
    """What the model itself finds in the file: its length, artist, title, problem and so on."""

    @property
    def problem(self) -> str | None:
        """Why the file could not be heard; None if it was."""
        return self.result.problem


class Embedder:
    """Hears files with a model and keeps its embeddings.

    Sources, frames, the rule for silence, and the runs of the model are those of ``listen`` and
    ``classify``.

    Parameters
    ----------
    model
        Name of a model, or a model folder.

    Raises
    ------
    ModelError
        If the model cannot be used, or has no embedding.
    """

    def __init__(self, model: str) -> None:
        self._model = _Recorder(load_model(model))

    @property
    def manifest(self) -> Manifest:
        """Manifest of the model."""
        return self._model.manifest

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.manifest.embedding_width

    def hear(
        self, paths: Iterable[Path], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[Embedding]:
        """Yield the embeddings of files, in their order; several are heard at once.

        What is wrong with a file is in its :attr:`Embedding.problem`. A file that was being heard
        when ``stopping`` became true is not yielded.

        Parameters
        ----------
        paths
            The files.
        stopping
            Whether to stop early.
        """
        waiting = iter(paths)
        while not stopping() and (batch := list(islice(waiting, FILES))):
            heard = self._hear_batch(batch, stopping)
            if stopping():
                return
            yield from heard

    def _hear_batch(self, batch: Sequence[Path], stopping: Callable[[], bool]) -> list[Embedding]:
        files = {str(number): _File(path) for number, path in enumerate(batch)}

        def take(event: AnyEvent) -> None:
            file = files[event.station]
            file.summary.take(event)
            seen = self._model.seen.pop(event.station, None) if isinstance(event, Update) else None
            if seen is not None:
                file.hops.append((event.stream_time, seen))

        def ended(name: str, error: Exception | None) -> None:
            files[name].error = files[name].error or error

        engine = Engine(take, EngineSettings(), on_ended=ended)
        for name, file in files.items():
            try:
                source = open_file(file.path, pace="fast", threaded=False)
            except (StreamgenreError, OSError) as error:
                file.error = error
            else:
                engine.add(name, source, self._model, file.decision)
        if any(file.error is None for file in files.values()):
            with suppress(StreamgenreError):  # each file has kept its own
                engine.run(stopping)
        self._model.seen.clear()
        return [self._embedding(file) for file in files.values()]

    def _embedding(self, file: _File) -> Embedding:
        model, outputs = self._model, [seen for _, seen in file.hops]
        more: dict[str, Any] = {"model": model.manifest.name, "model_sha256": model.manifest.sha256}
        if file.error is not None:
            problem = problem_of(file.error, file.path)
            result = FileResult(path=file.path, problem=problem, **more)
        else:
            result = file.summary.result(file.path, untagged=name_title(file.path), **more)
        rows = [output.embedding[0] for output in outputs if output.embedding is not None]
        return Embedding(
            path=file.path,
            rows=np.stack(rows) if rows else np.empty((0, self.width), np.float32),
            times=np.array([time for time, _ in file.hops], np.float32),
            speech=_joined(model.speech(output) for output in outputs),
            music=_joined(model.music(output) for output in outputs),
            result=result,
        )


@dataclass(slots=True)
class _File:
    """A file that is being heard."""

    path: Path
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    summary: FileSummary = field(init=False)
    hops: list[tuple[float, Output]] = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.summary = FileSummary(self.decision.enter)


class _Recorder(Model):
    """A model that keeps its last output for each station."""

    def __init__(self, model: Model) -> None:
        model.keep_embeddings()
        self.manifest = model.manifest
        self._model = model
        self.seen: dict[str, Output] = {}

    def update(self, stations: Sequence[str], frames: Sequence[Any]) -> Output:
        """See :meth:`Model.update`."""
        output = self._model.update(stations, frames)
        self.seen |= {station: output.of(row) for row, station in enumerate(stations)}
        return output

    def reset(self, station: str) -> None:
        """See :meth:`Model.reset`."""
        self._model.reset(station)

    def answer(self, output: Output) -> Answer:
        """See :meth:`Model.answer`."""
        return self._model.answer(output)


def _joined(values: Iterable[NDArray[np.float64] | None]) -> Floats | None:
    found = [value for value in values if value is not None]
    return np.concatenate(found).astype(np.float32) if found else None
