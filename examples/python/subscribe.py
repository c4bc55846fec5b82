"""Prints genre changes, with holes and lost connections on standard error.

Usage: python subscribe.py [ENDPOINT [SERVER_KEY]]

With the daemon's public key, it uses the key pair that ``streamgenre keys new`` made.
"""

import sys

from streamgenre import StreamgenreError, Subscriber, Update
from streamgenre.client.link import Link
from streamgenre.client.sequence import Hole


def main() -> int:
    """Print a line whenever the genre of a station changes."""
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5757"
    server_key = sys.argv[2] if len(sys.argv) > 2 else None
    shown: dict[str, str] = {}
    subscriber = Subscriber(
        endpoint, types=["update"], server_key=server_key, on_hole=on_hole, on_link=on_link
    )
    with subscriber as events:
        for event in events:
            if not isinstance(event, Update):
                continue
            now = event.genre or event.state
            if shown.get(event.station) != now:
                shown[event.station] = now
                print(f"{event.station}: {now}", flush=True)
    return 0


def on_hole(hole: Hole) -> None:
    """Report lost events."""
    print(f"{hole.count} events of {hole.station} missed", file=sys.stderr)


def on_link(link: Link) -> None:
    """Report a change of the connection."""
    print(f"{link.state} {link.detail}".rstrip(), file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StreamgenreError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        pass
