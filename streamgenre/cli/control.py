"""``streamgenre control``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from streamgenre.bus.control import request
from streamgenre.cli.connecting import key_setter
from streamgenre.display.text import clean
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_FIELDS = {"reset": "station", "model": "model"}


def run(args: argparse.Namespace) -> int:
    """Send one request and print the answer, or for people what was done."""
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
    result = answer.get("result")
    words = None if args.json or not sys.stdout.isatty() else confirmation(body, result)
    print(json.dumps(result, indent=2, ensure_ascii=False) if words is None else words)
    return 0


def confirmation(body: Mapping[str, Any], result: Any) -> str | None:
    """Return in one line what a daemon has done.

    Parameters
    ----------
    body
        The request.
    result
        The result of its answer.

    Returns
    -------
    str or None
        None for a request that asks for something instead: the result is what it is for.
    """
    match body["request"]:
        case "reset":
            line = f"{clean(body['station'])}: reset"
        case "model":
            line = f"{clean(body.get('station', 'all stations'))}: model {clean(body['model'])}"
        case "reload":
            line = _reloaded(result)
        case _:
            return None
    return line


def _reloaded(result: Mapping[str, Any]) -> str:
    if "config" in result:
        words = [
            f"{what.replace('_', ' ')}: {', '.join(clean(str(name)) for name in names)}"
            for what, names in result["config"].items()
            if names and what != "unchanged"
        ]
        return f"configuration read again: {'; '.join(words) or 'nothing has changed'}"
    if result.get("keys"):
        return f"keys read again: {result.get('clients')} clients are allowed"
    return "nothing to read again: the daemon has neither a configuration file nor keys"
