"""Results as lines for people, and as rows for CSV and Parquet."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.library.locking import only_run
from streamgenre.library.results import TOP

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from streamgenre.library.results import FileResult

SHARES: Final = ("music", "speech", "noise", "silence", "unknown")
"""States whose shares have a column."""
HEADER: Final = f"{'genre':<12} {'':>4}  {'second':<16} {'length':>8}  {'loudness':>10}  file"
_TEXT: Final = ("path", "uri", "state", "genre")
_AFTER: Final = ("tags", "artist", "title", "problem", "warning", "sha256", "model", "model_sha256")
_ROWS_AT_A_TIME: Final = 1000


def columns() -> list[str]:
    """Return the names of the columns of :func:`row`, in order."""
    likeliest = [name for n in range(2, TOP + 1) for name in (f"genre_{n}", f"confidence_{n}")]
    return [
        *_TEXT, "confidence", *likeliest, "seconds", "loudness_lufs",
        *(f"share_{state}" for state in SHARES), *_AFTER,
    ]  # fmt: skip


def row(result: FileResult) -> dict[str, Any]:
    """Return a result as one row of text and numbers, without the segments."""
    values = result.as_dict()
    top = {
        f"{name}_{number}": value
        for number, (genre, probability) in enumerate(result.top[1:], 2)
        for name, value in (("genre", genre), ("confidence", probability))
    }
    shares = {f"share_{state}": result.shares.get(state, 0.0) for state in SHARES}
    values |= top | (shares if result.shares else {})
    values["tags"] = ", ".join(result.tags) or None
    return {name: values.get(name) for name in columns()}


def line(result: FileResult) -> str:
    """Return a result as one line for people, under :data:`HEADER`."""
    path = printable(result.name)
    if result.problem is not None:
        return f"{'-':<12} {'':>4}  {'':<16} {'':>8}  {'':>10}  {path}: {printable(result.problem)}"
    confidence = "" if result.confidence is None else f"{result.confidence:.2f}"
    second = f"{result.top[1][0]} {result.top[1][1]:.2f}" if len(result.top) > 1 else ""
    loudness = "" if result.loudness_lufs is None else f"{result.loudness_lufs:.1f} LUFS"
    path += f"  [{printable(', '.join(result.tags))}]" if result.tags else ""
    warning = f" ({printable(result.warning)})" if result.warning else ""
    return (
        f"{result.genre or result.state or '-':<12} {confidence:>4}  {second:<16} "
        f"{_length(result.seconds):>8}  {loudness:>10}  {path}{warning}"
    )


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def printable(text: str) -> str:
    """Return text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class ParquetShards:
    """Writes results as a folder of Parquet files, and knows the files of earlier runs.

    A shard gets its name when it is complete, so that each file has exactly one row, whatever
    happens. Use it as a context manager.

    Parameters
    ----------
    folder
        The folder; it is made.
    rows
        Rows of a shard.

    Raises
    ------
    InputError
        If pyarrow is not installed, a file in the folder is not a shard, or another run is writing
        there.
    """

    def __init__(self, folder: Path, rows: int = 10_000) -> None:
        self._folder, self._limit = folder, rows
        self._rows: list[FileResult] = []
        self._done: set[bytes] = set()
        self._number = 0
        self._lock = ExitStack()
        self._parquet = _pyarrow()[1]

    def __enter__(self) -> Self:
        """Keep other runs out, and read which files have a row."""
        with ExitStack() as stack:
            stack.enter_context(only_run(self._folder, ".streamgenre-parquet.lock"))
            self._read()
            self._lock = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Write the last shard."""
        with self._lock:
            self._flush()

    def _read(self) -> None:
        shards = sorted(self._folder.glob("part-*.parquet"))
        self._number = 1 + max(
            (int(s.stem[5:]) for s in shards if s.stem[5:].isdecimal()), default=-1
        )
        for shard in shards:
            try:
                for batch in self._parquet.ParquetFile(shard).iter_batches(columns=["uri"]):
                    self._done.update(_mark(uri) for uri in batch["uri"].to_pylist())
            except (OSError, ValueError, KeyError) as error:
                raise InputError(
                    f"{shard}: is not a shard of `classify --parquet`; move it"
                ) from error

    def has(self, uri: str) -> bool:
        """Return whether a file has a row already."""
        return _mark(uri) in self._done

    def write(self, result: FileResult) -> None:
        """Write a result, unless its file has a row already."""
        mark = _mark(result.uri)
        if mark in self._done:
            return
        self._done.add(mark)
        self._rows.append(result)
        if len(self._rows) == self._limit:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        unfinished = self._folder / f".part-{self._number:05d}.new"
        with unfinished.open("wb") as file, ParquetWriter(file) as writer:
            for result in self._rows:
                writer.write(result)
        unfinished.replace(self._folder / f"part-{self._number:05d}.parquet")
        self._number += 1
        self._rows.clear()


def _mark(uri: str) -> bytes:
    """Return a short stand-in for a URI: a million of them must fit into memory."""
    return hashlib.blake2b(uri.encode(), digest_size=12).digest()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            "--parquet needs pyarrow: `pip install 'streamgenre[parquet]'`; or use --csv or --json"
        ) from error
    return arrow, parquet


class ParquetWriter:
    """Writes results as Parquet, a thousand rows at a time; use it as a context manager.

    Parameters
    ----------
    file
        Binary file.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        arrow, parquet = _pyarrow()
        text = {*_TEXT, *_AFTER, *(f"genre_{n}" for n in range(2, TOP + 1))}
        self._arrow = arrow
        self._schema = arrow.schema(
            [(name, arrow.string() if name in text else arrow.float64()) for name in columns()]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *error: object) -> None:
        """Write the last rows and the end of the file."""
        self._flush()
        self._writer.close()

    def write(self, result: FileResult) -> None:
        """Write a result."""
        self._rows.append(row(result))
        if len(self._rows) == _ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()
