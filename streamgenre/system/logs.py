"""The log of the daemon: entries of systemd's journal, or lines on standard error.

If systemd connected standard error to the journal, entries go there with their level and the fields
``STREAMGENRE_STATION``, ``STREAMGENRE_EVENT`` and ``STREAMGENRE_WORKER``; otherwise they are lines
that start with ``streamgenre: ``. Repeated lines are counted, secrets are removed, and writing
never waits for the reader: a line that cannot be written at once is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from streamgenre.system.journal import Journal, leads_to_journal, priority
from streamgenre.system.redact import redact
from streamgenre.system.repeats import RepeatFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write: TypeAlias = Callable[[logging.LogRecord, str], bool]
    Watch: TypeAlias = Callable[[logging.LogRecord, str], None]

LEVELS: Final = ("debug", "info", "warning", "error")
MAX_LINE: Final = 2000
"""Characters of a line; a pipe takes a line of this length as a whole or not at all."""
MAX_TRACEBACK: Final = 100
"""Lines of a traceback, which debug level adds."""
MAX_HELD: Final = 200
"""Lines held back while the dashboard has the terminal."""

_root = logging.getLogger("streamgenre")


@contextmanager
def logging_to_user(
    level: str | None = None, *, hold: bool = False, watch: Watch | None = None
) -> Iterator[bool]:
    """Write the package's log to the journal or to standard error.

    Parameters
    ----------
    level
        Lowest level that is written, one of ``LEVELS``; None for ``info``.
    hold
        Whether lines are held back until the end, because the dashboard has the terminal.
    watch
        Called with each line that is held back, to show it on the dashboard.

    Yields
    ------
    bool
        Whether the log goes to the journal.
    """
    journal = leads_to_journal(sys.stderr)
    handler = _Handler(_to_journal() if journal else (_HeldLines(watch) if hold else _to_stderr))
    before = _root.level, _root.propagate
    _root.setLevel((level or "info").upper())
    _root.propagate = False
    _root.addHandler(handler)
    try:
        yield journal
    finally:
        _root.removeHandler(handler)
        handler.close()
        _root.setLevel(before[0])
        _root.propagate = before[1]


def report_repeats() -> None:
    """Write how many repeated lines were held back; to be called every few seconds."""
    for handler in _root.handlers:
        if isinstance(handler, _Handler):
            handler.report_repeats()


class _Handler(logging.Handler):
    """Formats records as lines."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write
        self._repeats = RepeatFilter()
        self._lost = 0
        self.addFilter(self._repeats)

    def emit(self, record: logging.LogRecord) -> None:
        more = getattr(record, "repeated", 0)
        text = "; ".join(redact(record.getMessage()).splitlines())
        text = "".join(c if c.isprintable() else "\ufffd" for c in text)[:MAX_LINE]
        lost = f" ({self._lost} lines before it were lost)" if self._lost else ""
        if self._write(record, text + (f" (and {more} more like it)" if more else "") + lost):
            self._lost = 0
        else:
            self._lost += 1
        for line in _traceback(record):
            self._write(record, line)

    def report_repeats(self, *, every_kind: bool = False) -> None:
        self.acquire()
        try:
            for record in self._repeats.due(every_kind=every_kind):
                self.emit(record)
        finally:
            self.release()

    def close(self) -> None:
        self.report_repeats(every_kind=True)
        if isinstance(self._write, _HeldLines):
            self._write.write()
        super().close()


def _traceback(record: logging.LogRecord) -> list[str]:
    """Return the lines of a record's traceback, each short enough for one line of the log."""
    if not record.exc_info or record.levelno > logging.DEBUG:
        return []
    text = "".join(traceback.format_exception(*record.exc_info))
    return ["".join(c if c.isprintable() else "\ufffd" for c in redact(line))[:MAX_LINE]
            for line in text.splitlines()[-MAX_TRACEBACK:]]  # fmt: skip


class _HeldLines:
    """Holds lines back until the dashboard has left the terminal."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._records: dict[str, logging.LogRecord] = {}  # by text: the same line is written once

    def __call__(self, record: logging.LogRecord, text: str) -> bool:
        if self._watch is not None:
            self._watch(record, text)
        if text in self._records or len(self._records) < MAX_HELD:
            self._records[text] = record
            return True
        return False

    def write(self) -> None:
        for text, record in self._records.items():
            _to_stderr(record, text)


def _to_journal() -> Write:
    try:
        journal = Journal()
    except OSError:
        return _to_stderr_with_level  # the journal takes levels from the lines too
    return lambda record, text: journal.send(_fields(record, text))


def _fields(record: logging.LogRecord, text: str) -> dict[str, str]:
    fields = {
        "MESSAGE": text,
        "PRIORITY": str(priority(record.levelno)),
        "SYSLOG_IDENTIFIER": "streamgenre",
        "STREAMGENRE_LOGGER": record.name,
    }
    for name in ("station", "event", "worker"):
        value = getattr(record, name, None)
        if value is not None:
            fields[f"STREAMGENRE_{name.upper()}"] = str(value)
    return fields


def _to_stderr_with_level(record: logging.LogRecord, text: str) -> bool:
    return _write_line(f"<{priority(record.levelno)}>{text}")


def _to_stderr(record: logging.LogRecord, text: str) -> bool:
    return _write_line(f"streamgenre: {text}")


def _write_line(line: str) -> bool:
    stream = sys.stderr
    try:
        handle = stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        print(line, file=stream)
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLOUT)
        if not poll.poll(0):
            return False  # the reader does not read
        os.write(handle, (line + "\n").encode("utf-8", "replace"))
    except OSError:
        return False  # the reader is gone, or the disk is full
    return True
