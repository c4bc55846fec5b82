"""Deletes the oldest rows, by age and by size of the file, in short steps.

A clock that is wrong must not delete anything: :mod:`streamgenre.history.clock_trust` says by which
time rows are aged.

Each step is one short transaction between two flushes. Freed pages return to the file system a few
at a time (incremental vacuum): a full ``VACUUM`` would lock the file for minutes. On a server the
size is not limited, and its autovacuum frees space.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from streamgenre.history import corrections, day_shares, tags
from streamgenre.history.clock_trust import belief, misdated_sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.history.connection import Connection
    from streamgenre.history.settings import HistorySettings

STEP_ROWS: Final = 500
"""Rows deleted in one step."""
STEP_PAGES: Final = 256
"""Pages returned to the file system in one step: 1 MB."""
DAY_S: Final = 86_400.0
_LOW_WATER: Final = 0.95
"""Share of the limit to which a file that is too large is reduced."""
SPARE_PAGES: Final = 512
"""Free pages that stay in the file for new rows."""
_NONE: Final = "0"
"""The id of no session: PostgreSQL has no empty lists."""
_TABLES: Final = (
    ("segments", "end_time", "start_time"),
    ("titles", "end_time", "start_time"),
    ("dead_air", "end_time", "start_time"),
    ("gaps", "end_time", "start_time"),
    ("source_changes", "time", "time"),
)


class Retention:
    """Keeps a history within its limits, one step at a time.

    Parameters
    ----------
    connection
        The history, open for writing.
    settings
        The limits of age and size.
    say
        Called with each line for the user.
    """

    def __init__(
        self,
        connection: Connection,
        settings: HistorySettings,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._say = say
        self._shrinking = False
        self._spared = _NONE  # sessions of which no row is deleted for its age
        self.doubts: tuple[str, ...] = ()
        """Why rows are kept that the limits of age would delete, by the last step."""

    def step(self, now: float | None = None) -> bool:
        """Do one step.

        Parameters
        ----------
        now
            UNIX seconds of the present; None for the system clock.

        Returns
        -------
        bool
            Whether there may be more to do.

        Raises
        ------
        sqlite3.Error, ServerError
            If rows cannot be deleted at the moment.
        """
        now = time.time() if now is None else now
        settings = self._settings
        believed = belief(self._connection, now)
        self._tell(believed.doubts)
        if settings.detail_days == 0:
            self._spared = _NONE
            if self._delete_details(now):
                return True
        if believed.synchronised:
            if self._delete_old_details(believed.now - DAY_S * settings.detail_days, now):
                return True
            if self._delete_old(believed.now - DAY_S * settings.keep_days, now):
                return True
        self._spared = _NONE
        if self._too_large():
            oldest = self._oldest_detail()
            if oldest is not None:
                # Detail takes most of the space and matters least: it goes first.
                return self._delete_details(oldest + 3600)
            first = self._oldest()
            # The last day is kept, however small the limit.
            if first is not None and first < now - DAY_S and self._delete(first + DAY_S / 24):
                return True
        return self._free_pages()

    def _tell(self, doubts: tuple[str, ...]) -> None:
        """Say what is new: the figures in it grow with every step."""
        if len(doubts) > len(self.doubts):
            for doubt in doubts:
                self._say(f"{self._settings.path}: {doubt}")
        self.doubts = doubts

    def _delete_old_details(self, before: float, now: float) -> bool:
        self._spare(before, now)
        return self._delete_details(before)

    def _delete_old(self, before: float, now: float) -> bool:
        self._spare(before, now)
        return self._delete(before)

    def _spare(self, before: float, now: float) -> None:
        self._spared = ", ".join(
            map(str, [_NONE, *misdated_sessions(self._connection, before, now)])
        )

    # ---- size ----------------------------------------------------------------------------------

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @property
    def _is_file(self) -> bool:
        """Whether the size is ours to limit; a server's space is its administrator's."""
        return isinstance(self._connection, sqlite3.Connection)

    def used_bytes(self) -> int:
        """Return the size of all pages in use."""
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def _too_large(self) -> bool:
        if not self._is_file:
            return False
        limit = 1e6 * self._settings.max_mb
        used = self.used_bytes()
        self._shrinking = used > (_LOW_WATER * limit if self._shrinking else limit)
        return self._shrinking

    def _free_pages(self) -> bool:
        free = self._pragma("freelist_count") if self._is_file else 0
        if free <= SPARE_PAGES:
            return False
        # Fetched to the end: each row frees one page.
        self._connection.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
        # No effect in a file that was created without incremental vacuum.
        return self._pragma("freelist_count") < free

    # ---- rows ----------------------------------------------------------------------------------

    def _oldest_detail(self) -> float | None:
        (minute,) = self._connection.execute(
            f"SELECT min(minute) FROM details WHERE session NOT IN ({self._spared})"
        ).fetchone()
        return None if minute is None else 60.0 * minute

    def _oldest(self) -> float | None:
        """Return the UNIX seconds of the start of the oldest row of any station."""
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
        # STEP_ROWS rows: at least one minute of every station, unless there are more stations.
        deleted = self._connection.execute(
            "DELETE FROM details WHERE (minute, station, session) IN (SELECT minute, station, "
            f"session FROM details WHERE minute < ? AND session NOT IN ({self._spared}) "
            "ORDER BY minute LIMIT ?)",
            (int(before // 60), STEP_ROWS),
        )
        return deleted.rowcount > 0

    def _delete(self, before: float) -> bool:
        """Delete up to ``STEP_ROWS`` rows that ended before a time; return whether any were."""
        deleted = 0
        for (station,) in self._connection.execute("SELECT id FROM stations").fetchall():
            for table, end, start in _TABLES:
                deleted += self._connection.execute(
                    f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE station = ? "
                    f"AND {start} < ? AND {end} < ? AND session NOT IN ({self._spared}) "
                    f"ORDER BY {start} LIMIT ?)",
                    (station, before, before, STEP_ROWS),
                ).rowcount
                if deleted >= STEP_ROWS:
                    return True
        return deleted + self._delete_rest(before) > 0

    def _delete_rest(self, before: float) -> int:
        run = self._connection.execute
        deleted = 0
        for (kind,) in run("SELECT id FROM kinds").fetchall():
            deleted += self._delete_shares(kind, before)
        deleted += corrections.delete_orphans(self._connection)
        deleted += tags.delete(self._connection, before)
        deleted += run(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE end_time < ? AND "
            f"id NOT IN ({self._spared}) AND ending <> 'open' "
            "AND NOT EXISTS (SELECT 1 FROM segments WHERE session = sessions.id) "
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

    def _delete_shares(self, kind: int, before: float) -> int:
        run = self._connection.execute
        hours = run(
            "SELECT DISTINCT hour FROM shares WHERE kind = ? AND hour < ? AND NOT EXISTS "
            f"(SELECT 1 FROM sessions x WHERE x.id IN ({self._spared}) "
            "AND hour > x.start_time / 3600 - 1 AND hour <= x.end_time / 3600) "
            "ORDER BY hour LIMIT 20",
            (kind, int(before // 3600)),
        ).fetchall()
        if not hours:
            return 0
        run("BEGIN IMMEDIATE")
        try:
            deleted = 0
            for (hour,) in hours:
                deleted += run(
                    "DELETE FROM shares WHERE kind = ? AND hour = ?", (kind, hour)
                ).rowcount
            day_shares.refresh(self._connection, kind, {hour // 24 for (hour,) in hours})
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        return deleted
