"""``streamgenre web``."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bus.endpoints import http_address, local_endpoint
from streamgenre.cli.arguments_web import LISTEN
from streamgenre.cli.connecting import keys_folder
from streamgenre.clips.settings import default_folder as default_clips
from streamgenre.config.layers import Setting, SettingsTree, put
from streamgenre.config.site import SiteSettings
from streamgenre.config.web import check_exposed, load_web
from streamgenre.defaults import ENDPOINT
from streamgenre.errors import SettingsError
from streamgenre.history.places import place
from streamgenre.history.settings import default_path
from streamgenre.paths import expand
from streamgenre.system.listening import address_of, listen_on
from streamgenre.system.logs import logging_to_user
from streamgenre.urls import shown

if TYPE_CHECKING:
    import argparse

    from streamgenre.config.web import WebSettings

_KEYS: Final = {
    "listen": "listen",
    "public_url": "public_url",
    "hosts": "hosts",
    "proxies": "proxies",
    "login_file": "login_file",
    "login": "login",
    "allow_control": "allow_control",
    "language": "language",
}
"""The key under ``[web]`` that each flag sets."""


def run(args: argparse.Namespace) -> int:
    """Serve the page until a signal, or do what the action says."""
    if args.supervised is not None:
        return _supervised(args.supervised)
    if args.action is not None:
        from streamgenre.cli.web_logins import run as change_logins

        return change_logins(args, _web_settings(args)[0].login_path)
    settings = _settings(args)
    where = settings.web.listen or LISTEN
    check_exposed(settings.web, where)
    found = http_address(where)
    if found is None:
        raise SettingsError(f"--listen {where}: expected HOST:PORT")
    from streamgenre.web.serve import serve

    listening = listen_on(*found, "--listen")
    shown = settings.web.public_url or f"http://{address_of(listening)}{settings.web.prefix}/"
    settings = replace(settings, web=replace(settings.web, listen=where))

    def say() -> None:
        print(f"serving {shown} (Ctrl-C ends it)", flush=True)

    with logging_to_user():
        return serve(settings, listening, started=say)


def _supervised(descriptor: int) -> int:
    """Serve what the daemon writes to standard input until it closes that."""
    os.nice(10)  # listening comes first
    with suppress(OSError):
        # Where memory runs out, the page goes rather than the daemon.
        Path("/proc/self/oom_score_adj").write_text("500", "utf-8")
    settings = SiteSettings.from_json(sys.stdin.readline())
    from streamgenre.web.serve import serve

    with logging_to_user("warning"):
        return serve(settings, socket.socket(fileno=descriptor), until=sys.stdin.read)


def _web_settings(args: argparse.Namespace) -> tuple[WebSettings, dict[str, Any]]:
    flags = SettingsTree()
    for flag, key in _KEYS.items():
        value = getattr(args, flag)
        if value is not None:
            put(flags, (key,), Setting(value, f"--{flag.replace('_', '-')}"))
    return load_web(args.config, os.environ, flags)


def _settings(args: argparse.Namespace) -> SiteSettings:
    web, daemon = _web_settings(args)
    connect: list[str] = args.connect or []
    if not connect and not args.no_live:
        publish = daemon.get("bus.publish")
        connect = [local_endpoint(publish) or ENDPOINT if publish else ENDPOINT]
    history = args.history or daemon.get("history.path")
    try:
        where = default_path() if history is None else place(history)
    except SettingsError as error:
        raise SettingsError(f"--history {shown(str(history))!r}: {error}") from error
    return SiteSettings(
        web=web,
        connect=tuple(connect),
        server_key=tuple(args.server_key or ()),
        keys=keys_folder(args) if args.server_key else None,
        stations=tuple(args.station or ()),
        control=args.control or daemon.get("bus.control"),
        history=where,
        clips=expand(daemon["clips.folder"]) if "clips.folder" in daemon else default_clips(),
    )
