"""Where a request goes: the parts of a URL, redirections and the proxy of the environment."""

from __future__ import annotations

import base64
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

from streamgenre.errors import SettingsError

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    """Name as the user wrote it, in ASCII."""
    port: int
    path: str
    """Path and query, in ASCII."""

    @property
    def origin(self) -> str:
        """Scheme and host, with the port if it is not the usual one: the part that may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"{self.scheme}://{host}{'' if self.port == _PORTS[self.scheme] else f':{self.port}'}"
        )

    @property
    def authority(self) -> str:
        """Value of the ``Host`` header."""
        return self.origin.partition("://")[2]


def parse_url(url: str) -> Target:
    """Return the parts of a URL.

    Parameters
    ----------
    url
        ``http://`` or ``https://``; may contain secrets, which no message shows.

    Returns
    -------
    Target
        The parts.

    Raises
    ------
    SettingsError
        If nothing can be posted to the URL.
    """
    wrong = SettingsError("the webhook's URL is malformed: expected https://HOST/…")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise wrong from error
    if (
        parts.scheme not in _PORTS
        or not re.fullmatch(r"[A-Za-z0-9._~:%-]{1,255}", name)
        or not url.isprintable()
        or port == 0
    ):
        raise wrong
    if parts.username is not None:
        raise SettingsError(
            "the webhook's URL has a user name: give it as --user NAME, and its password with "
            "--password-file or in $STREAMGENRE_WEBHOOK_PASSWORD"
        )
    safe = "%/:=&?~+!$,;'@()*[]"
    path = urllib.parse.quote(parts.path or "/", safe=safe)
    query = f"?{urllib.parse.quote(parts.query, safe=safe)}" if parts.query else ""
    return Target(parts.scheme, name, port or _PORTS[parts.scheme], path + query)


def same_host(target: Target, here: Target) -> bool:
    """Whether a target's secrets may be sent to a place that it has redirected to.

    Parameters
    ----------
    target
        The target.
    here
        The place: the same server, or its https instead of http.
    """
    if here == target or (here.scheme, here.host, here.port) == (
        *(target.scheme, target.host, target.port),
    ):
        return True
    upgrade = (target.scheme, target.port, here.scheme, here.port) == ("http", 80, "https", 443)
    return upgrade and here.host == target.host


def redirection(here: Target, location: str) -> Target | None:
    """Return where an answer leads to; None if that is nowhere.

    Parameters
    ----------
    here
        Where the answer came from.
    location
        Its header ``Location``.
    """
    try:
        return parse_url(urllib.parse.urljoin(f"{here.origin}{here.path}", location.strip()))
    except (SettingsError, ValueError):
        return None


def proxy_of(target: Target) -> Target | None:
    """Return the proxy that the environment names for a target, None for none."""
    url = urllib.request.getproxies().get(target.scheme)
    if not url or urllib.request.proxy_bypass(target.host):
        return None
    url = url if "://" in url else f"http://{url}"
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("the proxy of the environment is not http://HOST:PORT")
    login = parts.netloc.rpartition("@")[0]
    return Target("http", parts.hostname, parts.port or 80, login)


def proxy_login(proxy: Target) -> dict[str, str]:
    """Return the header for a proxy that wants a password; its path holds ``USER:PASSWORD``."""
    if not proxy.path:
        return {}
    text = base64.b64encode(urllib.parse.unquote(proxy.path).encode()).decode()
    return {"Proxy-Authorization": f"Basic {text}"}
