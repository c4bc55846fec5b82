"""``streamgenre web passwd`` and ``streamgenre web token``."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING

from streamgenre.errors import SettingsError
from streamgenre.web.logins import (
    MAX_PASSWORD,
    add_token,
    read_logins,
    remove_password,
    revoke_token,
    set_password,
)

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def run(args: argparse.Namespace, path: Path) -> int:
    """Change or list the logins.

    Parameters
    ----------
    args
        The flags.
    path
        The login file.
    """
    if args.action == "passwd":
        if args.remove:
            remove_password(path)
            print(f"the password in {path} is removed")
        else:
            set_password(path, _ask())
            print(f"the password is set in {path}; a running page accepts it at once")
    elif args.token_action == "new":
        print(add_token(path, args.name))
    elif args.token_action == "revoke":
        revoke_token(path, args.name)
        print(f"{args.name} is no longer accepted")
    else:
        logins = read_logins(path)
        names = sorted(logins.tokens) if logins is not None else []
        if args.json:
            print(json.dumps([{"name": name} for name in names], indent=2))
        else:
            print("\n".join(names) if names else f"no tokens in {path}")
    return 0


def _ask() -> str:
    if not sys.stdin.isatty():
        line = sys.stdin.readline(MAX_PASSWORD + 2).rstrip("\r\n")
        if not line:
            raise SettingsError("no password on standard input: expected it on the first line")
        return line
    try:
        first = getpass.getpass("password: ")
        if first != getpass.getpass("again: "):
            raise SettingsError("the two passwords differ; nothing was changed")
    except EOFError as error:
        raise SettingsError("no password was entered; nothing was changed") from error
    return first
