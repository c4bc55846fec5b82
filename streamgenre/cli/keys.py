"""``streamgenre keys``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.bus.keys import allow, new_pair, read_clients, read_pair, revoke
from streamgenre.cli.connecting import keys_folder

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Make, show, allow or revoke keys."""
    folder = keys_folder(args)
    if args.action == "new":
        pair = new_pair(folder, replace=args.replace)
        print(pair.public.decode())
    elif args.action == "show":
        print(read_pair(folder).public.decode())
        for name, key in sorted(read_clients(folder).items()):
            print(f"allowed: {name} {key.decode()}")
    elif args.action == "allow":
        allow(folder, args.name, args.pubkey)
        print(f"{args.name} is allowed")
    else:
        revoke(folder, args.name)
        print(f"{args.name} is no longer allowed")
    return 0
