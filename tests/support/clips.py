"""Clips for tests: made up, or kept by a real daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from support.commands import free_endpoint

from streamgenre.clips.clip import Facts, NewClip

if TYPE_CHECKING:
    from pathlib import Path

GENRES = ("blues", "classical", "country", "jazz", "rock")
RATE = 16_000


def new_clip(
    uncertainty: float = 0.9,
    *,
    name: str | None = None,
    start: float | None = None,
    station: str = "kitchen",
    seconds: float = 3.0,
    likeliest: str = "jazz",
    replaces: str | None = None,
    seed: int = 0,
) -> NewClip:
    """Return a clip of noise whose likeliest genre leads by 1 - ``uncertainty``."""
    start = time.time() - 60 if start is None else start
    rest = (1 - (1 - uncertainty)) / len(GENRES)
    probabilities = {genre: rest + (1 - uncertainty) * (genre == likeliest) for genre in GENRES}
    facts = Facts(
        station=station,
        start=start,
        end=start + seconds,
        artist="Ella",
        title="Blue Moon",
        uncertainty=uncertainty,
        probabilities=probabilities,
        tags={"voice": 0.8},
        model="lite",
        model_sha256="ab" * 32,
    )
    noise = np.random.default_rng(seed).normal(0, 3000, round(seconds * RATE)).astype(np.int16)
    return NewClip(
        name or f"clip-{round(1000 * uncertainty)}-{seed:08x}.flac", facts, noise, RATE, replaces
    )


def settings_text(folder: Path, model: Path, *stations: str, clips: str = "") -> str:
    """Return a configuration that keeps every clip of 3 s in ``folder / clips``."""
    return (
        f'model = "{model}"\n'
        f'[bus]\npublish = "{free_endpoint()}"\n[history]\nkeep = "none"\n'
        f'[clips]\nseconds = 3.0\nuncertainty = 0.0\nevery_s = 3.0\nfolder = "{folder / "clips"}"\n'
        f"{clips}\n" + "\n".join(stations)
    )


def station(name: str, source: object, *more: str) -> str:
    """Return one table of a configuration."""
    lines = "\n".join(more)
    return f'[[station]]\nname = "{name}"\ninput = "{source}"\npace = "fast"\n{lines}\n'
