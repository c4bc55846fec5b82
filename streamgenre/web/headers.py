"""Headers of every answer, and refusal of requests that another site may have caused."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from h11 import LocalProtocolError
from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from streamgenre.config.web import split

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streamgenre.config.web import WebSettings

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; font-src 'self'; "
    "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No inline script or style, nothing from another host, no frame around the page."""
ALWAYS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Headers of every answer that does not set them itself."""
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@?#\s]+)(?::([0-9]{1,5}))?")


class Headers:
    """Middleware: checks ``Host`` and ``Origin``, sets the prefix, and adds the headers above.

    A page of another site cannot read ours, but its name may be made to point to this machine (DNS
    rebinding): only names of this machine are accepted, and IP addresses, which no such page has.

    Parameters
    ----------
    app
        The application.
    settings
        Which names are accepted, and the prefix.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._settings = settings
        name = socket.gethostname().lower()
        public = urlsplit(settings.public_url or "").hostname
        self._hosts = {
            *("localhost", name, f"{name.partition('.')[0]}.local"),
            *(each.lower() for each in split(settings.hosts)),
            *([public.lower()] if public else []),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix, path = self._settings.prefix, scope["path"]
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            # The proxy may pass the prefix on, or not.
            scope["path"] = path[len(prefix) :] or "/"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if self._settings.secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            # Nonsense after a request has ended the connection before the answer to it.
            with suppress(LocalProtocolError):
                await send(message)

        code, problem = self._problem(scope)
        if problem:
            body = json.dumps({"error": {"code": code, "message": problem}}).encode()
            close = {} if code == 403 else {"Connection": "close"}
            await Response(body, code, close, media_type="application/json")(
                scope, receive, send_with_headers
            )
            return
        await self._app(scope, receive, send_with_headers)

    def _problem(self, scope: Scope) -> tuple[int, str]:
        """Return the status code and why a request is refused, in words; "" if it is not."""
        headers = RequestHeaders(scope=scope)
        if scope["http_version"] not in ("1.0", "1.1"):
            return 505, "expected HTTP/1.0 or HTTP/1.1"
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy may see the end of the body elsewhere (RFC 9112, 6.3).
            return 400, "Content-Length and Transfer-Encoding exclude each other"
        return 403, self._stranger(scope, headers)

    def _stranger(self, scope: Scope, headers: RequestHeaders) -> str:
        """Return why the sender of a request is refused, in words; empty if it is not."""
        host = headers.get("host", "")
        if not self._accepts(host):
            return (
                f"{host[:100]!r} is not a name of this page; if it is one, start the server with "
                "--hosts NAME"
            )
        origin = headers.get("origin")
        if origin is not None and not self._same(origin, host):
            return f"requests from {origin[:100]!r} are refused"
        if headers.get("sec-fetch-site") == "cross-site" and (
            scope["method"] not in ("GET", "HEAD") or headers.get("sec-fetch-mode") != "navigate"
        ):
            return "requests from other sites are refused"
        return ""

    def _accepts(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].strip("[]").rstrip(".").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True

    def _same(self, origin: str, host: str) -> bool:
        """Return whether an origin is this page; a proxy may have changed the host."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        public = urlsplit(self._settings.public_url or "")
        if public.netloc and (parts.scheme, parts.netloc.lower()) == (
            public.scheme,
            public.netloc.lower(),
        ):
            return True
        return parts.netloc.lower() == host.lower() and parts.scheme in ("http", "https")
