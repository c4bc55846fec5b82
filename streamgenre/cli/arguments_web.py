"""The flags of ``streamgenre web``, and those of ``listen`` about the page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from streamgenre.cli.arguments_connecting import add_connecting

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    NewCommand = Callable[..., argparse.ArgumentParser]

LISTEN: Final = "127.0.0.1:8757"
"""Address on which the page is served unless another is given."""


def add_web(commands: Commands, new_command: NewCommand) -> None:
    """Add the command.

    Parameters
    ----------
    commands
        The commands of the main parser.
    new_command
        Adds the parser of one command.
    """
    parser = new_command(
        commands,
        "web",
        "serve a web page: live, yesterday, and an API",
        description=(
            "Serve a web page that shows a daemon's stations live, and its history. The page makes "
            "no\nrequest to the internet. `listen --web` serves the same page beside the daemon."
        ),
        epilog=(
            "examples:\n"
            "  streamgenre web                               http://127.0.0.1:8757/\n"
            "  streamgenre web --connect tcp://studio:5757 --server-key PUBKEY\n"
            "  streamgenre web --no-live --history ~/history.sqlite3\n"
            "  streamgenre web passwd                        then:\n"
            "  streamgenre web --listen 0.0.0.0:8757         for other machines too\n"
            "\n"
            "Settings also come from [web] of the configuration. Ctrl-C or SIGTERM ends it."
        ),
    )
    daemon = parser.add_argument_group("what is shown")
    add_connecting(daemon)
    daemon.add_argument(
        "--no-live", action="store_true", help="connect to no daemon: show the history only"
    )
    daemon.add_argument(
        "--history",
        metavar="PATH",
        help="history file, or the URL of a PostgreSQL database (default: that of the "
        "configuration, else of `listen`)",
    )
    daemon.add_argument(
        "--control",
        metavar="URL",
        help="control endpoint of the daemon, for --allow-control (default: that of the "
        "configuration)",
    )
    page = parser.add_argument_group("the page")
    page.add_argument(
        "--listen",
        metavar="[HOST]:PORT",
        help=f"address to serve on (default: {LISTEN}); beyond loopback a password is needed",
    )
    page.add_argument(
        "--public-url",
        metavar="URL",
        help="address of the page in browsers, behind a reverse proxy, such as "
        "https://studio.example/radio",
    )
    page.add_argument(
        "--hosts",
        metavar="NAMES",
        help="further host names of the page, separated by commas (default: this machine's name, "
        "and IP addresses)",
    )
    page.add_argument(
        "--proxies",
        metavar="ADDRESSES",
        help="reverse proxies whose X-Forwarded-For is believed, separated by commas (default: "
        "this machine, with --public-url)",
    )
    page.add_argument(
        "--login",
        choices=("auto", "proxy"),
        help="auto asks for the password if one is set, and beyond loopback; proxy never asks, "
        "because a reverse proxy does (default: auto)",
    )
    page.add_argument(
        "--allow-control",
        action="store_true",
        default=None,
        help="let the page reset stations and reload the configuration",
    )
    page.add_argument(
        "--language", metavar="TAG", help="language of the page (default: the browser's)"
    )
    page.add_argument("--config", metavar="FILE", help="configuration file (default: as `listen`)")
    _add_login_file(page)
    parser.add_argument("--supervised", type=int, help=argparse.SUPPRESS)
    _add_actions(parser)


def _add_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="other actions")
    passwd = actions.add_parser(
        "passwd",
        help="set the password of the page",
        description="Set the password of the page. It is asked for twice, or read from standard "
        "input if that is not a terminal. Only its hash is kept (scrypt), in a file of mode 600. "
        "A running page knows the new password at once, and all sessions end.",
    )
    passwd.add_argument("--remove", action="store_true", help="remove the password")
    token = actions.add_parser(
        "token",
        help="make, list and revoke tokens for programs",
        description="Tokens let programs in: `Authorization: Bearer TOKEN`.",
    )
    what = token.add_subparsers(dest="token_action", required=True, metavar="ACTION")
    new = what.add_parser("new", help="make a token and print it, once: only its hash is kept")
    new.add_argument("name", metavar="NAME", help="a name of your choice")
    listing = what.add_parser("list", help="list the names of the tokens")
    listing.add_argument("--json", action="store_true", help="print a JSON array")
    revoke = what.add_parser("revoke", help="no longer accept a token")
    revoke.add_argument("name", metavar="NAME")
    for each in (passwd, new, listing, revoke):
        _add_login_file(each, default=argparse.SUPPRESS)
        each.add_argument(
            "--config",
            metavar="FILE",
            default=argparse.SUPPRESS,
            help="configuration file that names the login file",
        )


def _add_login_file(parser: argparse._ActionsContainer, default: str | None = None) -> None:
    parser.add_argument(
        "--login-file",
        metavar="FILE",
        default=default,
        help="file of the password and the tokens (default: that of the configuration, else "
        "~/.config/streamgenre/web-login.json)",
    )


def add_listen_web(group: argparse._ArgumentGroup) -> None:
    """Add the flag of ``listen``."""
    group.add_argument(
        "--web",
        nargs="?",
        const=LISTEN,
        metavar="[HOST]:PORT",
        help=f"serve a web page on this address (default: {LISTEN}), in a process of its own; see "
        "`streamgenre web`",
    )
