"""Who may use the page: sessions in a cookie for people, tokens for programs."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.config.web import is_exposed, split
from streamgenre.errors import SettingsError
from streamgenre.logger import get_logger
from streamgenre.web.logins import Logins, read_logins, stamp
from streamgenre.web.rate_limit import client_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from streamgenre.config.web import WebSettings

COOKIE: Final = "streamgenre"
SESSION_S: Final = 30 * 86_400
"""Seconds that a session lasts; using the page in its second half renews it."""
_MAX_COOKIES: Final = 10
"""Most cookies of our name that are looked at."""
_MAX_ENDED: Final = 10_000
"""Most sessions that are remembered as logged out."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sent a request."""

    kind: str
    """``open`` where no login is needed, ``session`` or ``token``."""
    name: str = ""
    """Random name of the session, or name of the token."""
    ends: float = 0.0
    """UNIX seconds at which the session ends."""


class Auth:
    """Checks who sends a request.

    The login file is read again whenever it changes: a new password ends all sessions, a revoked
    token is refused at once. While the file cannot be used, everyone is refused.

    Parameters
    ----------
    settings
        Where the login file is, and whether other machines can reach the page.

    Raises
    ------
    SettingsError
        If the login file cannot be used.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._path = settings.login_path
        self._stamp = stamp(self._path)
        self._logins = read_logins(self._path)
        self._exposed = is_exposed(settings.listen or "127.0.0.1:0") or bool(settings.public_url)
        self._proxies = [
            ipaddress.ip_network(each, strict=False)
            for each in split(
                settings.proxies or ("127.0.0.1,::1" if settings.public_url else None)
            )
        ]
        self._ended: deque[str] = deque(maxlen=_MAX_ENDED)
        self._key = secrets.token_bytes(32)

    @property
    def logins(self) -> Logins | None:
        """The password and the tokens as of now; None if there are none."""
        found = stamp(self._path)
        if found != self._stamp:
            self._stamp = found
            try:
                self._logins = read_logins(self._path)
            except SettingsError as error:
                _log.error("nobody can log in until this is corrected: %s", error)
                self._logins = Logins()
        return self._logins

    @property
    def required(self) -> bool:
        """Whether a login is needed: there is one, or other machines can reach the page."""
        if self._settings.login == "proxy":
            return False
        return self._exposed or self.logins is not None

    def identify(self, request: HTTPConnection) -> Identity | None:
        """Return who sent a request; None for somebody who has to log in."""
        if not self.required:
            return Identity("open")
        logins = self.logins
        if logins is None:
            return None
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            name = logins.token_name(token.strip())
            return None if name is None else Identity("token", name)
        sessions = (self._session(logins, value) for value in _cookies(request))
        return next((found for found in sessions if found is not None), None)

    # ---- sessions --------------------------------------------------------------------------------

    def new_session(self) -> str:
        """Return the cookie's value of a new session."""
        ends, name = int(time.time()) + SESSION_S, secrets.token_urlsafe(16)
        assert self.logins is not None, "the password was checked before"
        return f"{ends}.{name}.{_signature(self.logins, ends, name)}"

    def end_session(self, identity: Identity) -> None:
        """Refuse a session from now on."""
        self._ended.append(identity.name)

    def _session(self, logins: Logins, cookie: str) -> Identity | None:
        digits, _, rest = cookie.partition(".")
        name, _, signature = rest.partition(".")
        if logins.password is None or not (digits.isascii() and digits.isdigit()):
            return None
        if len(digits) > 12 or not signature.isascii():
            return None
        expected = _signature(logins, int(digits), name)
        if not hmac.compare_digest(signature, expected) or int(digits) < time.time():
            return None
        return None if name in self._ended else Identity("session", name, float(digits))

    # ---- changes ---------------------------------------------------------------------------------

    def csrf_token(self, identity: Identity) -> str:
        """Return what a page must send along to change anything; other sites cannot read it."""
        text = f"{identity.kind} {identity.name}".encode()
        key = self._key if self.logins is None else self.logins.secret.encode()
        return hmac.new(key, b"csrf " + text, hashlib.sha256).hexdigest()

    # ---- clients ---------------------------------------------------------------------------------

    def address(self, request: HTTPConnection) -> str:
        """Return the client's IP address, as a believed proxy says."""
        address = request.client.host if request.client is not None else ""
        hops = request.headers.get("x-forwarded-for", "").split(",")[-20:]
        while hops and self._is_proxy(address):
            forwarded = hops.pop().strip()
            if not forwarded:
                break
            address = forwarded
            if client_of(address) in ("127.0.0.1", "::/64"):
                break  # a client on the proxy's machine, whatever it says before
        return address

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def _cookies(request: HTTPConnection) -> list[str]:
    """Return the values of all cookies of our name: another page on this host may set one too."""
    parts = ";".join(request.headers.getlist("cookie")).split(";")
    named = (part.strip().partition("=") for part in parts)
    return [value for name, _, value in named if name == COOKIE][:_MAX_COOKIES]


def _signature(logins: Logins, ends: int, name: str) -> str:
    text = f"session {ends} {name} {logins.password}".encode()
    return hmac.new(logins.secret.encode(), text, hashlib.sha256).hexdigest()
