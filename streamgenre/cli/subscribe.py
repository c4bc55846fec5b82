"""``streamgenre subscribe``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from streamgenre.errors import BusError, SettingsError
from streamgenre.subscriber import Subscriber

if TYPE_CHECKING:
    import argparse

_PATIENCE_S: Final = 5.0
"""Seconds without a single event after which the user is told what may be wrong."""


def run(args: argparse.Namespace) -> int:
    """Print events as JSON lines."""
    if args.count is not None and args.count < 1:
        raise SettingsError(f"--count {args.count}: expected 1 or more")
    if args.timeout is not None and not args.timeout > 0:
        raise SettingsError(f"--timeout {args.timeout}: expected seconds greater than 0")
    with Subscriber(args.connect, types=args.type, stations=args.station) as subscriber:
        printed = 0
        last = started = time.monotonic()
        warned = False
        while args.count is None or printed < args.count:
            message = subscriber.receive_json(timeout=0.25)
            now = time.monotonic()
            if message is not None:
                last = now
                printed += 1
                sys.stdout.write(message.decode() + "\n")
                sys.stdout.flush()
            elif args.timeout is not None and now - last > args.timeout:
                raise BusError(
                    f"no event from {args.connect} for {args.timeout:g} s; is the daemon running "
                    "there, and does it have what --type and --station ask for?"
                )
            elif not printed and not warned and now - started > _PATIENCE_S:
                warned = True
                print(
                    f"streamgenre: nothing from {args.connect} yet; still waiting "
                    "(is `streamgenre listen` running there?)",
                    file=sys.stderr,
                )
    return 0
