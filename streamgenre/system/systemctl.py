"""The state of a systemd unit, as ``systemctl`` reports it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamgenre.errors import StreamgenreError

UNIT: Final = "streamgenre.service"
_BOOTED: Final = Path("/run/systemd/system")
"""This folder exists if systemd is the init system; see sd_booted(3)."""
_PROPERTIES: Final = (
    *("LoadState", "ActiveState", "SubState", "Result", "StatusText", "MainPID", "NRestarts"),
    *("ActiveEnterTimestamp", "WatchdogUSec", "MemoryCurrent", "MemoryMax"),
    *("TasksCurrent", "TasksMax", "UnitFileState", "InvocationID"),
)
_PATIENCE_S: Final = 10.0


class ServiceError(StreamgenreError):
    """systemd is not available, or does not know the unit."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """State of a unit."""

    unit: str
    active: str
    """``active``, ``reloading``, ``activating``, ``failed``, ``inactive`` …"""
    sub: str
    """State specific to the unit's type: ``running``, ``auto-restart`` …"""
    result: str
    """How the last run ended: ``success``, ``exit-code``, ``watchdog``, ``oom-kill`` …"""
    enabled: str
    """Whether it starts at boot: ``enabled``, ``disabled`` …"""
    status: str
    """Status line that the daemon sent last."""
    since: str
    """When it became active, as systemd writes it; empty if it never was."""
    main_pid: int
    """Its main process, 0 for none."""
    restarts: int
    """Restarts by systemd since it was started by a user or at boot."""
    watchdog: str
    """Time without a watchdog message after which it is restarted, as ``1min``; ``0`` for never."""
    memory_bytes: int | None
    """Memory of all its processes in bytes; None if it is not accounted."""
    memory_max_bytes: int | None
    """Limit of the memory in bytes; None for no limit."""
    tasks: int | None
    """Threads and processes; None if they are not accounted."""
    tasks_max: int | None
    """Limit of threads and processes; None for no limit."""


def unit_state(unit: str = UNIT) -> UnitState:
    """Return the state of a unit.

    Raises
    ------
    ServiceError
        If systemd is not running here, does not answer, or does not know the unit.
    """
    if shutil.which("systemctl") is None or not _BOOTED.is_dir():
        raise ServiceError(
            "systemd is not running here, so there is no service; for a daemon that was started "
            "in another way, use `streamgenre subscribe --type status`"
        )
    try:
        done = subprocess.run(
            ["systemctl", "show", "--property", ",".join(_PROPERTIES), "--", unit],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"systemctl does not answer: {error}") from error
    if done.returncode != 0:
        raise ServiceError(f"systemctl: {done.stderr.strip()}")
    state = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    if state.get("LoadState") == "not-found":
        raise ServiceError(f"systemd does not know {unit}; `sudo make install-service` installs it")
    return UnitState(
        unit=unit,
        active=state.get("ActiveState", ""),
        sub=state.get("SubState", ""),
        result=state.get("Result", ""),
        enabled=state.get("UnitFileState", ""),
        status=state.get("StatusText", ""),
        since=state.get("ActiveEnterTimestamp", ""),
        main_pid=_number(state.get("MainPID")) or 0,
        restarts=_number(state.get("NRestarts")) or 0,
        watchdog=state.get("WatchdogUSec", "0"),
        memory_bytes=_number(state.get("MemoryCurrent")),
        memory_max_bytes=_number(state.get("MemoryMax")),
        tasks=_number(state.get("TasksCurrent")),
        tasks_max=_number(state.get("TasksMax")),
    )


def _number(text: str | None) -> int | None:
    """Return a number; None for ``[not set]``, ``infinity`` and 2^64 - 1, which mean no value."""
    if text is None or not text.isdecimal() or int(text) == 2**64 - 1:
        return None
    return int(text)
