"""Files for other programs: CSV, JSON, Parquet, cue sheets.

A file appears complete or not at all: it is written under a temporary name in the same folder and
renamed once it is on the disk.
"""

from __future__ import annotations

import codecs
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
from streamgenre.history.time_zones import local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamgenre.history.time_zones import Zone

TIMES: Final = frozenset({"start", "end", "time", "since", "heard"})
"""Names of columns in UNIX seconds; they are exported as ISO 8601 with UTC offset."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_ROWS_AT_A_TIME: Final = 10_000


def exported(row: Any, tz: Zone) -> dict[str, Any]:
    """Return a row as it is exported.

    Parameters
    ----------
    row
        A record, or a dictionary.
    tz
        Time zone of the times.

    Returns
    -------
    dict
        The row by column, times as ISO 8601 with milliseconds.
    """
    data = row if isinstance(row, dict) else asdict(row)
    return {
        name: local(value, tz).isoformat(timespec="milliseconds")
        if name in TIMES and value is not None
        else value
        for name, value in data.items()
    }


def columns_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the columns of a type of record."""
    return tuple(field.name for field in fields(kind))


@contextmanager
def atomic(path: Path | None) -> Iterator[IO[bytes]]:
    """Yield a binary file that is moved to ``path`` once it is complete; None for stdout.

    Raises
    ------
    HistoryError
        If it cannot be written; no partial file is left.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_dir():
        raise HistoryError(f"{path}: this is a folder; expected the name of a file to write")
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
        temporary.chmod(0o666 & ~mask)  # mkstemp makes it private
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise HistoryError(
            f"{path}: cannot be written: {error.strerror or error}. Nothing was left there; free "
            "space, or choose another path"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(file: IO[bytes], rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON array, one row a line, without collecting the rows first.

    Parameters
    ----------
    file
        Binary file, open for writing.
    rows
        Rows whose values JSON can hold.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    """
    between = "[\n"
    for row in rows:
        file.write(f"{between}{json.dumps(row, ensure_ascii=False, allow_nan=False)}".encode())
        between = ",\n"
    file.write(b"[]\n" if between == "[\n" else b"\n]\n")


def write_csv(
    file: IO[bytes], rows: Iterable[dict[str, Any]], columns: Sequence[str], *, bom: bool = False
) -> None:
    """Write CSV (RFC 4180) with a header.

    Text that a spreadsheet would run as a formula is prefixed with ``'``.

    Parameters
    ----------
    file
        Binary file.
    rows
        Exported rows.
    columns
        Names and order of the columns.
    bom
        Whether the file begins with a byte order mark: Excel takes it for UTF-8 then.
    """
    if bom:
        file.write(codecs.BOM_UTF8)
    writer = csv.writer(_Encoded(file))
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)


class _Encoded:
    """A text file for ``csv`` on top of a binary one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _cell(value: object) -> object:
    if isinstance(value, str):
        # Control characters could steer a terminal that shows the file.
        value = "".join(c if c.isprintable() or c == "\t" else " " for c in value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else value


def write_parquet(file: IO[bytes], rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write Parquet, ten thousand rows at a time.

    Parameters
    ----------
    file
        Binary file.
    rows
        Exported rows.
    columns
        Names and order of the columns.

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
            "Parquet needs pyarrow: run `pip install 'streamgenre[parquet]'`, "
            "or use --format csv or json"
        ) from error
    schema = arrow.schema([(name, _arrow_type(arrow, name)) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        rest = iter(rows)
        while part := [_for_arrow(row) for row in islice(rest, _ROWS_AT_A_TIME)]:
            writer.write_table(arrow.Table.from_pylist(part, schema))


def _for_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """Return an exported row with its times as ``datetime``."""
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value is not None else value
        for name, value in row.items()
    }


def _arrow_type(arrow: Any, name: str) -> Any:
    if name in TIMES:
        return arrow.timestamp("ms", tz="UTC")
    if name in _WHOLE:
        return arrow.int64()
    # Everything else is text or a number; p_… are the genres of the detail.
    return arrow.float64() if name in _NUMBERS or name.startswith("p_") else arrow.string()


_WHOLE: Final = frozenset({"samples", "updates"})
_NUMBERS: Final = frozenset({"confidence", "seconds", "share", "level_dbfs"})


def write_cue(file: IO[bytes], lines: Iterable[Any], *, name: str, start: float) -> int:
    """Write a cue sheet.

    Parameters
    ----------
    file
        Binary file.
    lines
        Lines of an airplay log, each at or after ``start``.
    name
        Name of the recording that the sheet describes.
    start
        UNIX seconds of the start of the recording.

    Returns
    -------
    int
        The number of tracks.
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
    """Return text for a cue sheet, whose format has no escapes."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace('"', "'").split())[:200]
