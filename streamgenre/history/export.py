"""Rows into files that other programs read: CSV, JSON, Parquet, cue sheets.

A file appears whole or not at all: it is written beside its place under another name, and renamed
once it is on the disk.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from streamgenre.errors import HistoryError
from streamgenre.history.times import local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamgenre.history.times import Zone

TIMES: Final = frozenset({"start", "end", "time", "since", "heard"})
"""Names of columns that are UNIX seconds; they are written as ISO 8601 with their offset."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_ROWS_AT_A_TIME: Final = 10_000


def record(row: Any, tz: Zone) -> dict[str, Any]:
    """Return a row as it is exported: times as ISO 8601 in the zone, with milliseconds."""
    data = row if isinstance(row, dict) else asdict(row)
    return {
        name: local(value, tz).isoformat(timespec="milliseconds")
        if name in TIMES and value is not None
        else value
        for name, value in data.items()
    }


def columns_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the columns of a sort of rows."""
    return tuple(field.name for field in fields(kind))


@contextmanager
def atomic(path: Path | None) -> Iterator[IO[bytes]]:
    """Yield a binary file that takes its place at ``path`` once it is whole; None for stdout.

    Raises
    ------
    HistoryError
        If it cannot be written; nothing is left behind.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_dir():
        raise HistoryError(f"{path}: a folder; expected the name of a file to write")
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes it private, which is not what was asked for
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise HistoryError(
            f"{path}: cannot be written: {error.strerror or error}. Nothing was left there; make "
            "room, or name another place with --out"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(file: IO[bytes], rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON array, a row a line, as the rows come."""
    between = "[\n"
    for row in rows:
        file.write(f"{between}{json.dumps(row, ensure_ascii=False, allow_nan=False)}".encode())
        between = ",\n"
    file.write(b"[]\n" if between == "[\n" else b"\n]\n")


def write_csv(file: IO[bytes], rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write RFC 4180 with a header; a text that a spreadsheet would run is quoted with ``'``."""
    writer = csv.writer(_Encoded(file))
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)


class _Encoded:
    """The file that ``csv`` wants, over one that takes bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _cell(value: object) -> object:
    if isinstance(value, str):
        # No spreadsheet shows what steers a terminal, and none needs it.
        value = "".join(c if c.isprintable() or c == "\t" else " " for c in value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else value


def write_parquet(file: IO[bytes], rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write Parquet, some thousand rows at a time.

    Raises
    ------
    HistoryError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise HistoryError(
            "Parquet needs pyarrow: `pip install '.[parquet]'` in the folder of streamgenre's "
            "source, or take --format csv or json"
        ) from error
    schema = arrow.schema([(name, _arrow_type(arrow, name)) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        rest = iter(rows)
        while part := [_for_arrow(row) for row in islice(rest, _ROWS_AT_A_TIME)]:
            writer.write_table(arrow.Table.from_pylist(part, schema))


def _for_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """Return an exported row with its times as times."""
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value is not None else value
        for name, value in row.items()
    }


def _arrow_type(arrow: Any, name: str) -> Any:
    if name in TIMES:
        return arrow.timestamp("ms", tz="UTC")
    if name in _WHOLE:
        return arrow.int64()
    # Everything else that is exported is text or a number; p_… are the genres of the detail.
    return arrow.float64() if name in _NUMBERS or name.startswith("p_") else arrow.string()


_WHOLE: Final = frozenset({"samples", "updates"})
_NUMBERS: Final = frozenset({"confidence", "seconds", "share", "level_dbfs"})


def write_cue(file: IO[bytes], lines: Iterable[Any], *, name: str, start: float) -> int:
    """Write a cue sheet and return its number of tracks.

    Parameters
    ----------
    file
        Where to.
    lines
        Lines of a playlist, each at or after ``start``.
    name
        Name of the recording that it belongs to.
    start
        UNIX seconds at which the recording begins.
    """
    file.write(f'TITLE "{_cue(name)}"\nFILE "{_cue(name)}.wav" WAVE\n'.encode())
    number = 0
    for number, line in enumerate(lines, start=1):
        frames = round((line.start - start) * 75)  # a second has 75 frames
        minutes, rest = divmod(frames, 75 * 60)
        index = f"{minutes:02d}:{rest // 75:02d}:{rest % 75:02d}"
        text = f"  TRACK {number:02d} AUDIO\n"
        text += f'    TITLE "{_cue(line.title or line.genre or "")}"\n'
        if line.artist:
            text += f'    PERFORMER "{_cue(line.artist)}"\n'
        if line.genre:
            text += f'    REM GENRE "{_cue(line.genre)}"\n'
        file.write(f"{text}    INDEX 01 {index}\n".encode())
    return number


def _cue(text: str) -> str:
    """Return text for a cue sheet, which knows no escapes."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace('"', "'").split())[:200]
