"""The flags of the commands around a running daemon: keys, requests, bridges, the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.defaults import BROKER, CONTROL_ENDPOINT, ENDPOINT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    NewCommand = Callable[..., argparse.ArgumentParser]

# Stands here once more and not by import, see streamgenre.cli.arguments. A test compares them.
REQUESTS: Final = ("status", "stations", "reload", "reset", "model")


def add_bus_arguments(commands: Commands, new_command: NewCommand) -> None:
    """Add the commands; ``new_command`` makes the parser of one."""
    _keys(new_command(commands, "keys", "make, show, allow and revoke CURVE keys"))
    _control(
        new_command(
            commands,
            "control",
            "send a request to a daemon",
            description="Send one request to a daemon that was started with --control.",
            epilog=(
                "examples:\n"
                "  streamgenre control status\n"
                "  streamgenre control reset kitchen      begin anew, as after a long gap\n"
                "  streamgenre control model cnn          go on with another shipped model"
            ),
        )
    )
    _bridge(new_command(commands, "bridge", "hand a daemon's events on to other systems"))
    _service(new_command(commands, "service", "tell how the systemd service is doing"))
    _doctor(new_command(commands, "doctor", "tell what is wrong on this machine, and what to do"))


def add_publishing(group: argparse._ArgumentGroup) -> None:
    """Add the flags of ``listen`` that say who may read and ask."""
    group.add_argument(
        "--encrypt",
        action="store_true",
        default=None,
        help="let in allowed keys only, on loopback too (beyond it always; see `streamgenre keys`)",
    )
    add_keys(group)
    group.add_argument(
        "--ipc-mode",
        metavar="OCTAL",
        help="file mode of an ipc:// endpoint (default: 600)",
    )
    group.add_argument(
        "--control",
        metavar="ENDPOINT",
        help=f"take requests there, for instance on {CONTROL_ENDPOINT} (default: off)",
    )
    group.add_argument(
        "--metrics",
        metavar="[HOST]:PORT",
        help="serve Prometheus metrics there, for instance on :9757 (HOST is 127.0.0.1 by default)",
    )


def add_connecting(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flags of every command that reads events."""
    parser.add_argument(
        "--connect",
        action="append",
        metavar="URL",
        help=f"endpoint of a daemon (default: {ENDPOINT}); may be given again",
    )
    parser.add_argument(
        "--server-key",
        action="append",
        metavar="PUBKEY",
        help="public key of the daemon (there: `streamgenre keys show`), one for each --connect",
    )
    add_keys(parser)
    parser.add_argument(
        "--station", action="append", metavar="S", help="only this station; may be given again"
    )


def add_keys(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flag that says where the keys are."""
    parser.add_argument(
        "--keys",
        metavar="DIR",
        help="folder of the keys (default: ~/.config/streamgenre/keys)",
    )


def _keys(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Each machine has one key pair: a daemon's lets clients know it, a client's gets it in."
    )
    parser.epilog = (
        "on the daemon's machine:  streamgenre keys new\n"
        "                          streamgenre keys allow laptop PUBKEY-OF-THE-LAPTOP\n"
        "                          streamgenre listen --publish tcp://0.0.0.0:5757\n"
        "on the laptop:            streamgenre keys new\n"
        "                          streamgenre dashboard --connect tcp://HOST:5757 \\\n"
        "                              --server-key PUBKEY-OF-THE-DAEMON"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make this machine's key pair and print the public key")
    new.add_argument("--replace", action="store_true", help="make a new one in place of the old")
    show = actions.add_parser("show", help="print the public key and the allowed clients")
    allowing = actions.add_parser("allow", help="let a client in")
    allowing.add_argument("name", metavar="NAME", help="a name of your choice")
    allowing.add_argument("pubkey", metavar="PUBKEY", help="its public key, in single quotes")
    revoking = actions.add_parser("revoke", help="let a client in no more, and drop it")
    revoking.add_argument("name", metavar="NAME")
    for action in (new, show, allowing, revoking):
        add_keys(action)


def _control(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", choices=REQUESTS, metavar="REQUEST", help=", ".join(REQUESTS))
    parser.add_argument(
        "argument", nargs="?", metavar="ARGUMENT", help="station to reset, or model to use"
    )
    parser.add_argument(
        "--connect",
        default=CONTROL_ENDPOINT,
        metavar="URL",
        help=f"what the daemon was given as --control (default: {CONTROL_ENDPOINT})",
    )
    parser.add_argument("--server-key", metavar="PUBKEY", help="public key of the daemon")
    add_keys(parser)
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="default: 10"
    )


def _bridge(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    mqtt = kinds.add_parser("mqtt", help="to an MQTT broker, with Home Assistant discovery")
    add_connecting(mqtt)
    mqtt.add_argument(
        "--broker",
        metavar="URL",
        default=BROKER,
        help=f"mqtt://[USER@]HOST[:PORT] or mqtts:// (default: {BROKER})",
    )
    mqtt.add_argument(
        "--password-file",
        metavar="FILE",
        help="file with the broker's password (else $STREAMGENRE_MQTT_PASSWORD)",
    )
    mqtt.add_argument("--ca", metavar="FILE", help="certificates that mqtts:// trusts")
    mqtt.add_argument(
        "--prefix", default="streamgenre", help="first part of every topic (default: streamgenre)"
    )
    mqtt.add_argument(
        "--discovery",
        default="homeassistant",
        metavar="PREFIX",
        help="prefix of Home Assistant's discovery, empty for none (default: homeassistant)",
    )
    webhook = kinds.add_parser("webhook", help="to a URL, by HTTP POST")
    add_connecting(webhook)
    webhook.add_argument(
        "--url", metavar="URL", help="where to post (else $STREAMGENRE_WEBHOOK_URL)"
    )
    webhook.add_argument(
        "--on",
        action="append",
        choices=("segment", "dead-air"),
        help="what to post, dead-air with stations that stop updating; may be repeated "
        "(default: both)",
    )
    webhook.add_argument(
        "--dead-air-after",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="post a station as absent after so long without updates or source (default: 30)",
    )


def _service(parser: argparse.ArgumentParser) -> None:
    parser.description = "The daemon as a service of systemd; `make install-service` installs it."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser(
        "status",
        help="what systemd and the daemon's own bus say",
        description="Tell since when the service runs, how often it was restarted, what its "
        "watchdog is, and what its stations hear.",
        epilog="Exit code 0: active and its bus answers; 3: not active; 4: active, but nothing "
        "comes from its bus; 1: systemd cannot be asked.",
    )
    status.add_argument(
        "--unit",
        default="streamgenre.service",
        metavar="UNIT",
        help="default: streamgenre.service",
    )
    add_connecting(status)
    status.add_argument("--json", action="store_true", help="print one JSON object")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Look at Python, libraries, sound cards, inputs, settings, models, history, disk, clock,\n"
        "ports and the service, and say in words what is wrong and what to do. Changes nothing."
    )
    parser.epilog = (
        "Exit code 0: no problem (notes are none); 1: at least one; 2: wrong usage.\n\n"
        "examples:\n"
        "  streamgenre doctor\n"
        "  sudo -u streamgenre streamgenre doctor      as the service sees it\n"
        "  sudo streamgenre doctor --bundle support.tar.gz\n\n"
        "A bundle has the findings, versions, settings, the last events and log lines, the unit\n"
        "and the sound cards, for somebody who is to help. Passwords, tokens, keys and the query\n"
        "of every URL are taken out; its file is readable by you alone (mode 600)."
    )
    parser.add_argument(
        "--config", metavar="FILE", help="settings of the daemon (default: as `listen` finds them)"
    )
    parser.add_argument(
        "--unit",
        default="streamgenre.service",
        metavar="UNIT",
        help="default: streamgenre.service",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--bundle", metavar="FILE", help="also write a support bundle, a .tar.gz")
