"""What systemd says of a unit, by asking `systemctl`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamgenre.errors import StreamgenreError

UNIT: Final = "streamgenre.service"
_BOOTED: Final = Path("/run/systemd/system")
"""systemd makes this folder where it is the init system; see sd_booted(3)."""
_PROPERTIES: Final = (
    *("LoadState", "ActiveState", "SubState", "Result", "StatusText", "MainPID", "NRestarts"),
    *("ActiveEnterTimestamp", "WatchdogUSec", "MemoryCurrent", "MemoryMax"),
    *("TasksCurrent", "TasksMax", "UnitFileState", "InvocationID"),
)
_PATIENCE_S: Final = 10.0


class ServiceError(StreamgenreError):
    """systemd cannot be asked, or does not know the unit."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """How a unit is doing."""

    unit: str
    active: str
    """``active``, ``reloading``, ``activating``, ``failed``, ``inactive`` …"""
    sub: str
    """The same in the words of its type: ``running``, ``auto-restart`` …"""
    result: str
    """How the last run ended: ``success``, ``exit-code``, ``watchdog``, ``oom-kill`` …"""
    enabled: str
    """Whether it starts at boot: ``enabled``, ``disabled`` …"""
    status: str
    """What the daemon last said of itself."""
    since: str
    """When it became active, in systemd's words; empty where it never was."""
    main_pid: int
    """Its process, 0 for none."""
    restarts: int
    """Restarts by systemd since it was started by hand or at boot."""
    watchdog: str
    """Time without a sign of life after which it is restarted, as ``1min``; ``0`` for never."""
    memory_bytes: int | None
    """Memory of all its processes; None where it is not counted."""
    memory_max_bytes: int | None
    """Most that it may use; None for no limit."""
    tasks: int | None
    """Threads and processes; None where they are not counted."""
    tasks_max: int | None
    """Most that there may be; None for no limit."""


def unit_state(unit: str = UNIT) -> UnitState:
    """Return how a unit is doing.

    Raises
    ------
    ServiceError
        If systemd does not run here, does not answer, or does not know the unit.
    """
    if shutil.which("systemctl") is None or not _BOOTED.is_dir():
        raise ServiceError(
            "systemd does not run here, so there is no service to ask about; of a daemon that "
            "was started otherwise `streamgenre subscribe --type status` tells"
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
        raise ServiceError(f"systemd knows no {unit}; `sudo make install-service` installs it")
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
    """Return a number; None for ``[not set]``, ``infinity`` and 2^64 - 1, which mean none."""
    if text is None or not text.isdecimal() or int(text) == 2**64 - 1:
        return None
    return int(text)
