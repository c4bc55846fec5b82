"""Names of stations as one part of a path, whatever characters they have.

Most names are percent-encoded. Browsers and proxies change some of these (``.``, ``..``, ``%2F``):
such names are written as ``~`` and the base64 of their UTF-8.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 1000
"""Most characters of a name in a path."""


def to_path(name: str) -> str:
    """Return a name of a station as a part of a path."""
    fragile = name.strip(".") == "" or name != name.strip() or name.startswith("~")
    if fragile or any(c in "/\\%?#;" or not c.isprintable() for c in name):
        return "~" + base64.urlsafe_b64encode(name.encode("utf-8", "replace")).decode().rstrip("=")
    return quote(name, safe="")


def from_path(part: str) -> str | None:
    """Return the name that a decoded part of a path means; None if it is not one."""
    if len(part) > 2 * MAX_NAME or "\0" in part:
        return None
    if not part.startswith("~"):
        return part
    coded = part[1:]
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        return raw.decode()
    except (binascii.Error, ValueError):
        return None
