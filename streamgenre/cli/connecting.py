"""Connects to the daemons that a command's flags name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from streamgenre.bus.keys import check_public, default_folder, read_pair
from streamgenre.client.encryption import use_keys
from streamgenre.client.subscriber import Subscriber
from streamgenre.defaults import ENDPOINT
from streamgenre.paths import expand

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import zmq


def keys_folder(args: argparse.Namespace) -> Path:
    """Return the folder of the keys."""
    return expand(args.keys) if args.keys else default_folder()


def subscribe(args: argparse.Namespace, **more: Any) -> Subscriber:
    """Return a subscriber to the daemons.

    Parameters
    ----------
    args
        The flags of :func:`streamgenre.cli.arguments_bus.add_connecting`.
    **more
        Further arguments of :class:`Subscriber`.
    """
    more.setdefault("stations", args.station)
    more.setdefault("on_malformed", _say)
    return Subscriber(
        args.connect or ENDPOINT,
        server_key=args.server_key,
        keys=keys_folder(args) if args.server_key else None,
        **more,
    )


def _say(text: str) -> None:
    print(f"streamgenre: {text}", file=sys.stderr, flush=True)


def key_setter(args: argparse.Namespace) -> Callable[[zmq.Socket[bytes]], None]:
    """Return a function that sets the keys on a socket."""
    if not args.server_key:
        return lambda socket: None
    server, pair = check_public(args.server_key), read_pair(keys_folder(args))
    return lambda socket: use_keys(socket, pair, server)


def endpoints(args: argparse.Namespace) -> str:
    """Return the endpoints of the daemons as text for a message."""
    return " and ".join(args.connect or [ENDPOINT])
