"""Files that a stage of the training makes, in several processes at once."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class FileJob(Protocol):
    """What a process is to make."""

    @property
    def path(self) -> Path:
        """The file to write."""


JobT = TypeVar("JobT", bound=FileJob)
ResultT = TypeVar("ResultT")


def make_files(
    make: Callable[[JobT], ResultT],
    jobs: Collection[JobT],
    *,
    processes: int,
    on_total: Callable[[int], None],
    on_file: Callable[[Path, ResultT], None],
    exists: Callable[[Path], bool] = Path.is_file,
) -> None:
    """Make the files that are missing; after an error no further one is begun.

    Parameters
    ----------
    make
        Writes the file of a job; a function of a module, called in another process.
    jobs
        One for each file.
    processes
        Processes, at least 1.
    on_total
        Called with the number of files that are missing.
    on_file
        Called with each file that was made, and what ``make`` returned.
    exists
        Returns whether a file is there and whole.

    Raises
    ------
    TrainError
        If a file cannot be made.
    """
    missing = [job for job in jobs if not exists(job.path)]
    on_total(len(missing))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        running = {pool.submit(make, job): job for job in missing}
        try:
            for done in as_completed(running):
                on_file(running[done].path, done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
