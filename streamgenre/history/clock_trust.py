"""How far the system's clock can be trusted before rows are deleted for their age.

A machine without a clock battery starts with a clock that is wrong by months or years, and some are
set wrongly by hand. Such a clock must not make today's rows look old. Three rules see to that:

- **A hole that is not confirmed does not age anything.** After more than ``FREE_HOLE_S`` without a
  row, either nobody listened or the clock jumped ahead. Until the daemon has listened after the
  hole for a tenth of its length, and at most for ``CONFIRM_S``, rows are aged as if the hole were
  not there.
- **What was recorded later is not older.** Rows of a run that also has young rows, or that began
  after such a run, are not old, whatever the clock said when they were recorded.
- **While a time service has not set the clock yet, nothing is deleted for its age.** Without a time
  service (a container, a machine that is set by its host) this rule does not apply.

Rows in the future are left alone, and delete nothing.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamgenre.history.connection import Connection

DAY_S: Final = 86_400.0
FREE_HOLE_S: Final = DAY_S
"""Longest time without a row, in seconds, that needs no confirmation."""
SINCE_NEWEST_S: Final = 92 * DAY_S
"""The same since the newest row, where nothing was recorded since."""
CONFIRM_S: Final = 7 * DAY_S
"""Seconds of listening that confirm a hole of any length."""
CONFIRM_SHARE: Final = 0.1
"""Share of a hole's length for which listening after it confirms it."""
TIMESYNCD: Final = Path("/run/systemd/timesync")
"""Exists while systemd-timesyncd runs; has a file ``synchronized`` once it has set the clock."""
SERVICES: Final = tuple(
    Path("/run") / name
    for name in ("chrony", "chronyd.pid", "ntpd.pid", "ntpsec", "openntpd", "ntp.pid")
)
"""Exist while one of the other time services runs."""
_STA_UNSYNC: Final = 0x40
_STATUS_AT: Final = 40 if struct.calcsize("l") == 8 else 20


@dataclass(frozen=True, slots=True)
class Belief:
    """What the rows of a history and the time services say about the system's clock."""

    now: float
    """UNIX seconds by which rows are aged: the present less holes that are not confirmed."""
    synchronised: bool
    """Whether rows may be deleted for their age: not while a time service has not set the clock."""
    doubts: tuple[str, ...]
    """Why rows are kept that the limits of age would delete, in words."""


def synchronised(timesyncd: Path = TIMESYNCD, services: tuple[Path, ...] = SERVICES) -> bool | None:
    """Return whether a time service has set the clock; None where none runs.

    Parameters
    ----------
    timesyncd
        Folder of systemd-timesyncd.
    services
        Files or folders of which one exists while another service runs.
    """
    if timesyncd.is_dir():
        return (timesyncd / "synchronized").exists()
    if not any(path.exists() for path in services):
        return None
    return _kernel_is_synchronised()


def _kernel_is_synchronised() -> bool | None:
    """Return what the kernel says; None where it may not be asked, as in the service's sandbox."""
    timex = ctypes.create_string_buffer(512)
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if answer < 0:
        return None
    (status,) = struct.unpack_from("i", timex.raw, _STATUS_AT)
    return not status & _STA_UNSYNC


def belief(connection: Connection, now: float) -> Belief:
    """Return how far the clock can be believed.

    Parameters
    ----------
    connection
        The history.
    now
        UNIX seconds of the present, by the clock in question.

    Raises
    ------
    sqlite3.Error, ServerError
        If the history cannot be read.
    """
    sessions = connection.execute("SELECT start_time, end_time FROM sessions").fetchall()
    past = [(start, min(end, now)) for start, end in sessions if start <= now]
    unconfirmed = unconfirmed_s(past, now)
    doubts = []
    known = synchronised()
    if known is False:
        doubts.append(
            "no time service has set the system's clock yet: until then nothing is deleted for its "
            "age"
        )
    if unconfirmed:
        doubts.append(
            f"the system's clock is {unconfirmed / DAY_S:.0f} days ahead of the rows before: until "
            "some days of listening confirm it, nothing is deleted because of that time"
        )
    latest = max((end for _, end in sessions), default=now)
    if latest > now + FREE_HOLE_S:
        doubts.append(
            f"it has rows that lie up to {(latest - now) / DAY_S:.0f} days in the future: the "
            "system's clock is or was wrong. They are kept, and delete nothing"
        )
    return Belief(now - unconfirmed, known is not False, tuple(doubts))


def unconfirmed_s(spans: list[tuple[float, float]], now: float) -> float:
    """Return the sum of the holes between spans that listening has not confirmed, in seconds.

    Parameters
    ----------
    spans
        Start and end of what was recorded, in UNIX seconds up to now, in any order.
    now
        UNIX seconds of the present.
    """
    unconfirmed, start, free = 0.0, now, SINCE_NEWEST_S  # start of what follows
    for begin, end in sorted(_merged(spans), reverse=True):
        hole = start - end
        needed = min(CONFIRM_S, CONFIRM_SHARE * hole)
        if hole > free and now - start - unconfirmed < needed:
            unconfirmed += hole
        start, free = min(start, begin), FREE_HOLE_S
    return unconfirmed


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans joined where they overlap."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def misdated_sessions(connection: Connection, before: float, now: float) -> list[int]:
    """Return the ids of the sessions that end before a time, but were recorded later.

    Parameters
    ----------
    connection
        The history.
    before
        UNIX seconds before which rows are deleted for their age.
    now
        UNIX seconds of the present.

    Raises
    ------
    sqlite3.Error, ServerError
        If the history cannot be read.
    """
    found = connection.execute(
        "SELECT id FROM sessions WHERE end_time < ?1 AND run >= (SELECT min(run) FROM sessions "
        "WHERE start_time >= ?1 AND start_time <= ?2)",
        (before, now),
    )
    return [number for (number,) in found]
