"""What is examined, and what is found."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from streamgenre.defaults import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

Verdict: TypeAlias = Literal["ok", "note", "problem"]
"""``note`` is worth knowing and keeps nothing from working."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """What was looked at, in one or two words."""
    verdict: Verdict
    says: str
    """What was found."""
    do: str = ""
    """What to do about it; empty where there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The daemon that is examined, as it is configured."""

    inputs: tuple[str | None, ...] = (None,)
    """What it listens to; None is the default input device."""
    models: tuple[str, ...] = ()
    """Models that it uses beside the shipped ones: folders."""
    publish: str = ENDPOINT
    """Endpoint of its bus."""
    control: str | None = None
    """Endpoint of its requests."""
    history: Path | None = None
    """File of its history; None where none is kept."""
    config: Path | None = None
    """File of its settings; None where there is none."""
    config_error: str | None = None
    """Why the settings cannot be used; then all others are the defaults."""
    unit: str = "streamgenre.service"
    """Unit of systemd."""
    keys: Path | None = None
    """Folder of its keys; None for the user's own."""


def ok(check: str, says: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, "ok", says)


def note(check: str, says: str, do: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(check, "note", says, do)


def problem(check: str, says: str, do: str) -> Finding:
    """Return a finding that something does not work, with what to do."""
    return Finding(check, "problem", says, do)


def command(*words: object) -> str:
    """Return a command as advice shows it: what stands in it can be given to a shell."""
    return f"`{shlex.join(map(str, words))}`"
