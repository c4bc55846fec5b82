"""Errors of training with a message for the user."""

from __future__ import annotations

from streamgenre.errors import StreamgenreError


class TrainError(StreamgenreError):
    """A corpus, setting or export is not usable."""
