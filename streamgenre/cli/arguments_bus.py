"""The flags of the commands for a running daemon: keys, requests, bridges, service, doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.cli.arguments_bridge import add_bridge
from streamgenre.cli.arguments_connecting import add_connecting, add_keys
from streamgenre.defaults import CONTROL_ENDPOINT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    NewCommand = Callable[..., argparse.ArgumentParser]

# Repeated here, because importing it would load NumPy. A test compares them.
REQUESTS: Final = ("status", "stations", "reload", "reset", "model")


def add_bus_arguments(commands: Commands, new_command: NewCommand) -> None:
    """Add the commands.

    Parameters
    ----------
    commands
        The commands of the main parser.
    new_command
        Adds the parser of one command.
    """
    _keys(new_command(commands, "keys", "make, show, allow and revoke CURVE keys"))
    _control(
        new_command(
            commands,
            "control",
            "send a request to a daemon",
            description=(
                "Send one request to a daemon that was started with --control. `status` and\n"
                "`stations` print JSON. `reset`, `model` and `reload` print a line on a terminal\n"
                "and JSON elsewhere: the result, null if there is none."
            ),
            epilog=(
                "examples:\n"
                "  streamgenre control status\n"
                "  streamgenre control reset kitchen      reset model and decision, as after a "
                "long gap\n"
                "  streamgenre control model cnn          switch all stations to another model, by "
                "its name\n"
                "  streamgenre control model cnn --station kitchen\n"
                "                                         only this one"
            ),
        )
    )
    add_bridge(new_command(commands, "bridge", "forward a daemon's events to other systems"))
    _service(new_command(commands, "service", "show the state of the systemd service"))
    _doctor(
        new_command(commands, "doctor", "check this machine, and say what to do about problems")
    )


def add_publishing(group: argparse._ArgumentGroup) -> None:
    """Add the flags of ``listen`` that say who may read events and send requests."""
    group.add_argument(
        "--encrypt",
        action="store_true",
        default=None,
        help="admit only clients with allowed keys, even on loopback (beyond it this is always "
        "so; see `streamgenre keys`)",
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
        help=f"take requests on this endpoint, such as {CONTROL_ENDPOINT} (default: off)",
    )
    group.add_argument(
        "--metrics",
        metavar="[HOST]:PORT",
        help="serve Prometheus metrics on this port, such as :9757 (HOST is 127.0.0.1 by default)",
    )


def _keys(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Each machine has one key pair. Clients recognise a daemon by its public key; a daemon\n"
        "admits clients whose public keys it allows."
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
    new = actions.add_parser("new", help="make this machine's key pair and print its public key")
    new.add_argument("--replace", action="store_true", help="replace a key pair that exists")
    show = actions.add_parser("show", help="print the public key and the allowed clients")
    allowing = actions.add_parser("allow", help="admit a client")
    allowing.add_argument("name", metavar="NAME", help="a name of your choice")
    allowing.add_argument(
        "pubkey", metavar="PUBKEY", help="the client's public key, in single quotes"
    )
    revoking = actions.add_parser("revoke", help="no longer admit a client, and disconnect it")
    revoking.add_argument("name", metavar="NAME")
    for action in (new, show, allowing, revoking):
        add_keys(action)


def _control(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", choices=REQUESTS, metavar="REQUEST", help=", ".join(REQUESTS))
    parser.add_argument(
        "argument", nargs="?", metavar="ARGUMENT", help="station to reset, or model to use"
    )
    parser.add_argument(
        "--station",
        metavar="NAME",
        help="the station that switches to the model; it must use a model with the same features, "
        "as lstm and cnn are (default: all stations)",
    )
    parser.add_argument(
        "--connect",
        default=CONTROL_ENDPOINT,
        metavar="URL",
        help=f"control endpoint of the daemon (default: {CONTROL_ENDPOINT})",
    )
    parser.add_argument("--server-key", metavar="PUBKEY", help="public key of the daemon")
    add_keys(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="longest wait for an answer (default: 10)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON on a terminal too"
    )


def _service(parser: argparse.ArgumentParser) -> None:
    parser.description = "The daemon as a systemd service; `make install-service` installs it."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser(
        "status",
        help="show what systemd and the daemon's bus say",
        description="Show how long the service has been running, how often it was restarted, its "
        "watchdog, and what its stations hear.",
        epilog="Exit codes: 0 active, and its bus answers; 3 not active; 4 active, but nothing "
        "comes from its bus; 1 systemd cannot be asked.",
    )
    status.add_argument(
        "--unit",
        default="streamgenre.service",
        metavar="UNIT",
        help="unit of the service (default: streamgenre.service)",
    )
    add_connecting(status)
    status.add_argument("--json", action="store_true", help="print one JSON object")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check Python, libraries, sound cards, inputs, settings, models, history, disk, clock,\n"
        "ports and the service. Report what is wrong and what to do about it; change nothing."
    )
    parser.epilog = (
        "Exit codes: 0 no problem (notes do not count); 1 at least one problem; 2 wrong usage.\n\n"
        "examples:\n"
        "  streamgenre doctor\n"
        "  sudo -u streamgenre streamgenre doctor      as the service sees it\n"
        "  sudo streamgenre doctor --bundle support.tar.gz\n\n"
        "A support bundle has the findings, versions, settings, the latest events and log lines,\n"
        "the unit and the sound cards, for somebody who helps you. Passwords, tokens, keys and "
        "the\n"
        "query of every URL are removed, and only you can read the file (mode 600)."
    )
    parser.add_argument(
        "--config", metavar="FILE", help="settings of the daemon (default: as `listen` finds them)"
    )
    parser.add_argument(
        "--unit",
        default="streamgenre.service",
        metavar="UNIT",
        help="unit of the service (default: streamgenre.service)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--bundle", metavar="FILE", help="also write a support bundle, a .tar.gz")
