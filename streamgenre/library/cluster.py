"""Hears files on the machines of a Ray cluster: the same work as :mod:`streamgenre.library.pool`.

Each worker is a Ray actor with one model session. It gets one file at a time, and a second one
waits for it, so that no queue grows. A file whose worker or machine is lost is heard by another
one; one that takes three workers with it is given up. Results come back to one place, which yields
each file once. Audio does not travel through Ray: workers open the files themselves, at a path that
all machines share or with fsspec (``s3://``, ``gs://``, ``file://``).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Self

from streamgenre.errors import InputError
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library.results import FileResult, from_dict
from streamgenre.sources.formats import audio_suffixes
from streamgenre.system.cluster import connect
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamgenre.library.pool import Request

ATTEMPTS: Final = 3
"""Workers that a file may take with it before it is given up."""
MAX_FILE_BYTES: Final = 1 << 33
"""Largest file that is fetched from an object store."""
_IN_FLIGHT: Final = 2
_CHUNK: Final = 1 << 20


def is_url(path: str) -> bool:
    """Whether a path names a file by fsspec, such as ``s3://bucket/song.mp3``."""
    return "://" in path


def find_urls(top: str) -> Iterator[str]:
    """Yield the URL of a file, or those of the audio files below a folder, sorted.

    Parameters
    ----------
    top
        URL that fsspec understands.

    Raises
    ------
    InputError
        If it cannot be listed.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(top)
        found = sorted(system.find(path))
    except Exception as error:
        raise InputError(f"{redacted(top)}: cannot be listed ({_said(error)})") from error
    if not found:
        raise InputError(f"{redacted(top)}: no such file or folder")
    for each in found:
        if found == [path] or PurePosixPath(each).suffix.lower() in audio_suffixes():
            yield system.unstrip_protocol(each)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


class _Hearer:
    """A Ray actor that hears files with one model."""

    def __init__(self, model: str, decision: dict[str, Any]) -> None:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from streamgenre.inference.models import load_model

        self._model = load_model(model)
        self._decision = DecisionSettings(**decision)

    def ready(self) -> bool:
        """Answer once the model is loaded."""
        return True

    def hear(self, path: str, sha256: str | None) -> dict[str, Any]:
        """Return the result of a file as a JSON object."""
        from streamgenre.library.hearing import hear

        if not is_url(path):
            return hear(Path(path), self._model, self._decision, sha256=sha256).as_dict()
        with tempfile.TemporaryDirectory(prefix="streamgenre-") as folder:
            local = Path(folder) / (PurePosixPath(path).name or "file")
            try:
                sha256 = _fetch(path, local)
            except Exception as error:  # noqa: BLE001 - every store raises its own
                return FileResult(path=local, problem=_said(error)).as_dict()
            return hear(local, self._model, self._decision, sha256=sha256).as_dict()


def _fetch(url: str, local: Path) -> str:
    """Copy a file from where fsspec finds it; return its SHA-256."""
    import fsspec

    digest, size = hashlib.sha256(), 0
    with fsspec.open(url, "rb") as remote, local.open("wb") as file:
        while chunk := remote.read(_CHUNK):
            size += len(chunk)
            if size > MAX_FILE_BYTES:
                raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


@dataclass(slots=True)
class _Task:
    """A file, and how many workers it has taken with it."""

    request: Request
    lost: int = 0


class Cluster:
    """Workers on a Ray cluster; use it as a context manager.

    Parameters
    ----------
    model
        Name or folder of the model; a folder must be there on every machine.
    decision
        How genres are decided on.
    jobs
        Number of workers; None for one a core of the cluster.
    address
        Address of the cluster, such as ``ray://head:10001`` or ``auto``; ``local`` starts one on
        this machine.

    Raises
    ------
    ModuleNotFoundError
        If the extra ``cluster`` is not installed.
    """

    def __init__(
        self, model: str, decision: DecisionSettings, jobs: int | None, address: str
    ) -> None:
        import ray

        self._ray: Any = ray
        self._model = model
        self._decision = asdict(decision)
        self._jobs = jobs
        self._address = address
        self._connected = False
        self._actor: Any = None
        self._room: deque[Any] = deque()  # a worker as often as it takes a further file
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[_Task, Any]] = {}
        self._failed_starts = 0

    def __enter__(self) -> Self:
        """Connect to the cluster, or start one."""
        self._connected = connect(self._address)
        if self._jobs is None:
            self._jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the cluster; one that was started here is stopped."""
        if self._connected:
            self._ray.shutdown()

    def hear(
        self,
        items: Iterable[Request | FileResult],
        heard: Callable[[FileResult], None] = lambda result: None,
    ) -> Iterator[FileResult]:
        """Yield a result for each file, as they finish; each file once.

        Parameters
        ----------
        items
            The files; a result among them is yielded as it is.
        heard
            Called with each result of a file that was heard here.
        """
        assert self._jobs is not None
        self._actor = self._ray.remote(num_cpus=1)(_Hearer)
        for _ in range(self._jobs):
            self._start_worker()
        waiting = iter(items)
        again: deque[_Task] = deque()
        exhausted = False
        while True:
            while self._room and (again or not exhausted):
                if again:
                    self._hand_out(again.popleft())
                    continue
                item = next(waiting, None)
                if item is None:
                    exhausted = True
                elif isinstance(item, FileResult):
                    yield item
                else:
                    self._hand_out(_Task(item))
            if exhausted and not again and not self._running:
                return
            for result in self._wait(again):
                heard(result)
                yield result

    def _start_worker(self) -> None:
        """Start a worker; it gets files once it is ready, which may take until a machine joins."""
        worker = self._actor.remote(self._model, self._decision)
        self._starting[worker.ready.remote()] = worker

    def _replace_worker(self, error: Exception, *, never_ready: bool) -> None:
        self._failed_starts += never_ready
        if self._failed_starts > 2 * (self._jobs or 1):
            raise InputError(
                f"no worker of the cluster could be started ({_last_line(error)}); is streamgenre "
                "with the model installed on every machine?"
            ) from error
        self._start_worker()

    def _hand_out(self, task: _Task) -> None:
        worker = self._room.popleft()
        request = task.request
        reference = worker.hear.remote(request.url or str(request.path), request.sha256)
        self._running[reference] = (task, worker)

    def _wait(self, again: deque[_Task]) -> list[FileResult]:
        """Wait for something to happen; return the results that came."""
        errors = self._ray.exceptions
        done, _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
        results = []
        for reference in done:
            worker = self._starting.pop(reference, None)
            try:
                values = self._ray.get(reference)
            except (
                errors.RayActorError,
                errors.WorkerCrashedError,
                errors.ObjectLostError,
            ) as error:
                if worker is None and reference in self._running:
                    results += self._lost(self._running[reference][1], again, type(error).__name__)
                self._start_worker()
                continue
            except errors.RayError as error:
                if worker is not None:
                    raise InputError(
                        f"a worker of the cluster failed ({_last_line(error)})"
                    ) from error
                task, worker = self._running.pop(reference)
                self._room.append(worker)
                results.append(_failed(task, _last_line(error)))
                continue
            if worker is not None:
                self._failed_starts = 0
                self._room.extend([worker] * _IN_FLIGHT)
                continue
            task, worker = self._running.pop(reference)
            self._room.append(worker)
            results.append(_result(task, values))
        return results

    def _lost(self, worker: Any, again: deque[_Task], why: str) -> list[FileResult]:
        """Queue the files of a lost worker again; return the results of those that are given up."""
        self._room = deque(each for each in self._room if each is not worker)
        files = [each for each, (_, its) in self._running.items() if its is worker]
        tasks = [self._running.pop(each)[0] for each in files]
        tasks[0].lost += 1  # the others waited for this one
        if tasks[0].lost < ATTEMPTS:
            again.extend(tasks)
            return []
        again.extend(tasks[1:])
        return [_failed(tasks[0], f"{ATTEMPTS} workers ended while they heard it ({why})")]


def _result(task: _Task, values: dict[str, Any]) -> FileResult:
    request = task.request
    with suppress(KeyError, TypeError):
        return replace(from_dict(request.path, values), url=request.url)
    return _failed(task, "the worker has another version of streamgenre")


def _failed(task: _Task, problem: str) -> FileResult:
    return FileResult(path=task.request.path, url=task.request.url, problem=problem)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
