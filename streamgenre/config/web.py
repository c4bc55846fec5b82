"""Settings of the web page, in the same files as those of the daemon.

This module needs nothing of the daemon: the page may run where only the client is installed.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from streamgenre.bus.endpoints import address_problem, http_address
from streamgenre.config.layers import SettingsTree, config_files, merge, read_environment, read_file
from streamgenre.config.tables import place_of, settings_of
from streamgenre.errors import SettingsError
from streamgenre.limits import Checked, check, hints
from streamgenre.paths import config_dir
from streamgenre.urls import port_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL: Final = "expected https://HOST or https://HOST/PREFIX, without a query"
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9_.~-]+)*/?")


def public_url_problem(url: str) -> str:
    """Return why a text is not the address of the page in a browser; an empty text if it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return port_problem(url) or _URL
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and url.isprintable()
    host = parts.hostname or ""
    if not host.isascii():
        with suppress(UnicodeError):
            host = host.encode("idna").decode()
        return f"expected the host as browsers send it: {host}" if host.isascii() else _URL
    fits = parts.scheme in ("http", "https") and host and port != 0 and plain
    return "" if fits and _PREFIX.fullmatch(parts.path) else _URL


def hosts_problem(hosts: str) -> str:
    """Return why a text is not a list of host names; an empty text if it is one."""
    wrong = [name for name in split(hosts) if not _HOST.fullmatch(name)]
    return f"{wrong[0]!r} is not a host name; expected names separated by commas" if wrong else ""


def proxies_problem(proxies: str) -> str:
    """Return why a text is not a list of IP addresses; an empty text if it is one."""
    for each in split(proxies):
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            return f"{each!r} is not an IP address or network; expected them separated by commas"
    return ""


def language_problem(language: str) -> str:
    """Return why a text is not a language of the page; an empty text if it is one."""
    texts = Path(__file__).parents[1] / "web" / "texts"
    known = sorted(path.stem for path in texts.glob("*.toml"))
    return "" if language in known else f"expected one of {', '.join(known)}"


def split(text: str | None) -> tuple[str, ...]:
    """Return the parts of a list that is separated by commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The web page; `listen` starts it, as a process of its own, if `listen` is set here."""

    listen: Annotated[str, Checked(address_problem)] | None = None
    """``HOST:PORT`` or ``:PORT`` on which to serve the page; None for none. Beyond loopback, a
    password or token is required."""
    public_url: Annotated[str, Checked(public_url_problem)] | None = None
    """Address of the page in browsers if it is behind a reverse proxy, such as
    ``https://studio.example/radio``; None for none."""
    hosts: Annotated[str, Checked(hosts_problem)] | None = None
    """Further host names of the page, separated by commas; None for none. Localhost, the name of
    this machine, IP addresses and the name in ``public_url`` are always accepted."""
    proxies: Annotated[str, Checked(proxies_problem)] | None = None
    """IP addresses or networks of reverse proxies whose ``X-Forwarded-For`` is believed, separated
    by commas; None for this machine if ``public_url`` is set."""
    login_file: Path | None = None
    """File of the password and the tokens, which ``streamgenre web passwd`` writes; None for
    ``web-login.json`` beside the user's configuration."""
    login: Literal["auto", "proxy"] = "auto"
    """``auto`` asks for a password or token if there is one, and beyond loopback; ``proxy`` never
    asks: the reverse proxy does. It is only possible on loopback."""
    allow_control: bool = False
    """Whether the page may change anything: reset stations, reload the configuration."""
    language: Annotated[str, Checked(language_problem)] | None = None
    """Language of the page, such as ``de``; None for that of the browser."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def prefix(self) -> str:
        """Path of ``public_url`` without a slash at the end; may be empty."""
        return urlsplit(self.public_url or "").path.rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether browsers reach the page over TLS."""
        return (self.public_url or "").lower().startswith("https:")

    @property
    def login_path(self) -> Path:
        """File of the password and the tokens."""
        return self.login_file or default_login_file()


def default_login_file() -> Path:
    """Return where the password and the tokens are kept unless a file is given."""
    return config_dir() / "web-login.json"


def is_exposed(address: str) -> bool:
    """Return whether other machines can reach ``HOST:PORT``."""
    found = http_address(address)
    host = found[0] if found else address
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def check_exposed(settings: WebSettings, address: str) -> None:
    """Refuse to serve other machines without a login.

    Parameters
    ----------
    settings
        The settings.
    address
        ``HOST:PORT`` to serve on.

    Raises
    ------
    SettingsError
        If other machines can reach the address, and there is neither password nor token.
    """
    exposed = is_exposed(address)
    if settings.login == "proxy":
        if exposed:
            raise SettingsError(
                f"refusing to serve the page on {address} without a login (--login proxy): other "
                "machines could go around the proxy; listen on 127.0.0.1"
            )
        return
    if (exposed or settings.public_url) and not settings.login_path.exists():
        given = f" --login-file {settings.login_file}" if settings.login_file else ""
        where = address if exposed else settings.public_url
        raise SettingsError(
            f"refusing to serve the page on {where} without a password: anyone who reaches it "
            f"could watch. Set one with `streamgenre web passwd{given}` (or make a token for "
            f"programs with `streamgenre web token new NAME{given}`), "
            + (
                "or listen on 127.0.0.1"
                if exposed
                else "or, if the proxy asks for one, add --login proxy"
            )
        )


def load_web(
    given: str | None, environment: Mapping[str, str], flags: SettingsTree
) -> tuple[WebSettings, dict[str, Any]]:
    """Return the settings of the web page; of the rest of the files only what it needs.

    Parameters
    ----------
    given
        The only file to read; None for those of the system and the user.
    environment
        Environment variables by name.
    flags
        Settings of the command line, which override the others.

    Returns
    -------
    settings : WebSettings
        The settings.
    daemon : dict
        What the files say about the daemon, by dotted key: ``bus.publish``, ``bus.control``,
        ``history.path``, ``clips.folder``; only the keys that are set.

    Raises
    ------
    SettingsError
        If anything in the table ``[web]`` is wrong.
    """
    wanted = [("bus", "publish"), ("bus", "control"), ("history", "path")]
    wanted.append(("clips", "folder"))
    paths = [("web", name) for name in hints(WebSettings)]
    variables = read_environment(environment, [*paths, *wanted])
    both = merge(*map(read_file, config_files(given)), variables)
    tree = both.get("web", SettingsTree())
    if not isinstance(tree, SettingsTree):
        raise SettingsError(f"{place_of(tree)}web: expected a table")
    problems: list[str] = []
    settings = settings_of(WebSettings, merge(tree, flags), ("web",), problems)
    if problems:
        raise SettingsError("\n".join(problems))
    daemon = {}
    for table, key in wanted:
        found = both.get(table)
        value = getattr(found.get(key) if isinstance(found, dict) else None, "value", None)
        if isinstance(value, str):
            daemon[f"{table}.{key}"] = value
    return settings, daemon
