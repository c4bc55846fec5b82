"""A fixture for tests that start a stream's source without an engine."""

from __future__ import annotations

import pytest

from streamgenre.sources.stream import radio


@pytest.fixture(autouse=True)
def long_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the ring of a stream hold all that a test sends: nothing reads it meanwhile."""
    monkeypatch.setattr(radio, "RING_S", 10.0)
