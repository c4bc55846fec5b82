"""Errors of training that are meant for the user's eyes."""

from __future__ import annotations

from streamgenre.errors import StreamgenreError


class TrainError(StreamgenreError):
    """A corpus, setting or export is not usable."""
