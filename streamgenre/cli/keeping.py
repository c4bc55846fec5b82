"""Whether and where ``listen`` keeps a history."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamgenre.errors import SettingsError
from streamgenre.history.settings import HistorySettings, default_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from streamgenre.history.writer import HistoryWriter
    from streamgenre.sources.base import Source

_log = logging.getLogger(__name__)


def history_settings(args: argparse.Namespace, source: Source) -> HistorySettings | None:
    """Return how the history is kept, or None where none is.

    It is kept where something is heard that will not come again: a device, a radio, a pipe. A file
    or the demo is played for the sake of its output and would only soil the record; with
    ``--history`` it is kept all the same.

    Raises
    ------
    SettingsError
        If a flag is not usable.
    """
    if args.history is not None and (not args.history.strip() or "\0" in args.history):
        raise SettingsError(f"--history {args.history!r}: expected the path of a file")
    path = default_path() if args.history is None else Path(args.history).expanduser()
    settings = HistorySettings(
        path=path,
        detail_days=args.history_detail_days,
        keep_days=args.history_days,
        max_mb=args.history_mb,
    )
    return settings if not args.no_history and (source.live or args.history is not None) else None


@contextmanager
def keep_history(args: argparse.Namespace, source: Source) -> Iterator[HistoryWriter | None]:
    """Yield the running writer of the history, or None where none is kept."""
    settings = history_settings(args, source)
    if settings is None:
        yield None
        return
    from streamgenre.history.writer import HistoryWriter

    # What is live does not wait; a file as fast as can be does, and loses nothing.
    writer = HistoryWriter(settings, lossless=not source.real_time, say=_log.warning)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()
