"""Checks of the web page."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from streamgenre.bus.endpoints import http_address
from streamgenre.config.web import check_exposed
from streamgenre.doctor.finding import note, ok, problem
from streamgenre.errors import SettingsError
from streamgenre.system.listening import listen_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.config.web import WebSettings
    from streamgenre.doctor.finding import Finding, Subject

_MODULES: Final = ("starlette", "uvicorn", "jinja2")
_PATIENCE_S: Final = 5.0


def web(subject: Subject) -> Iterator[Finding]:
    """Check whether the page can be served, or is."""
    settings = subject.web
    if settings is None or settings.listen is None:
        return
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        yield problem("web", f"{missing[0]} is not installed", "`pip install 'streamgenre[web]'`")
    try:
        check_exposed(settings, settings.listen)
    except SettingsError as error:
        yield problem("web", str(error), "see docs/web.md")
    yield from _login_file(settings)
    address = http_address(settings.listen)
    if address is not None and address[1] != 0:
        yield _port(*address)


def _login_file(settings: WebSettings) -> Iterator[Finding]:
    path = settings.login_path
    try:
        found = path.stat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        advice = "remove it, and set a new password with `streamgenre web passwd`"
        yield problem("web", f"{path} has mode {mode:o}: other users may have read it", advice)
    elif not os.access(path, os.R_OK):
        yield note(
            "web",
            f"{path} belongs to another user",
            "set the password as the user that serves the page",
        )
    else:
        yield ok("web", f"a login is needed: {path}")


def _port(host: str, port: int) -> Finding:
    try:
        listen_on(host, port, "web.listen").close()
    except SettingsError as error:
        return _answer(host, port) or problem("web", str(error), "listen on another port")
    return ok("web", f"port {port} is free: no page is served")


def _answer(host: str, port: int) -> Finding | None:
    """Return what a page there says about itself; None if it is not one."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://{f'[{local}]' if ':' in local else local}:{port}/readyz"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_PATIENCE_S) as answer:
            ready = b'"ready"' in answer.read(1000)
        return ok("web", f"a page is served on port {port}") if ready else None
    except HTTPError as error:
        text = error.read(2000).decode("utf-8", "replace")
        if '"ready"' not in text:
            return None
        return problem("web", f"the page on port {port} is not ready: {text}", "see docs/web.md")
    except (URLError, OSError):
        return None
