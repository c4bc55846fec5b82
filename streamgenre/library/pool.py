"""Hears files in several processes. A process that crashes costs the file that it was hearing."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Final

from streamgenre.ending import end_process
from streamgenre.library.results import FileResult, from_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from streamgenre.inference.settings import DecisionSettings

MAX_JOBS: Final = 256
"""Most processes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A file to hear."""

    path: Path
    sha256: str | None = None
    url: str | None = None
    """Where the file is if not at the path: see :mod:`streamgenre.library.cluster`."""


class _Worker:
    """One process, and the file that it hears."""

    def __init__(self, settings: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamgenre.library.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self.answers: IO[bytes] = self._process.stdout
        self._settings = settings  # sent with the first file
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """The file that it hears."""
        assert self._path is not None
        return self._path

    def hear(self, request: Request) -> None:
        """Hand it a file; not while it hears another one."""
        line = json.dumps({"path": str(request.path), "sha256": request.sha256})
        self._path = request.path
        with suppress(OSError):  # it has ended: then there is no answer either
            self._requests.write(f"{self._settings}{line}\n".encode("ascii"))
            self._requests.flush()
        self._settings = ""

    def answer(self) -> FileResult | None:
        """Return the result of its file; None if the process has ended instead."""
        line = self.answers.readline()
        path, self._path = self.path, None
        return from_dict(path, json.loads(line)) if line.endswith(b"\n") else None

    def close(self) -> str:
        """End the process; return in words how it ended."""
        if self._path is not None:
            self._process.kill()
        with suppress(OSError):
            self._requests.close()
        code = end_process(self._process, "a process that hears files")
        self.answers.close()
        return how_it_ended(code)


def how_it_ended(code: int | None) -> str:
    """Return in words how a process ended, given its return code; None if it has not."""
    if code is None:
        return "hangs in the kernel and cannot be ended"
    if code >= 0:
        return f"ended with exit code {code}"
    named = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    return f"ended by signal {-code} ({named})"


class Pool:
    """Processes that hear files; use it as a context manager.

    Parameters
    ----------
    model
        Name or folder of the model, which the caller has checked.
    decision
        How genres are decided on.
    jobs
        Number of processes, at least 1.
    """

    def __init__(self, model: str, decision: DecisionSettings, jobs: int) -> None:
        self._settings = json.dumps({"model": model, "decision": asdict(decision)}) + "\n"
        self._jobs = jobs
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Return the pool; processes start with the first files."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes; what they are hearing is dropped."""
        for worker in self._workers:
            worker.close()

    def hear(
        self,
        items: Iterable[Request | FileResult],
        heard: Callable[[FileResult], None] = lambda result: None,
    ) -> Iterator[FileResult]:
        """Yield a result for each file, as they finish.

        Files are taken only as processes become free.

        Parameters
        ----------
        items
            The files; a result among them is yielded as it is.
        heard
            Called with each result of a file that was heard here.
        """
        waiting = iter(items)
        with selectors.DefaultSelector() as busy:
            while len(self._workers) < self._jobs:
                request = yield from _next_request(waiting)
                if request is None:
                    break
                self._start(busy).hear(request)
            while busy.get_map():
                for key, _ in busy.select():
                    worker: _Worker = key.data
                    path = worker.path
                    result = worker.answer()
                    if result is None:
                        busy.unregister(worker.answers)
                        self._workers.remove(worker)
                        result = FileResult(path=path, problem=f"its decoder {worker.close()}")
                    heard(result)
                    yield result
                    request = yield from _next_request(waiting)
                    if request is not None:
                        (worker if worker in self._workers else self._start(busy)).hear(request)
                    elif worker in self._workers:
                        busy.unregister(worker.answers)

    def _start(self, busy: selectors.BaseSelector) -> _Worker:
        worker = _Worker(self._settings)
        self._workers.append(worker)
        busy.register(worker.answers, selectors.EVENT_READ, worker)
        return worker


def _next_request(
    items: Iterator[Request | FileResult],
) -> Generator[FileResult, None, Request | None]:
    """Yield results until there is a file to hear, and return it; None at the end."""
    for item in items:
        if isinstance(item, Request):
            return item
        yield item
    return None
