"""Draws what a station hears, a line for each row, the lowest band at the left.

Usage: python spectrum.py [STATION [ENDPOINT]]
"""

import sys

from streamgenre import Spectrum, StreamgenreError, Subscriber

SHADES = " .:-=+*#%@"


def main() -> int:
    """Print rows until interrupted."""
    stations = sys.argv[1:2] or None
    endpoint = sys.argv[2] if len(sys.argv) > 2 else "tcp://127.0.0.1:5757"
    # The daemon makes it only while somebody subscribes to it by name.
    with Subscriber(endpoint, types=["spectrum"], stations=stations) as events:
        for event in events:
            if not isinstance(event, Spectrum):
                continue
            for start in range(0, len(event.levels), event.bands):
                row = event.levels[start : start + event.bands]
                levels = [event.floor_db + event.step_db * byte for byte in row]
                shades = [SHADES[max(0, min(9, int(level + 100) // 10))] for level in levels]
                print("".join(shades), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StreamgenreError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        pass
