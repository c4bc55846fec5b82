"""``streamgenre bridge``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.cli.connecting import endpoints, subscribe
from streamgenre.errors import SettingsError
from streamgenre.events import from_json
from streamgenre.system.signals import stop_on_signals

if TYPE_CHECKING:
    import argparse

_WAIT_S: Final = 0.2


def run(args: argparse.Namespace) -> int:
    """Forward events until a signal asks to stop."""
    return _mqtt(args) if args.kind == "mqtt" else _webhook(args)


def _mqtt(args: argparse.Namespace) -> int:
    from streamgenre.bridges.mqtt import MqttBridge, parse_broker

    broker = parse_broker(args.broker, password=_password(args), ca=args.ca)
    # Where several daemons have the stations, nobody knows which daemon a station has left.
    one = len(args.connect or [""]) == 1
    bridge = MqttBridge(
        broker,
        args.prefix,
        args.discovery,
        _say,
        instance=(endpoints(args), *sorted(args.station or ())),
    )
    with (
        stop_on_signals() as stop,
        subscribe(args, on_link=lambda link: bridge.daemon_is(link.state == "live")) as subscriber,
    ):
        bridge.daemon_is(False)
        bridge.start()
        try:
            while not stop.is_set():
                text = subscriber.receive_json(timeout=_WAIT_S)
                if text is not None:
                    bridge.take(from_json(text), text.decode())
                if one:
                    live = subscriber.link.state == "live"
                    bridge.check_presence(live, subscriber.connections, time.monotonic())
        finally:
            bridge.close()
    return 0


def _password(args: argparse.Namespace) -> str | None:
    if args.password_file is None:
        return os.environ.get("STREAMGENRE_MQTT_PASSWORD")
    try:
        return Path(args.password_file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--password-file {args.password_file}: {error}") from error


def _webhook(args: argparse.Namespace) -> int:
    from streamgenre.bridges.posts import EVENT_TYPES, PostSelector
    from streamgenre.bridges.webhook import Webhook

    url = args.url or os.environ.get("STREAMGENRE_WEBHOOK_URL")
    if not url:
        raise SettingsError("no URL: give --url URL, or set $STREAMGENRE_WEBHOOK_URL")
    if not 0 < args.dead_air_after < 1e6:
        raise SettingsError(
            f"--dead-air-after {args.dead_air_after}: expected seconds greater than 0"
        )
    selector = PostSelector(args.on or ("segment", "dead-air"), args.dead_air_after)
    with stop_on_signals() as stop, subscribe(args, types=EVENT_TYPES) as events:
        webhook = Webhook(url, _say)
        while not stop.is_set():
            event = events.receive(timeout=_WAIT_S)
            now = time.monotonic()
            if event is not None:
                for body, identifier in selector.take(event, now):
                    webhook.post(body, identifier)
            for body, identifier in selector.due(now, time.time()):
                webhook.post(body, identifier)
        left = webhook.close()
    if left:
        _say(f"{left} events were not delivered")
    return 0


def _say(line: str) -> None:
    print(f"streamgenre: {line}", file=sys.stderr, flush=True)
