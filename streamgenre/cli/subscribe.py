"""``streamgenre subscribe``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from streamgenre.cli.connecting import endpoints, subscribe
from streamgenre.errors import BusError, SettingsError

if TYPE_CHECKING:
    import argparse

    from streamgenre.client.link import Link

_PATIENCE_S: Final = 2.0
"""Seconds without a single event after which a message says what may be wrong."""


def run(args: argparse.Namespace) -> int:
    """Print events as JSON lines."""
    if args.count is not None and args.count < 1:
        raise SettingsError(f"--count {args.count}: expected 1 or more")
    if args.timeout is not None and not args.timeout > 0:
        raise SettingsError(f"--timeout {args.timeout}: expected seconds greater than 0")
    with subscribe(args, types=args.type, on_link=_report) as subscriber:
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
                    f"no event from {endpoints(args)} for {args.timeout:g} s; "
                    + (
                        subscriber.link.detail
                        or "is the daemon running there, and does it send what --type and "
                        "--station select?"
                    )
                )
            elif not printed and not warned and now - started > _PATIENCE_S:
                warned = True
                print(
                    f"streamgenre: nothing from {endpoints(args)} yet; still waiting "
                    "(is `streamgenre listen` running there?)",
                    file=sys.stderr,
                )
        if subscriber.missed:
            print(f"streamgenre: {subscriber.missed} events did not arrive", file=sys.stderr)
        if subscriber.malformed:
            print(
                f"streamgenre: {subscriber.malformed} malformed messages were skipped",
                file=sys.stderr,
            )
    return 0


def _report(link: Link) -> None:
    """Print why no events arrive."""
    if link.detail:
        print(f"streamgenre: {link.detail}; trying again", file=sys.stderr, flush=True)
