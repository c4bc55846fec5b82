"""Giving up the oldest, by age and by size, in steps that nobody notices.

Each step is one short transaction between two flushes. Freed pages go back to the file system a few
at a time (incremental vacuum): a whole ``VACUUM`` would lock the file for minutes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

    from streamgenre.history.settings import HistorySettings

STEP_ROWS: Final = 500
"""Rows deleted in one step."""
STEP_PAGES: Final = 256
"""Pages handed back in one step: 1 MB."""
DAY_S: Final = 86_400.0
_LOW_WATER: Final = 0.95
"""Where the file has grown too large, it is brought down to this share of the limit."""
SPARE_PAGES: Final = 512
"""Free pages that stay in the file for what comes next."""
_TABLES: Final = (
    ("segments", "end_time", "start_time"),
    ("titles", "end_time", "start_time"),
    ("dead_air", "end_time", "start_time"),
    ("gaps", "end_time", "start_time"),
    ("source_changes", "time", "time"),
)


class Retention:
    """Brings a history within its bounds, a step at a time.

    Parameters
    ----------
    connection
        The history, open for writing.
    settings
        How long and how much is kept.
    """

    def __init__(self, connection: sqlite3.Connection, settings: HistorySettings) -> None:
        self._connection = connection
        self._settings = settings
        self._shrinking = False

    def step(self, now: float | None = None) -> bool:
        """Do one step; return whether there may be more to do.

        Parameters
        ----------
        now
            UNIX seconds from which ages are counted; None for the clock's.

        Raises
        ------
        sqlite3.Error
            If it cannot be done now.
        """
        now = time.time() if now is None else now
        settings = self._settings
        if self._delete_details(now - DAY_S * settings.detail_days):
            return True
        if self._delete(now - DAY_S * settings.keep_days):
            return True
        if self._too_large():
            oldest = self._oldest_detail()
            if oldest is not None:
                # Detail is the most of the file and the least of its worth: it goes first.
                return self._delete_details(oldest + 3600)
            first = self._oldest()
            # What is open now is kept, however small the limit.
            if first is not None and first < now - DAY_S and self._delete(first + DAY_S / 24):
                return True
        return self._hand_back()

    # ---- size ----------------------------------------------------------------------------------

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def used_bytes(self) -> int:
        """Return the bytes of all pages in use."""
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def _too_large(self) -> bool:
        limit = 1e6 * self._settings.max_mb
        used = self.used_bytes()
        self._shrinking = used > (_LOW_WATER * limit if self._shrinking else limit)
        return self._shrinking

    def _hand_back(self) -> bool:
        free = self._pragma("freelist_count")
        if free <= SPARE_PAGES:
            return False
        # Fetched to the end: each row is a page that is handed back.
        self._connection.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
        # Without effect in a file that was made without it: then this is all that can be done.
        return self._pragma("freelist_count") < free

    # ---- rows ----------------------------------------------------------------------------------

    def _oldest_detail(self) -> float | None:
        (minute,) = self._connection.execute("SELECT min(minute) FROM details").fetchone()
        return None if minute is None else 60.0 * minute

    def _oldest(self) -> float | None:
        """Return the UNIX seconds at which the oldest row of any station begins."""
        starts = []
        for table, _, start in _TABLES:
            starts += self._connection.execute(
                f"SELECT min((SELECT min({start}) FROM {table} WHERE station = stations.id)) "
                "FROM stations"
            ).fetchone()
        return min((s for s in starts if s is not None), default=None)

    def _delete_details(self, before: float) -> bool:
        oldest = self._oldest_detail()
        if oldest is None or oldest >= before - 60:
            return False
        # A minute of every station at the least, or so many rows.
        self._connection.execute(
            "DELETE FROM details WHERE (minute, station, session) IN (SELECT minute, station, "
            "session FROM details WHERE minute < ? ORDER BY minute LIMIT ?)",
            (int(before // 60), STEP_ROWS),
        )
        return True

    def _delete(self, before: float) -> bool:
        """Delete up to a step of what ended before a time; return whether something was."""
        deleted = 0
        for (station,) in self._connection.execute("SELECT id FROM stations").fetchall():
            for table, end, start in _TABLES:
                deleted += self._connection.execute(
                    f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE station = ? "
                    f"AND {start} < ? AND {end} < ? ORDER BY {start} LIMIT ?)",
                    (station, before, before, STEP_ROWS),
                ).rowcount
                if deleted >= STEP_ROWS:
                    return True
        return deleted + self._delete_rest(before) > 0

    def _delete_rest(self, before: float) -> int:
        run = self._connection.execute
        deleted = 0
        for (kind,) in run("SELECT id FROM kinds").fetchall():
            deleted += run(
                "DELETE FROM shares WHERE kind = ? AND hour IN (SELECT DISTINCT hour FROM shares "
                "WHERE kind = ? AND hour < ? ORDER BY hour LIMIT 20)",
                (kind, kind, int(before // 3600)),
            ).rowcount
        deleted += run(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE end_time < ? AND "
            "ending <> 'open' AND NOT EXISTS (SELECT 1 FROM segments WHERE session = sessions.id) "
            "AND NOT EXISTS (SELECT 1 FROM titles WHERE session = sessions.id) LIMIT ?)",
            (before, STEP_ROWS),
        ).rowcount
        deleted += run(
            "DELETE FROM runs WHERE ending <> 'open' AND NOT EXISTS "
            "(SELECT 1 FROM sessions WHERE run = runs.id)"
        ).rowcount
        if deleted:
            run(
                "DELETE FROM tracks WHERE id IN (SELECT id FROM tracks WHERE NOT EXISTS "
                "(SELECT 1 FROM titles WHERE track = tracks.id) LIMIT ?)",
                (STEP_ROWS,),
            )
        return deleted
