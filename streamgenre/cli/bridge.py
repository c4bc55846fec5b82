"""``streamgenre bridge``."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.cli.bridge_settings import bridge_settings, read_secret, say, webhook_receiver
from streamgenre.cli.connecting import endpoints, subscribe
from streamgenre.errors import SettingsError
from streamgenre.events import from_json
from streamgenre.paths import state_dir
from streamgenre.system.signals import stop_on_signals

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from streamgenre.bridges.posts import PostSelector
    from streamgenre.bridges.webhook import Webhook
    from streamgenre.client.subscriber import Subscriber
    from streamgenre.config.bridges import BridgeSettings, WebhookSettings
    from streamgenre.history.spool import Spool

_WAIT_S: Final = 0.2


def run(args: argparse.Namespace) -> int:
    """Forward events until a signal asks to stop."""
    settings = bridge_settings(args)
    return _mqtt(args, settings) if args.kind == "mqtt" else _webhook(args, settings)


def _one_daemon(args: argparse.Namespace) -> bool:
    """Whether a missing station is known to be gone: of several daemons, any may have had it."""
    return len(args.connect or [""]) == 1


# ---- mqtt ---------------------------------------------------------------------------------------


def _mqtt(args: argparse.Namespace, settings: BridgeSettings) -> int:
    from streamgenre.bridges.mqtt import MqttBridge, parse_broker

    mqtt = settings.mqtt
    broker = parse_broker(
        mqtt.broker,
        password=read_secret(mqtt.password_file, "STREAMGENRE_MQTT_PASSWORD"),
        ca=None if mqtt.ca_file is None else str(mqtt.ca_file),
    )
    bridge = MqttBridge(
        broker,
        mqtt.prefix,
        mqtt.discovery,
        say,
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
                    bridge.take(from_json(text), text.decode("utf-8", "replace"))
                if _one_daemon(args):
                    live, made = subscriber.link.state == "live", subscriber.connections
                    bridge.check_presence(live, made, time.monotonic())
        finally:
            bridge.close()
    return 0


# ---- webhook ------------------------------------------------------------------------------------


def _webhook(args: argparse.Namespace, settings: BridgeSettings) -> int:
    from streamgenre.bridges.posts import EVENT_TYPES, PostSelector
    from streamgenre.bridges.webhook import Webhook, checked

    webhook = settings.webhook
    url = webhook.url or os.environ.get("STREAMGENRE_WEBHOOK_URL")
    if not url:
        raise SettingsError(
            "no URL: give --url URL, set $STREAMGENRE_WEBHOOK_URL, or set url in [bridge.webhook]"
        )
    checked(url)
    receiver = webhook_receiver(args, webhook)
    kinds = args.on or (("segment", "dead-air") if webhook.on == "all" else (webhook.on,))
    selector = PostSelector(kinds, webhook.dead_air_after_s)
    with stop_on_signals() as stop, subscribe(args, types=EVENT_TYPES) as events:
        poster = Webhook(url, say, receiver=receiver, spool=_spool(webhook, url))
        try:
            while not stop.is_set():
                _forward(events, selector, poster, one=_one_daemon(args))
        finally:
            # A second signal, or the end of the time for ending, must not end it without a word.
            with suppress(KeyboardInterrupt):
                poster.close()
            for line in poster.farewell():
                say(line)
    return 0


def _forward(events: Subscriber, selector: PostSelector, poster: Webhook, *, one: bool) -> None:
    """Take one event, if one comes, and post what follows."""
    event = events.receive(timeout=_WAIT_S)
    now = time.monotonic()
    if one:
        selector.presence.link(events.link.state == "live", events.connections, now)
    if event is not None:
        for body, identifier in selector.take(event, now):
            poster.post(body, identifier)
    for body, identifier in selector.due(now, time.time()):
        poster.post(body, identifier)


def _spool(webhook: WebhookSettings, url: str) -> Spool:
    from streamgenre.history.spool import Spool
    from streamgenre.history.spool_place import default_spool

    def choose() -> Path:
        return webhook.spool or default_spool(state_dir(), url)

    spool = Spool(
        choose(),
        say,
        choose=choose,
        max_bytes=round(1e6 * webhook.spool_mb),
        max_age_s=3600 * webhook.spool_hours,
    )
    if len(spool):
        count = "1 event waits" if len(spool) == 1 else f"{len(spool)} events wait"
        say(f"{count} in {spool.path} since an earlier run")
    return spool
