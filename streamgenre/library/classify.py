"""Classifies files and folders: finds the files, takes known results, hears the rest."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import TYPE_CHECKING

from streamgenre.defaults import MODEL
from streamgenre.errors import SettingsError
from streamgenre.inference.models import load_model
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library.cache import ResultCache
from streamgenre.library.cluster import Cluster
from streamgenre.library.finding import Finder
from streamgenre.library.hearing import file_hash
from streamgenre.library.pool import MAX_JOBS, Pool, Request
from streamgenre.library.results import FileResult
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def classify(
    *paths: str | Path,
    model: str | Path = MODEL,
    decision: DecisionSettings | None = None,
    jobs: int | None = None,
    cached: bool = True,
) -> Iterator[FileResult]:
    """Classify files and folders; yield a result for each file as it finishes.

    Parameters
    ----------
    paths
        Files, and folders with all their sub-folders.
    model
        Name of a shipped model, or a model folder.
    decision
        How genres are decided on; None for the defaults.
    jobs
        Number of processes, 1 to 256; None for one a core.
    cached
        Whether results are kept, and taken from earlier runs.

    Raises
    ------
    StreamgenreError
        If a path does not exist, or the model or a setting cannot be used.

    Examples
    --------
    ::

        from streamgenre import classify

        for result in classify("~/Music"):
            print(result.path, result.genre or result.problem)
    """
    library = Library(model=model, decision=decision, jobs=jobs, cached=cached)
    return library.results(Finder(paths).files())


class Library:
    """What is needed to classify files, checked before the first of them.

    Parameters
    ----------
    model
        Name of a shipped model, or a model folder.
    decision
        How genres are decided on; None for the defaults.
    jobs
        Number of processes, 1 to 256; None for one a core.
    cached
        Whether results are kept, and taken from earlier runs.
    cluster
        Address of a Ray cluster whose machines hear the files, or ``local``; None for processes of
        this machine.

    Raises
    ------
    StreamgenreError
        If the model or a setting cannot be used.
    """

    def __init__(
        self,
        *,
        model: str | Path = MODEL,
        decision: DecisionSettings | None = None,
        jobs: int | None = None,
        cached: bool = True,
        cluster: str | None = None,
    ) -> None:
        if jobs is not None and not 1 <= jobs <= MAX_JOBS:
            raise SettingsError(f"jobs {jobs}: expected 1 to {MAX_JOBS}")
        import mutagen  # noqa: F401 - a missing package is reported here, once

        self._jobs = jobs
        self._decision = decision or DecisionSettings()
        self._model = str(model)
        self.manifest = load_model(self._model).manifest
        """Manifest of the model."""
        self._cached = cached
        self._cluster = cluster
        self._settings = json.dumps(asdict(self._decision))
        self._cache: ResultCache | None = None

    def results(self, files: Iterable[Path | str]) -> Iterator[FileResult]:
        """Yield a result for each file, as they finish.

        Parameters
        ----------
        files
            Paths, and with a cluster also URLs.
        """
        with ExitStack() as stack:
            cache = stack.enter_context(ResultCache()) if self._cached else None
            self._cache = cache
            pool = self._pool()
            stack.enter_context(pool)

            def keep(result: FileResult) -> None:
                if cache is not None and result.problem is None and result.url is None:
                    cache.keep(result, self._settings)

            yield from pool.hear((self._look_up(file, cache) for file in files), keep)

    def keep(self, result: FileResult, path: Path) -> None:
        """Keep a result for a file whose tags have changed since; call it between two results.

        Parameters
        ----------
        result
            What was heard.
        path
            Where the file is now.
        """
        if self._cache is not None:
            with suppress(OSError):  # then it is heard again
                tagged = replace(result, sha256=_hash(path, self._cache))
                self._cache.keep(tagged, self._settings)

    def _pool(self) -> Pool | Cluster:
        if self._cluster is not None:
            return Cluster(self._model, self._decision, self._jobs, self._cluster)
        jobs = self._jobs or min(MAX_JOBS, len(os.sched_getaffinity(0)))
        return Pool(self._model, self._decision, jobs)

    def _look_up(self, file: Path | str, cache: ResultCache | None) -> Request | FileResult:
        """Return a file's known result, else a request to hear it."""
        if isinstance(file, str):
            return Request(Path(PurePosixPath(file).name), url=file)
        path = file
        if cache is None:
            return Request(path)
        try:
            sha256 = _hash(path, cache)
        except OSError as error:
            return FileResult(path=path, problem=error_text(error))
        known = cache.result(path, sha256, self.manifest.sha256, self._settings)
        return known or Request(path, sha256)


def _hash(path: Path, cache: ResultCache) -> str:
    stat = path.stat()
    if not S_ISREG(stat.st_mode):
        raise OSError(0, "is not a regular file")
    sha256 = cache.known_hash(path, stat)
    if sha256 is None:
        sha256 = file_hash(path)
        cache.keep_hash(path, stat, sha256)
    return sha256
