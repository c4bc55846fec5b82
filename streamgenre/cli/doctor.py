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
from streamgenre.history.places import Server
from streamgenre.history.settings import default_path
from streamgenre.inference.model_names import shipped_models
from streamgenre.paths import expand
from streamgenre.system.quiet_libraries import quiet_libraries
from streamgenre.system.redact import redact

if TYPE_CHECKING:
    import argparse

    from streamgenre.doctor import Finding
    from streamgenre.history.places import Place

SERVICE_HISTORY: Final = Path("/var/lib/streamgenre/history.sqlite3")
"""Where the service keeps its history by default."""
_MARKS: Final = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


def run(args: argparse.Namespace) -> int:
    """Check this machine and report problems; exit code 1 if there are any."""
    subject = subject_of(args)
    findings: list[Finding] = []
    with quiet_libraries(enabled=not args.debug):
        for found in examine(subject):
            safe = replace(found, says=redact(found.says), do=redact(found.do))
            findings.append(safe)
            if not args.json:
                print(_line(safe), flush=True)
    problems = sum(found.verdict == "problem" for found in findings)
    if args.json:
        result = {"ok": not problems, "findings": [asdict(found) for found in findings]}
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(f"{problems} problem{'' if problems == 1 else 's'}" if problems else "no problems")
    if args.bundle:
        from streamgenre.doctor.bundle import write_bundle

        parts = write_bundle(expand(args.bundle), subject, findings)
        if not args.json:
            print(f"{args.bundle}: {', '.join(parts)}; secrets were removed, but look into it")
            print("before you send it: it names stations, titles and this machine")
    return int(bool(problems))


def subject_of(args: argparse.Namespace) -> Subject:
    """Return what to check: the daemon as flags and settings describe it."""
    given = expand(args.config) if args.config else None
    try:
        loaded = load(args.config, os.environ, models=False)  # the doctor checks them itself
    except SettingsError as error:
        return Subject(config=given, config_error=str(error), unit=args.unit)
    config = loaded.config
    named = {station.model for station in config.stations} - set(shipped_models())
    return Subject(
        inputs=tuple(station.input for station in config.stations),
        streams=tuple(station.stream for station in config.stations),
        models=tuple(sorted(named)),
        publish=config.bus.publish,
        control=config.bus.control,
        history=None if config.history.keep == "none" else _history(config.history.path),
        clips=config.clips,
        clips_of=tuple(str(each.input) for each in config.stations if each.clips_allowed),
        config=loaded.files[-1] if loaded.files else None,
        unit=args.unit,
        keys=config.bus.keys,
        web=config.web,
    )


def _history(path: Place) -> Place:
    """Return the user's history, or the service's if only that one exists."""
    chosen = isinstance(path, Server) or path != default_path() or path.exists()
    return path if chosen or not SERVICE_HISTORY.exists() else SERVICE_HISTORY


def _line(found: Finding) -> str:
    says = found.says.replace("\n", "\n        ")
    line = f"{_MARKS[found.verdict]}{found.check}: {says}"
    return f"{line}\n        -> {found.do}" if found.do else line
