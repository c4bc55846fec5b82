"""The flags of every command that reads the events of a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.defaults import ENDPOINT

if TYPE_CHECKING:
    import argparse


def add_connecting(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flags of every command that reads events."""
    parser.add_argument(
        "--connect",
        action="append",
        metavar="URL",
        help=f"endpoint of a daemon (default: {ENDPOINT}); may be repeated",
    )
    parser.add_argument(
        "--server-key",
        action="append",
        metavar="PUBKEY",
        help="public key of the daemon, from `streamgenre keys show` there; one for each --connect",
    )
    add_keys(parser)
    parser.add_argument(
        "--station", action="append", metavar="S", help="only this station; may be repeated"
    )


def add_keys(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flag for the folder of the keys."""
    parser.add_argument(
        "--keys",
        metavar="DIR",
        help="folder of the keys (default: ~/.config/streamgenre/keys)",
    )
