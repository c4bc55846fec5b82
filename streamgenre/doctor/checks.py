"""All checks, in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.doctor import files, machine, network, sound
from streamgenre.doctor.clips import clips
from streamgenre.doctor.finding import Finding, note, problem
from streamgenre.doctor.inputs import inputs
from streamgenre.doctor.web import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.doctor.finding import Subject

    Check = Callable[[Subject], Iterator[Finding]]

_CHECKS: Final = (
    *(machine.program, machine.libraries, machine.limits, machine.time_sync),
    *(sound.portaudio, sound.sound_cards, inputs),
    *(files.config, files.models, files.history, files.disk, clips),
    *(network.ports, web, network.service),
)
_NEED_SETTINGS: Final = (inputs, files.history, files.disk, clips, network.ports, web)
"""Checks of what the settings name; skipped if the settings cannot be used."""


def examine(subject: Subject) -> Iterator[Finding]:
    """Yield the findings of every check; an error in a check is a finding too."""
    for check in _CHECKS:
        if subject.config_error is not None and check in _NEED_SETTINGS:
            yield note(check.__name__, "not checked: the settings cannot be used")
        else:
            yield from _run(check, subject)


def _run(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check(subject)
    except Exception as error:  # noqa: BLE001 - the other checks must still run
        name = check.__name__.replace("_", " ")
        said = f"the check itself failed: {type(error).__name__}: {error}"
        yield problem(name, said, "report this: it is a bug in streamgenre")
