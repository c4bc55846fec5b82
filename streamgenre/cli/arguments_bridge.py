"""The flags of ``streamgenre bridge``. Those with a key in the configuration override it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.cli.arguments_connecting import add_connecting
from streamgenre.defaults import BROKER

if TYPE_CHECKING:
    import argparse

PREFIX: Final = "streamgenre"
DISCOVERY: Final = "homeassistant"
DEAD_AIR_AFTER_S: Final = float("30")
"""Defaults. That an argument *is* this object, and does not only equal it, shows that its flag was
not given, so that the configuration decides."""
FORMATS: Final = ("json", "slack", "discord", "ntfy", "apprise")


def add_bridge(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of bridges and their flags."""
    parser.description = (
        "Settings come from [bridge.mqtt] and [bridge.webhook] in the configuration of the\n"
        "daemon, then from variables such as STREAMGENRE_BRIDGE_MQTT_BROKER, then from flags.\n"
        "A bridge reads them when it starts."
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _mqtt(kinds.add_parser("mqtt", help="publish to an MQTT broker, with Home Assistant discovery"))
    _webhook(kinds.add_parser("webhook", help="post to a URL"))


def _common(parser: argparse.ArgumentParser) -> None:
    add_connecting(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file to read instead of those of the system and the user",
    )


def _mqtt(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=BROKER,
        help=f"mqtt://[USER@]HOST[:PORT] or mqtts:// (default: {BROKER})",
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="file with the broker's password (default: $STREAMGENRE_MQTT_PASSWORD)",
    )
    parser.add_argument("--ca", metavar="FILE", help="CA certificates to trust with mqtts://")
    parser.add_argument(
        "--prefix",
        default=PREFIX,
        help=f"first part of every topic (default: {PREFIX})",
    )
    parser.add_argument(
        "--discovery",
        default=DISCOVERY,
        metavar="PREFIX",
        help=f"prefix of Home Assistant's discovery topics, empty for none (default: {DISCOVERY})",
    )


def _webhook(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument(
        "--url", metavar="URL", help="URL to post to (default: $STREAMGENRE_WEBHOOK_URL)"
    )
    parser.add_argument(
        "--on",
        action="append",
        choices=("segment", "dead-air"),
        help="what to post; dead-air includes stations without updates or source; may be repeated "
        "(default: both)",
    )
    parser.add_argument(
        "--dead-air-after",
        type=float,
        default=DEAD_AIR_AFTER_S,
        metavar="SECONDS",
        help="report a station after this long without updates or source (default: 30)",
    )
    _body(parser.add_argument_group("body"))
    _receiver(parser.add_argument_group("receiver"))
    _spool(parser.add_argument_group("events that cannot be delivered yet"))


def _body(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=FORMATS,
        help="the event as JSON, or a message for a known service (default: json)",
    )
    group.add_argument(
        "--template",
        metavar="TEXT",
        help='body with $NAME for fields of the event, such as \'{"text": "$text"}\'',
    )
    group.add_argument("--template-file", metavar="FILE", help="file with such a body")
    group.add_argument(
        "--content-type",
        metavar="TYPE",
        help="Content-Type (default: that of the format; application/json for a template)",
    )


def _receiver(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--header",
        action="append",
        metavar="'NAME: VALUE'",
        help="further header; may be repeated. Other users see it: keep secrets in token files",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with a token for `Authorization: Bearer` (default: $STREAMGENRE_WEBHOOK_TOKEN)",
    )
    group.add_argument("--user", metavar="NAME", help="user for `Authorization: Basic`")
    group.add_argument(
        "--password-file",
        metavar="FILE",
        help="file with the user's password (default: $STREAMGENRE_WEBHOOK_PASSWORD)",
    )
    group.add_argument("--ca", metavar="FILE", help="CA certificates to trust with https://")
    group.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="longest duration of one attempt as a whole (default: 10)",
    )


def _spool(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--spool",
        metavar="FILE",
        help="file in which events wait until they are delivered (default: in the state folder)",
    )
    group.add_argument(
        "--spool-mb",
        type=float,
        metavar="MB",
        help="drop the oldest above this size in millions of bytes (default: 10)",
    )
    group.add_argument(
        "--spool-hours",
        type=float,
        metavar="HOURS",
        help="drop what is not delivered within this time (default: 24)",
    )
