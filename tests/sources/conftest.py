"""Fixtures of the tests of sources."""

from __future__ import annotations

from support.long_ring import long_ring

__all__ = ["long_ring"]
