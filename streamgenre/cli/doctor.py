"""``streamgenre doctor``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.config.build import load
from streamgenre.doctor import Subject, examine
from streamgenre.errors import SettingsError
from streamgenre.history.settings import default_path
from streamgenre.inference.manifest import shipped_models
from streamgenre.paths import expand
from streamgenre.system.quiet_libraries import quiet_libraries
from streamgenre.system.redact import redact

if TYPE_CHECKING:
    import argparse

    from streamgenre.doctor import Finding

SERVICE_HISTORY: Final = Path("/var/lib/streamgenre/history.sqlite3")
"""Where the service keeps its history unless told otherwise."""
_MARKS: Final = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


def run(args: argparse.Namespace) -> int:
    """Examine this machine and say what is wrong; exit code 1 where something is."""
    subject = subject_of(args)
    findings: list[Finding] = []
    with quiet_libraries(enabled=not args.debug):
        for found in examine(subject):
            safe = replace(found, says=redact(found.says), do=redact(found.do))
            findings.append(safe)
            if not args.json:
                print(_told(safe), flush=True)
    problems = sum(found.verdict == "problem" for found in findings)
    if args.json:
        told = {"ok": not problems, "findings": [asdict(found) for found in findings]}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(f"{problems} problem{'' if problems == 1 else 's'}" if problems else "all is well")
    if args.bundle:
        from streamgenre.doctor.bundle import write_bundle

        parts = write_bundle(expand(args.bundle), subject, findings)
        if not args.json:
            print(f"{args.bundle}: {', '.join(parts)}; secrets are taken out, but look before you")
            print("send it: names of stations, titles and this machine are in it")
    return int(bool(problems))


def subject_of(args: argparse.Namespace) -> Subject:
    """Return the daemon that the flags and the settings mean."""
    given = expand(args.config) if args.config else None
    try:
        loaded = load(args.config, os.environ, models=False)  # they are looked at by themselves
    except SettingsError as error:
        return Subject(config=given, config_error=str(error), unit=args.unit)
    config = loaded.config
    named = {station.model for station in config.stations} - set(shipped_models())
    return Subject(
        inputs=tuple(station.input for station in config.stations),
        models=tuple(sorted(named)),
        publish=config.bus.publish,
        control=config.bus.control,
        history=None if config.history.keep == "none" else _history(config.history.path),
        config=loaded.files[-1] if loaded.files else None,
        unit=args.unit,
        keys=config.bus.keys,
    )


def _history(path: Path) -> Path:
    """Return where the history is: by default the service has a folder of its own."""
    mine = path != default_path() or path.exists()
    return path if mine or not SERVICE_HISTORY.exists() else SERVICE_HISTORY


def _told(found: Finding) -> str:
    says = found.says.replace("\n", "\n        ")
    line = f"{_MARKS[found.verdict]}{found.check}: {says}"
    return f"{line}\n        -> {found.do}" if found.do else line
