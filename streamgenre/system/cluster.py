"""Connects to a Ray cluster."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from streamgenre.errors import SettingsError
from streamgenre.urls import shown

LOCAL: Final = "local"
"""Address of a cluster that is started on this machine."""
_HEAD: Final = re.compile(r"([^/@]+):(\d{1,5})")
_CONNECT_S: Final = 10.0
"""Seconds within which the head of a cluster must answer."""


def connect(address: str) -> bool:
    """Connect this process to a cluster, or start one; return whether it was not connected before.

    Parameters
    ----------
    address
        Address of the cluster, such as ``ray://head:10001`` or ``auto``; ``local`` starts one on
        this machine.

    Raises
    ------
    SettingsError
        If it cannot be reached.
    ModuleNotFoundError
        If the extra ``cluster`` is not installed.
    """
    ray: Any = import_module("ray")
    problem = "" if ray.is_initialized() else _unreachable(address)
    if problem:
        raise SettingsError(f"--cluster {shown(address)}: {problem}")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return False
    where: dict[str, Any] = {"address": address}
    if address == LOCAL:
        where |= {"include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise SettingsError(
            f"--cluster {shown(address)}: cannot be reached ({said}); expected the address of a "
            "Ray cluster, or `local`"
        ) from error
    _keep_quiet()
    return True


def _unreachable(address: str) -> str:
    """Return why a head ``HOST:PORT`` cannot be reached, or "": Ray itself tries for minutes."""
    found = _HEAD.fullmatch(address)
    if found is None:
        return ""
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        return (
            f"cannot be reached ({getattr(error, 'strerror', None) or error}); expected the "
            "address of the head of a Ray cluster, such as 10.0.0.5:6379, or `local`"
        )
    return ""


def _keep_quiet() -> None:
    """Keep Ray from printing what happens to its workers on stdout, which is for events.

    There is no setting for it. What it would print is in Ray's own logs.
    """
    with suppress(ImportError):
        vars(import_module("ray._private.worker"))["print_to_stdstream"] = lambda *_, **__: None
