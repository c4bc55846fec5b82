"""A system clock shifted while a program runs, by the seconds in the file CLOCK_SHIFT."""

from __future__ import annotations

import os
import time
from pathlib import Path

_SHIFT = Path(os.environ["CLOCK_SHIFT"])
_time = time.time


def _shifted() -> float:
    return _time() + float(_SHIFT.read_text())


time.time = _shifted
