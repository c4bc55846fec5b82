"""Names and addresses of servers: looked up in time, and kept out of private networks."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamgenre.errors import InputError
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

Found: TypeAlias = tuple[int, int, int, str, Any]
"""One address as :func:`socket.getaddrinfo` returns it."""
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses that are given to hosts on the internet."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses in networks without IPv4."""
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
"""An obsolete form of the same."""


class PrivateAddressError(Exception):
    """A server is at an address that is not public; the message says which."""


def look_up(host: str, port: int, until: float) -> list[Found]:
    """Return the addresses of a server.

    The system's resolver cannot be interrupted, so it runs in a thread of its own. One that hangs
    is waited for again by the next call for the same server.

    Parameters
    ----------
    host
        Name or address.
    port
        TCP port.
    until
        Monotonic seconds at which to give up.

    Raises
    ------
    TimeoutError
        If the resolver does not answer in time.
    OSError
        If there is no such host.
    """
    try:
        return _resolve(host, port, socket.AI_NUMERICHOST)
    except OSError:
        pass  # a name
    with _LOCK:
        lookup = _PENDING.get((host, port))
        if lookup is None:
            lookup = _PENDING[host, port] = _Lookup(host, port)
            lookup.start()
    lookup.join(max(0.0, until - time.monotonic()))
    if lookup.error is not None:
        raise lookup.error
    if lookup.found is None:
        raise TimeoutError
    return lookup.found


def _resolve(host: str, port: int, flags: int = 0) -> list[Found]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"look-up-{host[:40]}", daemon=True)
        self._server = (host, port)
        self.found: list[Found] | None = None
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            self.found = _resolve(*self._server)
        except OSError as error:
            self.error = error
        except UnicodeError:  # a name that IDNA does not allow
            self.error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        finally:
            with _LOCK:
                del _PENDING[self._server]


_LOCK: Final = threading.Lock()
_PENDING: Final[dict[tuple[str, int], _Lookup]] = {}


def public(found: Iterable[Found]) -> list[Found]:
    """Return those addresses that are public.

    Raises
    ------
    PrivateAddressError
        If none of them is.
    """
    addresses = list(found)
    kept = [each for each in addresses if is_public(str(each[4][0]))]
    if not kept:
        shown = str(addresses[0][4][0]) if addresses else "none"
        raise PrivateAddressError(f"{shown} is not a public address, and allow_private is false")
    return kept


def is_public(text: str) -> bool:
    """Whether an address is on the public internet.

    Those of IPv4 that an IPv6 address contains are checked as well.
    """
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(
        each.is_global and not each.is_multicast and (each.version == 4 or each in _UNICAST)
        for each in _contained(address)
    )


def _contained(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64 or address in _COMPATIBLE:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    inner = [address.sixtofour, *(address.teredo or ())]
    return [address, *(each for each in inner if each is not None)]


def require_public(url: str, within_s: float) -> None:
    """Raise :class:`InputError` if a URL's server is not, or not only, at public addresses.

    For connections that FFmpeg makes: it looks the name up again, so that a name server which gives
    another answer then is not detected.

    Parameters
    ----------
    url
        URL with a host.
    within_s
        Seconds the look-up may take.
    """
    shown = redacted(url)
    try:
        parts = urllib.parse.urlsplit(url)
        found = look_up(parts.hostname or "", parts.port or 80, time.monotonic() + within_s)
        for each in found:
            public([each])
    except PrivateAddressError as error:
        raise InputError(f"{shown}: {error}") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "no answer from the name service"
        raise InputError(f"{shown}: cannot be reached ({cause})") from None
