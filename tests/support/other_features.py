"""A model of other features than those of the shipped ones, for tests that need two kinds.

It was shipped once: the mean of a small LSTM and a small CNN, 40 cepstra every 40 ms. It answers
genres and speech, and has no output for music, tags, or genres that are known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

OTHER_FEATURES: Final = str(Path(__file__).parents[1] / "data" / "models" / "other-features")
"""Path of its folder, as ``--model`` and ``model =`` take it."""
