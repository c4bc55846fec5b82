"""The log of a worker: its records go to the daemon, which writes them."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamgenre.worker.link import Link

ROOT: Final = "streamgenre"
_MAX_TEXT: Final = 4000
"""Characters of a message, and of each of its values."""


class _Handler(logging.Handler):
    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.levelno <= logging.DEBUG:
            more = "\n" + logging.Formatter().formatException(record.exc_info)
        else:
            more = ""
        head = {
            "do": "log",
            "level": record.levelno,
            "name": record.name,
            # The template, so that repeated lines are counted by it.
            "message": (str(record.msg) + more.replace("%", "%%"))[:_MAX_TEXT],
            "args": [_plain(value) for value in record.args]
            if isinstance(record.args, tuple)
            else [],
            "station": getattr(record, "station", None),
        }
        with suppress(OSError):  # the daemon is gone: the engine notices
            self._link.send(head)


def _plain(value: object) -> Any:
    return value if isinstance(value, int | float) else str(value)[:_MAX_TEXT]


@contextmanager
def logging_to_daemon(link: Link, level: int) -> Iterator[None]:
    """Send the package's log to the daemon while the context lasts.

    Parameters
    ----------
    link
        The link to the daemon.
    level
        Lowest level that is sent.
    """
    root = logging.getLogger(ROOT)
    handler = _Handler(link)
    before = root.level, root.propagate
    root.setLevel(level)
    root.propagate = False
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        root.propagate = before[1]


def log_again(head: Mapping[str, Any], worker: str) -> None:
    """Write a record that a worker sent to this process's log.

    Parameters
    ----------
    head
        The message.
    worker
        Name of the worker.
    """
    logger = logging.getLogger(str(head.get("name") or ROOT))
    level = int(head.get("level", logging.INFO))
    if not logger.isEnabledFor(level):
        return
    extra: dict[str, Any] = {"worker": worker}
    if head.get("station") is not None:
        extra["station"] = str(head["station"])
    message = f"worker %s: {head.get('message', '')}"
    logger.log(level, message, worker, *head.get("args", ()), extra=extra)
