"""Progress on stderr: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from train.job import Epoch


class Progress:
    """Shows progress; use it as a context manager in the main thread.

    A keyboard interrupt ends the work at the next step at the latest: inside a TensorFlow callback,
    Python only prints the exception and continues.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[last]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._total = 0
        self._interrupted = False
        self._handler: Any = None

    def __enter__(self) -> Self:
        """Start showing."""
        self._handler = signal.signal(signal.SIGINT, self._interrupt)
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the terminal."""
        self._bars.stop()
        signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, number: int, frame: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def _go_on(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt

    def _begin(self, title: str, total: int) -> None:
        self._go_on()
        self._title, self._total = title, total
        self._task = self._bars.add_task(title, total=total, last="")

    def files(self, total: int) -> None:
        """Start reading files."""
        self._begin("frames", total)
        self._line(f"reading {total} files and rooms")

    def packages(self, total: int) -> None:
        """Start fetching packages."""
        self._begin("packages", total)
        self._line(f"fetching {total} packages")

    def models(self, total: int) -> None:
        """Start playing all clips to models."""
        self._begin("models", total)
        self._line(f"playing the clips to {total} model{'s' if total > 1 else ''}")

    def files_of(self, title: str, total: int) -> None:
        """Start writing ``total`` files.

        Parameters
        ----------
        title
            Title of the bar.
        total
            Number of files.
        """
        self._begin(title, total)
        self._line(f"{title}: {total} files to write")

    def file(self, name: str) -> None:
        """Show the name of a file that was written, and count it."""
        self.note(name)
        self.step()

    def seconds(self, title: str, total: int) -> None:
        """Start a programme of ``total`` seconds.

        Parameters
        ----------
        title
            Title of the bar.
        total
            Length of the programme in seconds.
        """
        self._begin(title, total)
        self._line(f"{title}: {total / 3600:.2g} hours of programme")

    def step(self) -> None:
        """Count one more finished step."""
        self._go_on()
        if self._task is not None:
            self._bars.advance(self._task)

    def stage(self, title: str, epochs: int) -> None:
        """Start training a model.

        Parameters
        ----------
        title
            Title of the bar.
        epochs
            Number of epochs.
        """
        self._begin(title, epochs)

    def epoch(self, epoch: Epoch) -> None:
        """Show a finished epoch."""
        self._go_on()
        if self._task is not None:
            self._bars.update(self._task, completed=epoch.number, last=f"loss {epoch.loss:.3f}")
        self._line(
            f"{self._title}: epoch {epoch.number} of {self._total}, loss {epoch.loss:.3f}, "
            f"{epoch.seconds:.1f} s"
        )

    def note(self, text: str) -> None:
        """Show a line, on a terminal and in a log."""
        self._go_on()
        self._console.print(text, markup=False)

    def _line(self, text: str) -> None:
        """Show a line if there are no bars."""
        if not self._console.is_terminal:
            self._console.print(text, markup=False)
