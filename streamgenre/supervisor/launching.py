"""How workers are started, and how they are seen from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from streamgenre.worker.link import BUFFER, SocketDaemonLink

if TYPE_CHECKING:
    from streamgenre.worker.link import DaemonLink

_START: Final = (
    "import sys; sys.path.append(sys.argv.pop()); "
    "from streamgenre.worker.__main__ import main; main()"
)
_REAP_S: Final = 1.0
"""Seconds that a killed process has to end."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Handle(Protocol):
    """A worker that was started."""

    link: DaemonLink
    """The daemon's end of its link."""
    pid: int | None
    """Its process identifier; None if it is on another machine."""
    node: str | None
    """Name of the machine that it runs on; None for this one."""
    innocent: bool
    """Whether its stations had no part in its end: its machine was lost, or it had to move."""

    def rss_bytes(self) -> int | None:
        """Return its resident memory as this machine sees it; None if that cannot be seen."""

    def end(self) -> str:
        """Make sure that it has ended; return in words how: ``ended by signal 11 (SIGSEGV)``.

        Called when the link has ended, or to end a worker that does not answer.
        """


class Launcher(Protocol):
    """Starts workers."""

    def start(self, name: str) -> Handle:
        """Start a worker; called in the supervisor's thread. Must not wait for it.

        Parameters
        ----------
        name
            Its name.

        Raises
        ------
        OSError
            If it cannot be started now.
        """

    def capacity(self) -> int | None:
        """Return how many workers there is room for; None for no opinion.

        A cluster answers with what its machines have; the supervisor then follows it.
        """


class LocalLauncher:
    """Starts workers as processes of this machine."""

    def start(self, name: str) -> LocalHandle:
        """See :meth:`Launcher.start`."""
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            number = theirs.fileno()
            try:
                process = subprocess.Popen(
                    # -P: nothing is imported from the folder that the daemon happens to run in.
                    [
                        *(sys.executable, "-P", "-c", _START),
                        *(str(number), str(os.getpid()), f"worker {name}"),
                        str(Path(__file__).parents[2]),
                    ],
                    pass_fds=(number,),
                    stdout=subprocess.DEVNULL,
                    # One BLAS thread; few memory arenas: a decoder's thread would have its own.
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
                    start_new_session=True,  # Ctrl-C is for the daemon alone
                )
            except OSError:
                ours.close()
                raise
        return LocalHandle(process, SocketDaemonLink(ours))

    def capacity(self) -> int | None:
        """See :meth:`Launcher.capacity`."""
        return None


class LocalHandle:
    """A worker process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], link: SocketDaemonLink) -> None:
        self._process = process
        self.link: DaemonLink = link
        self.pid: int | None = process.pid
        self.node: str | None = None
        self.innocent = False

    def rss_bytes(self) -> int | None:
        """See :meth:`Handle.rss_bytes`."""
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()
            return int(fields[1]) * _PAGE
        return None

    def end(self) -> str:
        """See :meth:`Handle.end`."""
        with suppress(subprocess.TimeoutExpired):
            # Its link ends a moment before it does.
            self._process.wait(0.2 if self.link.ended else 0)
        self._process.kill()
        try:
            code = self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            return "hangs in the kernel and cannot be ended"
        return how(code)


def how(code: int) -> str:
    """Return in words how a process ended, by its exit code; a negative one is a signal's."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by signal {-code} ({signal.Signals(-code).name})"
    return f"ended by signal {-code}"
