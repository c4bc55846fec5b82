"""ZeroMQ and HTTP endpoints of the daemon: checks before they are bound, and binding."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.errors import BusError
from streamgenre.urls import port_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

KEEPALIVE: Final = {
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 5,
    zmq.TCP_KEEPALIVE_INTVL: 2,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
"""TCP probes that detect a machine that is gone, in seconds and probes; for both ends.

libzmq's heartbeats would not do: a reader whose queue is full reads no heartbeats, so they take it
for dead and reconnect it, and libzmq 4.3.5 then aborts the reader's process (libzmq issue 3937)."""
IPC_MODE: Final = 0o600
"""Default file mode of an ``ipc://`` endpoint: only its owner may connect."""
_MAX_PATH: Final = 107
"""Most bytes in the path of a Unix socket."""


def endpoint_problem(endpoint: str) -> str:
    """Return what is wrong with an endpoint to bind, or ""."""
    if endpoint.startswith("ipc://"):
        return _ipc_problem(endpoint.removeprefix("ipc://"))
    if problem := port_problem(endpoint):
        return f"{problem} (expected tcp://127.0.0.1:PORT or ipc://PATH)"
    if not re.fullmatch(r"tcp://(\[[^\]]+\]|[^:\[\]]+):(\*|[0-9]{1,5})", endpoint):
        return "expected tcp://127.0.0.1:PORT or ipc://PATH, or with keys tcp://0.0.0.0:PORT"
    return ""


def http_address(where: str) -> tuple[str, int] | None:
    """Return host and port of ``HOST:PORT``, or of ``:PORT`` on loopback; None for other text."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\[\]]*):([0-9]{1,5})", where)
    if match is None or port_problem(where):
        return None
    return match[1].strip("[]") or "127.0.0.1", int(match[2])


def local_endpoint(publish: str) -> str | None:
    """Return the endpoint at which this machine reaches a bound one; None if that is unknown."""
    if publish.endswith(":*"):
        return None
    local = re.sub(r"^tcp://(\*|0\.0\.0\.0):", "tcp://127.0.0.1:", publish)
    return local.replace("tcp://[::]:", "tcp://[::1]:")


def address_problem(where: str) -> str:
    """Return what is wrong with an address to serve HTTP on, or ""."""
    if http_address(where):
        return ""
    return port_problem(where) or "expected :PORT or HOST:PORT, such as :9757"


def connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Connect a socket to a daemon's endpoint.

    Parameters
    ----------
    socket
        The socket, with all its options set.
    endpoint
        ``tcp://HOST:PORT`` or ``ipc://PATH``.

    Raises
    ------
    BusError
        If the endpoint is malformed.
    """
    wrong = f"cannot connect to {endpoint!r}"
    if endpoint.startswith("tcp://"):
        if problem := port_problem(endpoint):
            raise BusError(f"{wrong}: {problem}")
        if not re.search(r".:0*[1-9][0-9]*$", endpoint):
            raise BusError(f"{wrong}: expected tcp://HOST:PORT, with a port from 1 to 65535")
    try:
        socket.set(zmq.IPV6, int("[" in endpoint))
        socket.connect(endpoint)
    except (zmq.ZMQError, UnicodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        if isinstance(error, UnicodeError):
            why = "its characters are not UTF-8"
        raise BusError(f"{wrong}: expected tcp://HOST:PORT or ipc://PATH ({why})") from error


def needs_keys(endpoint: str) -> bool:
    """Return whether other machines can reach an endpoint.

    Raises
    ------
    BusError
        If the endpoint is malformed.
    """
    if problem := endpoint_problem(endpoint):
        raise BusError(f"cannot bind {endpoint!r}: {problem}")
    if endpoint.startswith("ipc://"):
        return False
    host = endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host not in ("localhost", "lo")


def check_endpoint(endpoint: str, *, keys: bool = False) -> None:
    """Refuse an endpoint that is malformed, or that other machines could reach without keys.

    Parameters
    ----------
    endpoint
        Endpoint to bind.
    keys
        Whether its clients are authenticated.

    Raises
    ------
    BusError
        If the endpoint is refused; the message says what is expected.
    """
    if needs_keys(endpoint) and not keys:
        raise BusError(
            f"refusing to bind {endpoint} without keys: anyone could read the events. "
            "Make a key pair with `streamgenre keys new`, and allow each reader with "
            "`streamgenre keys allow NAME PUBKEY`; or bind tcp://127.0.0.1:PORT"
        )


def bind(bound: zmq.Socket[bytes], endpoint: str, *, flag: str, mode: int = IPC_MODE) -> str:
    """Bind a socket and return the endpoint with the port that it got.

    Parameters
    ----------
    bound
        The socket, with all its options set.
    endpoint
        A checked endpoint.
    flag
        The command line flag that sets it, for the error message.
    mode
        File mode of an ``ipc://`` endpoint.

    Raises
    ------
    BusError
        If the endpoint is in use or cannot be bound.
    """
    try:
        if endpoint.startswith("ipc://"):
            path = Path(endpoint.removeprefix("ipc://"))
            _free_path(path)
            # Never open to other users, not even between bind and chmod.
            with _umask(0o777 & ~(mode & 0o600)):
                bound.bind(endpoint)
            path.chmod(mode)
        else:
            bound.set(zmq.IPV6, int("[" in endpoint))
            bound.bind(endpoint)
    except UnicodeError as error:
        raise BusError(f"cannot bind {endpoint!r} ({flag}): expected UTF-8") from error
    except (zmq.ZMQError, OSError) as error:
        raise BusError(_failure(endpoint, flag, error)) from error
    return bound.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _ipc_problem(path: str) -> str:
    if path.startswith("@"):
        return (
            "an abstract socket has no file mode and is open to every user of this machine; "
            "expected ipc:///PATH/OF/A/FILE"
        )
    if not path or len(os.fsencode(path)) > _MAX_PATH:
        return f"expected ipc:// and the path of a socket, of 1 to {_MAX_PATH} bytes"
    return ""


def _free_path(path: Path) -> None:
    """Refuse a path that is in use: ZeroMQ would delete whatever is there."""
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found):
        raise BusError(f"cannot bind ipc://{path}: a file of this name exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return  # left over from a daemon that was killed
    raise OSError(zmq.EADDRINUSE, os.strerror(zmq.EADDRINUSE))


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _failure(endpoint: str, flag: str, error: OSError | zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return (
            f"cannot bind {endpoint}: in use, perhaps by another streamgenre. Stop that one, or "
            f"choose another port with {flag} tcp://127.0.0.1:5758 (or tcp://127.0.0.1:* for any "
            "free one)"
        )
    return f"cannot bind {endpoint} ({flag}): {error.strerror}"
