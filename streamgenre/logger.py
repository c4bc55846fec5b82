"""The package's loggers, silent in programs that have not set up logging.

This is a module of its own because importing :mod:`logging` takes longer than everything that
``import streamgenre`` and ``streamgenre --help`` need.
"""

from __future__ import annotations

import logging

logging.getLogger("streamgenre").addHandler(logging.NullHandler())


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module of this package."""
    return logging.getLogger(name)
