"""A worker process of this machine: ``python -m streamgenre.worker DESCRIPTOR PARENT``.

DESCRIPTOR is a connected socket, the link to the daemon; PARENT is the daemon's process identifier.
The process ends with the daemon: the kernel kills it when its parent dies (``PR_SET_PDEATHSIG``),
and it exits when the link closes. Signals that a terminal or systemd sends to the whole group are
for the daemon alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_OOM_SCORE: Final = "500"
"""If memory is short, the kernel ends a worker before the daemon."""


def main() -> None:
    """Work for the daemon at the other end of the socket."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return  # it died before
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    from streamgenre.system.quiet_libraries import quiet_libraries
    from streamgenre.worker.link import BUFFER, SocketLink
    from streamgenre.worker.serve import serve

    connection = socket.socket(fileno=descriptor)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    with quiet_libraries():
        serve(SocketLink(connection), lambda: os._exit(0))
    # Threads that hang in a library must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
