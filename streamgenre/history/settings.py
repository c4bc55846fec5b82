"""Where the history is kept, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the types are read
from typing import Annotated, Final, Literal

from streamgenre.history.places import Server, place
from streamgenre.limits import Parsed, Range, check
from streamgenre.paths import state_dir

FILE_NAME: Final = "history.sqlite3"


def default_path() -> Path:
    """Return where the history is kept unless a path is given: in the state folder."""
    return state_dir() / FILE_NAME


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How the daemon keeps its history."""

    path: Annotated[Path | Server, Parsed(place)] = field(default_factory=default_path)
    """The SQLite file, whose folder is created if it is missing; or a PostgreSQL database, as
    ``postgresql://user@host/database``, with its password in ``~/.pgpass`` or ``$PGPASSWORD``."""
    keep: Literal["live", "all", "none"] = "live"
    """Which stations are kept: ``live`` ones, which cannot be played again (a device, a radio, a
    pipe); ``all``, with files and the demo; or ``none``."""
    flush_s: Annotated[float, Range(0.01, 60, "seconds")] = 5.0
    """Seconds between two transactions: the most that a power cut can lose."""
    detail_days: Annotated[float, Range(0, 36_600, "days")] = 30.0
    """Days for which the probabilities of every update are kept; 0 to keep none."""
    keep_days: Annotated[float, Range(0, 36_600, "days", above=True)] = 731.0
    """Days for which everything else is kept."""
    max_mb: Annotated[float, Range(1, 1e9, "millions of bytes")] = 4000.0
    """Size of the file in millions of bytes above which the oldest rows are deleted early. The size
    of a PostgreSQL database is not limited."""

    spool_mb: Annotated[float, Range(1, 100_000, "millions of bytes")] = 200.0
    """Millions of bytes of rows that wait on disk, in the state folder, while a PostgreSQL server
    is away; beyond it the oldest are dropped."""

    def __post_init__(self) -> None:
        check(self)
