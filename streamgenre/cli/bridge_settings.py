"""The settings of ``streamgenre bridge``: files, variables and flags, with their secrets."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.bus.endpoints import local_endpoint
from streamgenre.cli.arguments_bridge import DEAD_AIR_AFTER_S, DISCOVERY, PREFIX
from streamgenre.config.bridges import load_bridges
from streamgenre.config.layers import Setting, SettingsTree, put
from streamgenre.config.reading import read_bounded
from streamgenre.defaults import BROKER
from streamgenre.errors import SettingsError
from streamgenre.sources.stream.settings import Headers, headers_problem

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from streamgenre.bridges.webhook import Receiver
    from streamgenre.config.bridges import BridgeSettings, WebhookSettings

_MAX_SECRET: Final = 1 << 16
_KEYS: Final = {
    "mqtt": {
        "broker": "broker",
        "password_file": "password_file",
        "ca": "ca_file",
        "prefix": "prefix",
        "discovery": "discovery",
    },
    "webhook": {
        "url": "url",
        "dead_air_after": "dead_air_after_s",
        "format": "format",
        "template": "template",
        "template_file": "template_file",
        "content_type": "content_type",
        "token_file": "token_file",
        "user": "user",
        "password_file": "password_file",
        "ca": "ca_file",
        "timeout": "timeout_s",
        "spool": "spool",
        "spool_mb": "spool_mb",
        "spool_hours": "spool_hours",
    },
}
"""The key under ``[bridge.KIND]`` that each flag sets."""
_DEFAULTS: Final = (None, BROKER, PREFIX, DISCOVERY, DEAD_AIR_AFTER_S)


def bridge_settings(args: argparse.Namespace) -> BridgeSettings:
    """Return the settings of files, variables and flags.

    Flags of the connection to the daemon that were not given are set in ``args``.

    Parameters
    ----------
    args
        The flags.

    Returns
    -------
    BridgeSettings
        The settings.

    Raises
    ------
    SettingsError
        If a setting is wrong.
    """
    flags = SettingsTree()
    for name, key in _KEYS[args.kind].items():
        value = getattr(args, name)
        if not any(value is default for default in _DEFAULTS):
            put(flags, (args.kind, key), Setting(value, f"--{name.replace('_', '-')}"))
    settings, publish = load_bridges(args.config, os.environ, flags)
    if args.connect is None:
        found = settings.connect or (local_endpoint(publish) if publish else None)
        args.connect = [found] if found else None
        if args.server_key is None and settings.server_key:
            args.server_key = [settings.server_key]
    if args.keys is None and settings.keys is not None:
        args.keys = str(settings.keys)
    return settings


def webhook_receiver(args: argparse.Namespace, webhook: WebhookSettings) -> Receiver:
    """Return how the receiver is asked.

    Parameters
    ----------
    args
        The flags.
    webhook
        The settings.

    Returns
    -------
    Receiver
        Headers, body format and TLS.

    Raises
    ------
    SettingsError
        If a file cannot be used, or settings contradict each other.
    """
    from streamgenre.bridges.bodies import MAX_TEMPLATE, body_format
    from streamgenre.bridges.tls import tls_context
    from streamgenre.bridges.webhook import Receiver, basic, bearer

    template = webhook.template if args.template_file is None or args.template else None
    if template is None and webhook.template_file is not None:
        template = _read(webhook.template_file, "--template-file", 4 * MAX_TEMPLATE)
    headers = {**dict(webhook.headers), **dict(_headers(args.header or []))}
    token = read_secret(webhook.token_file, "STREAMGENRE_WEBHOOK_TOKEN")
    if webhook.user is not None:
        if token is not None:
            raise SettingsError("a user and a token: expected only one of them")
        password = read_secret(webhook.password_file, "STREAMGENRE_WEBHOOK_PASSWORD")
        headers |= basic(webhook.user, password or "")
    elif token is not None:
        if not re.fullmatch(r"[!-~]{1,4096}", token):
            raise SettingsError("the token: expected printable ASCII characters without spaces")
        headers |= bearer(token)
    return Receiver(
        headers=headers,
        format=body_format(webhook.format, template, webhook.content_type),
        context=tls_context(webhook.ca_file),
        timeout_s=webhook.timeout_s,
    )


def bridge_problems(settings: BridgeSettings) -> list[str]:
    """Return what a bridge would refuse when it starts, beyond single values.

    Parameters
    ----------
    settings
        Valid settings.

    Returns
    -------
    list of str
        The errors.
    """
    from streamgenre.bridges.bodies import MAX_TEMPLATE, body_format
    from streamgenre.bridges.tls import tls_context

    webhook, problems = settings.webhook, []
    try:
        template = webhook.template
        if template is None and webhook.template_file is not None:
            template = _read(webhook.template_file, "template_file", 4 * MAX_TEMPLATE)
        body_format(webhook.format, template, webhook.content_type)
    except SettingsError as error:
        problems.append(f"[bridge.webhook] {error}")
    for name, file in (("mqtt", settings.mqtt.ca_file), ("webhook", webhook.ca_file)):
        try:
            tls_context(file, "ca_file")
        except SettingsError as error:
            problems.append(f"[bridge.{name}] {error}")
    return problems


def _headers(lines: list[str]) -> Headers:
    """Return the headers of the command line."""
    if not all(":" in line for line in lines):
        raise SettingsError("--header: expected 'NAME: VALUE'")
    parts = [line.partition(":") for line in lines]
    headers = Headers((name.strip(), value.strip()) for name, _, value in parts)
    if problem := headers_problem(headers):
        raise SettingsError(f"--header: {problem}")
    return headers


def read_secret(file: Path | None, variable: str) -> str | None:
    """Return a secret.

    Parameters
    ----------
    file
        File that holds it; None for none.
    variable
        Environment variable that holds it if no file does.

    Returns
    -------
    str or None
        The secret; None if there is none.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    if file is None:
        return os.environ.get(variable) or None
    return _read(file, "--password-file" if "PASSWORD" in variable else "--token-file", _MAX_SECRET)


def _read(file: Path, flag: str, limit: int) -> str:
    """Return the text of a small file without the end of its last line."""
    try:
        data = read_bounded(file, limit)
        if len(data) > limit:
            raise SettingsError(f"{flag} {file}: longer than {limit} bytes")
        return data.decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"{flag} {file}: cannot be read: {why}") from error


def say(line: str) -> None:
    """Print a line for the user on standard error."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in line)
    with suppress(OSError):  # nobody reads any more
        print(f"streamgenre: {shown}", file=sys.stderr, flush=True)
