"""Settings of the bridges, in the same files as those of the daemon.

This module needs nothing of the daemon: a bridge may run where only the client is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the types are read
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from streamgenre.config.layers import SettingsTree, config_files, merge, read_environment, read_file
from streamgenre.config.tables import place_of, settings_of
from streamgenre.defaults import BROKER
from streamgenre.errors import SettingsError
from streamgenre.limits import Checked, Range, Secret, check, hints
from streamgenre.sources.stream.settings import (
    NO_HEADERS,
    Headers,
    headers_problem,
    value_problem,
)
from streamgenre.urls import port_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_BROKER: Final = "expected mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT]"
_URL: Final = "expected https://HOST/…"


def broker_problem(url: str) -> str:
    """Return why a text is not the address of an MQTT broker; an empty text if it is one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return port_problem(url) or _BROKER
    if parts.password is not None:
        return (
            "no password here, other users of this machine could read it; give it in "
            "$STREAMGENRE_MQTT_PASSWORD or with --password-file"
        )
    fits = parts.scheme in ("mqtt", "mqtts") and parts.hostname and parts.path in ("", "/")
    return "" if fits and port != 0 and url.isprintable() else _BROKER


def topic_problem(topic: str) -> str:
    """Return why a text is not a prefix of MQTT topics; an empty text if it is one."""
    wrong = set(topic) & set("+#\0") or topic.startswith("$") or not topic.strip("/")
    return "expected an MQTT topic without + and #" if wrong or len(topic) > 200 else ""


def discovery_problem(topic: str) -> str:
    """Return why a text is not a prefix of discovery topics or empty; an empty text if it is."""
    return topic_problem(topic) if topic else ""


def url_problem(url: str) -> str:
    """Return why nothing can be posted to a URL, without the URL; an empty text if it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return port_problem(url) or _URL
    if parts.username is not None:
        return "no user name here; expected it as user, and the password in password_file"
    fits = parts.scheme in ("http", "https") and parts.hostname and url.isprintable()
    return "" if fits and port != 0 else _URL


def user_problem(name: str) -> str:
    """Return why a text is not a user's name for HTTP; an empty text if it is one."""
    fits = name.isprintable() and ":" not in name and name
    return "" if fits else "expected a name of printable characters without a colon"


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where `streamgenre bridge mqtt` publishes."""

    broker: Annotated[str, Checked(broker_problem)] = BROKER
    """Address of the broker: ``mqtt://[USER@]HOST[:PORT]``, or ``mqtts://`` for TLS."""
    password_file: Path | None = None
    """File with the broker's password; None for ``$STREAMGENRE_MQTT_PASSWORD``."""
    ca_file: Path | None = None
    """File of CA certificates (PEM) to trust with ``mqtts``; None for those of the system."""
    prefix: Annotated[str, Checked(topic_problem)] = "streamgenre"
    """First part of every topic."""
    discovery: Annotated[str, Checked(discovery_problem)] = "homeassistant"
    """Prefix of Home Assistant's discovery topics; empty for none."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """What `streamgenre bridge webhook` posts, and where to."""

    url: Annotated[str, Secret(), Checked(url_problem)] | None = None
    """URL to post to; None for ``$STREAMGENRE_WEBHOOK_URL``. Never shown."""
    on: Literal["all", "segment", "dead-air"] = "all"
    """What is posted: finished segments; dead air and stations without updates; or both."""
    dead_air_after_s: Annotated[float, Range(0, 1e6, "seconds", above=True)] = 30.0
    """Seconds without updates, or with the source lost, after which a station is reported."""
    format: Literal["json", "slack", "discord", "ntfy", "apprise"] = "json"
    """The body: the event itself as JSON, or a message for a known service."""
    template: str | None = None
    """The body as a text with ``$NAME`` for fields of the event, instead of ``format``."""
    template_file: Path | None = None
    """File with such a text."""
    content_type: Annotated[str, Checked(value_problem)] | None = None
    """Header ``Content-Type``; None for that of the format, or JSON for a template."""
    headers: Annotated[Headers, Secret(), Checked(headers_problem)] = NO_HEADERS
    """Further headers as a table: ``{ X-Token = "…" }``. Never shown."""
    token_file: Path | None = None
    """File with a token for ``Authorization: Bearer``; None for ``$STREAMGENRE_WEBHOOK_TOKEN``."""
    user: Annotated[str, Checked(user_problem)] | None = None
    """User for ``Authorization: Basic``; None for none."""
    password_file: Path | None = None
    """File with the user's password; None for ``$STREAMGENRE_WEBHOOK_PASSWORD``."""
    ca_file: Path | None = None
    """File of CA certificates (PEM) to trust with ``https``; None for those of the system."""
    timeout_s: Annotated[float, Range(1, 300, "seconds")] = 10.0
    """Seconds for one attempt, from the look-up of the name to the end of the answer."""
    spool: Path | None = None
    """File in which events wait until they are delivered; None for one in the state folder."""
    spool_mb: Annotated[float, Range(0.1, 10_000, "millions of bytes")] = 10.0
    """Size of the waiting events in millions of bytes above which the oldest are dropped."""
    spool_hours: Annotated[float, Range(0, 8784, "hours", above=True)] = 24.0
    """Hours after which an undelivered event is dropped."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Which daemon the bridges read, in their own processes; `listen` ignores this."""

    connect: str | None = None
    """Endpoint of the daemon; None for ``bus.publish`` of the same file."""
    server_key: str | None = None
    """Public key of the daemon, where it admits only clients with keys; None for none."""
    keys: Path | None = None
    """Folder of the bridge's own keys; None for ``keys`` beside the user's configuration."""
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    """Where `streamgenre bridge mqtt` publishes."""
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    """What `streamgenre bridge webhook` posts, and where to."""

    def __post_init__(self) -> None:
        check(self)


def load_bridges(
    given: str | None, environment: Mapping[str, str], flags: SettingsTree
) -> tuple[BridgeSettings, str | None]:
    """Return the settings of the bridges; the rest of the files is not checked.

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
    settings : BridgeSettings
        The settings.
    publish : str or None
        Endpoint on which the daemon of these files publishes; None if they do not say.

    Raises
    ------
    SettingsError
        If anything in the bridges' tables is wrong.
    """
    paths = [("bridge", *path) for path in _paths(BridgeSettings)]
    variables = read_environment(environment, [*paths, ("bus", "publish")])
    both = merge(*map(read_file, config_files(given)), variables)
    problems: list[str] = []
    tree = both.get("bridge", SettingsTree())
    if not isinstance(tree, SettingsTree):
        raise SettingsError(f"{place_of(tree)}bridge: expected a table")
    settings = settings_of(BridgeSettings, merge(tree, flags), ("bridge",), problems)
    if problems:
        raise SettingsError("\n".join(problems))
    bus = both.get("bus")
    publish = bus.get("publish") if isinstance(bus, dict) else None
    value = getattr(publish, "value", None)
    return settings, value if isinstance(value, str) else None


def _paths(cls: type) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, hint in hints(cls).items():
        nested = isinstance(hint, type) and hasattr(hint, "__dataclass_fields__")
        found += [(name, *rest) for rest in _paths(hint)] if nested else [(name,)]
    return found
