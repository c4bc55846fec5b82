"""Where the history is kept, and for how long."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamgenre.errors import SettingsError

FILE_NAME: Final = "history.sqlite3"


def default_path() -> Path:
    """Return where the history is unless told otherwise.

    ``$STATE_DIRECTORY`` where systemd sets it, else ``$XDG_STATE_HOME/streamgenre``, else
    ``~/.local/state/streamgenre``.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":", 1)[0]
    if given:
        return Path(given) / FILE_NAME
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    folder = Path(state) if state.startswith("/") else _home() / ".local" / "state"
    return folder / "streamgenre" / FILE_NAME


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # A user without an entry and without $HOME, as containers have them: where nothing can be
        # written, the daemon says so and listens on.
        return Path("/")


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How the daemon keeps its history."""

    path: Path
    """The SQLite file; its folder is made where it is missing."""
    flush_s: float = 5.0
    """Seconds between two transactions: what a cut of power may cost."""
    detail_days: float = 30.0
    """Days for which the probabilities of every update are kept; 0 for none at all."""
    keep_days: float = 731.0
    """Days for which everything else is kept."""
    max_mb: float = 4000.0
    """Size of the file in millions of bytes from which the oldest is given up early."""

    def __post_init__(self) -> None:
        checks = (
            (0.01 <= self.flush_s <= 60, f"flush_s {self.flush_s}: expected 0.01 to 60 seconds"),
            (
                0 <= self.detail_days <= 36_600,
                f"--history-detail-days {self.detail_days:g}: expected days, 0 to 36600",
            ),
            (
                0 < self.keep_days <= 36_600,
                f"--history-days {self.keep_days:g}: expected days, greater than 0, up to 36600",
            ),
            (
                1 <= self.max_mb <= 1e9,
                f"--history-mb {self.max_mb:g}: expected millions of bytes, at least 1",
            ),
        )
        for ok, message in checks:
            if not ok:
                raise SettingsError(message)
