"""Bytes over a connection of their own, as broken and hostile HTTP clients send them."""

from __future__ import annotations

import re
import resource
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

if TYPE_CHECKING:
    from support.web_site import Site


def address(site: Site) -> tuple[str, int]:
    """Return host and port of a page."""
    parts = urlsplit(site.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def connect(site: Site, timeout: float = 60) -> socket.socket:
    """Return a connection to a page."""
    return socket.create_connection(address(site), timeout=timeout)


def exchange(site: Site, sent: bytes, *, ends: bool = False) -> bytes:
    """Send bytes; return everything that comes until the page closes the connection.

    ``ends`` says that nothing more will come; the page may then close before it answers.
    """
    with connect(site) as connection:
        with suppress(OSError):
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        found = b""
        with suppress(OSError):
            while part := connection.recv(65_536):
                found += part
        return found


def statuses(answers: bytes) -> list[int]:
    """Return the status codes of all answers in the bytes of a connection."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answers)]


def memory(site: Site) -> int:
    """Return the resident memory of a page's process in bytes."""
    return int(psutil.Process(site.process.pid).memory_info().rss)


def files(site: Site) -> int:
    """Return the number of open files of a page's process."""
    return len(list(Path(f"/proc/{site.process.pid}/fd").iterdir()))


def allow_files(count: int) -> bool:
    """Let this process open so many files; return whether that is possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return True
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True
