"""``streamgenre devices``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from streamgenre.sources.device.devices import list_devices
from streamgenre.system.quiet_libraries import quiet_libraries

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """List the input devices."""
    with quiet_libraries(enabled=not args.debug):
        devices = list_devices()
    if args.json:
        rows = [asdict(device) for device in devices]
        for row in rows:
            del row["index"]  # changes with what is plugged in
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    if not devices:
        print("no input devices (`streamgenre listen` plays the built-in demo programme)")
        return 0
    width = max(len(device.name) for device in devices)
    id_width = max(len(device.id or "") for device in devices)
    for device in devices:
        mark = "*" if device.default else " "
        print(
            f"{mark} {device.name:<{width}}  {device.id or '':<{id_width}}  {device.rate:>6} Hz  "
            f"{device.channels:>3} ch  {device.host_api}"
        )
    if any(device.default for device in devices):
        print("* the default input device")
    return 0
