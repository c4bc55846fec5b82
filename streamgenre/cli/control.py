"""``streamgenre control``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from streamgenre.bus.control import request
from streamgenre.cli.connecting import key_setter
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    import argparse

_FIELDS = {"reset": "station", "model": "model"}


def run(args: argparse.Namespace) -> int:
    """Send one request and print the answer."""
    field = _FIELDS.get(args.request)
    if (field is None) != (args.argument is None):
        expected = f"{args.request} {field.upper()}" if field else f"{args.request} alone"
        raise SettingsError(f"expected `streamgenre control {expected}`")
    if args.station is not None and args.request != "model":
        hint = "; expected `streamgenre control reset STATION`" * (args.request == "reset")
        raise SettingsError(f"--station is for `streamgenre control model MODEL`{hint}")
    body = {"request": args.request} | ({field: args.argument} if field else {})
    if args.station is not None:
        body["station"] = args.station
    answer = request(args.connect, body, configure=key_setter(args), timeout=args.timeout)
    if not answer.get("ok"):
        error = answer.get("error")
        text = error.get("message", answer) if isinstance(error, dict) else answer
        print(f"streamgenre: error: {text}", file=sys.stderr)
        return 1
    print(json.dumps(answer.get("result"), indent=2, ensure_ascii=False))
    return 0
