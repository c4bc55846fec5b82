"""What the doctor checks, and what it finds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from streamgenre.defaults import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.config.web import WebSettings
    from streamgenre.history.places import Server
    from streamgenre.sources.stream.settings import StreamSettings

Verdict: TypeAlias = Literal["ok", "note", "problem"]
"""``note`` is worth knowing; only ``problem`` keeps something from working."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """What was checked, in one or two words."""
    verdict: Verdict
    says: str
    """What was found."""
    do: str = ""
    """What to do about it; may be empty."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The daemon to check, as it is configured."""

    inputs: tuple[str | None, ...] = (None,)
    """Its inputs; None for the default input device."""
    streams: tuple[StreamSettings, ...] = ()
    """How the input with the same index is requested if it is a stream."""
    models: tuple[str, ...] = ()
    """Folders of the models that it uses besides the shipped ones."""
    publish: str = ENDPOINT
    """Endpoint of its bus."""
    control: str | None = None
    """Endpoint of its requests."""
    history: Path | Server | None = None
    """File or database of its history; None if it keeps none."""
    clips: ClipSettings | None = None
    """Whether it keeps clips; None if the settings cannot be used."""
    clips_of: tuple[str, ...] = ()
    """Inputs of which it may keep clips."""
    config: Path | None = None
    """File of its settings; None if it has none."""
    config_error: str | None = None
    """Why the settings cannot be used, in which case the rest are defaults; None if they can."""
    unit: str = "streamgenre.service"
    """Its systemd unit."""
    keys: Path | None = None
    """Folder of its keys; None for the user's own."""
    web: WebSettings | None = None
    """Its web page; None if the settings cannot be used."""


def ok(check: str, says: str) -> Finding:
    """Return a finding without a problem.

    Parameters
    ----------
    check
        What was checked, in one or two words.
    says
        What was found.
    """
    return Finding(check, "ok", says)


def note(check: str, says: str, do: str = "") -> Finding:
    """Return a finding that is worth knowing.

    Parameters
    ----------
    check
        What was checked, in one or two words.
    says
        What was found.
    do
        What to do about it; may be empty.
    """
    return Finding(check, "note", says, do)


def problem(check: str, says: str, do: str) -> Finding:
    """Return a finding that something does not work.

    Parameters
    ----------
    check
        What was checked, in one or two words.
    says
        What was found.
    do
        What to do about it.
    """
    return Finding(check, "problem", says, do)


def command(*words: object) -> str:
    """Return a command in backquotes, its words quoted for a shell."""
    return f"`{shlex.join(map(str, words))}`"
