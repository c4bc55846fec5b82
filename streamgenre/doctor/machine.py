"""Checks of the machine and the program: Python, libraries, limits, clock."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import platform
import resource
from typing import TYPE_CHECKING, Final

from streamgenre import __version__
from streamgenre.doctor.finding import note, ok, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject

LISTENING: Final = {
    **{"pyzmq": "zmq", "numpy": "numpy", "onnxruntime": "onnxruntime", "soxr": "soxr", "av": "av"},
    **{"sounddevice": "sounddevice", "psutil": "psutil", "fastjsonschema": "fastjsonschema"},
}
"""Distributions that listening needs, with the module of each."""
_LEAST_FILES: Final = 256
_TIMEX_BYTES: Final = 512
"""More than the size of ``struct timex`` on any platform."""
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def program(subject: Subject) -> Iterator[Finding]:
    """Report the versions of program, Python and system."""
    words = f"streamgenre {__version__}, Python {platform.python_version()}, "
    words += f"{platform.system()} {platform.release()} on {platform.machine()}"
    yield ok("program", words)


def libraries(subject: Subject) -> Iterator[Finding]:
    """Check whether the libraries that listening needs are installed."""
    missing = [name for name, module in LISTENING.items() if not importlib.util.find_spec(module)]
    if missing:
        yield problem(
            "libraries",
            f"not installed: {', '.join(missing)}",
            "`pip install 'streamgenre[listen]'`",
        )
        return
    yield ok("libraries", ", ".join(f"{name} {version_of(name)}" for name in LISTENING))


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution, or ``missing``."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def limits(subject: Subject) -> Iterator[Finding]:
    """Check how many open files a process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    words = f"{soft} open files per process"
    if soft < _LEAST_FILES:
        do = f"`ulimit -n {min(hard, 4096)}`, or LimitNOFILE=4096 in the unit"
        yield problem("limits", words, do)
    else:
        yield ok("limits", words)


def time_sync(subject: Subject) -> Iterator[Finding]:
    """Check whether the kernel's clock is synchronised."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: reads the state, sets nothing
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state == _TIME_ERROR:
        yield note(
            "clock",
            "not synchronised: events and history have the times of this clock",
            "`sudo timedatectl set-ntp true`, then wait a minute",
        )
    elif state < 0:
        yield note("clock", "the kernel does not report whether it is synchronised")
    else:
        yield ok("clock", "synchronised")
