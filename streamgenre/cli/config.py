"""``streamgenre config``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamgenre.cli.bridge_settings import bridge_problems
from streamgenre.config.build import load
from streamgenre.config.describe import example, listing, schema, settings_in_use
from streamgenre.config.layers import Setting, config_files, open_secrets
from streamgenre.config.web import check_exposed
from streamgenre.doctor.inputs import InputChecker
from streamgenre.errors import SettingsError
from streamgenre.sources.factory import input_problem, is_device
from streamgenre.system.quiet_libraries import quiet_libraries
from streamgenre.system.redact import redact
from streamgenre.urls import is_stream

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from streamgenre.config.layers import SettingsTree


def run(args: argparse.Namespace) -> int:
    """Show, check or explain the configuration."""
    if args.action == "schema":
        print(json.dumps(schema(), indent=2))
    elif args.action == "edit-example":
        print(example(), end="")
    elif args.action == "check":
        return _check(args)
    else:
        loaded = load(args.config, os.environ)
        rows = settings_in_use(loaded)
        files = [str(path) for path in loaded.files]
        if args.json:
            print(json.dumps({"files": files, "settings": rows}, indent=2, ensure_ascii=False))
        else:
            print(f"# read: {', '.join(files) or 'no file'}\n{listing(rows)}")
    return 0


class _Inputs:
    """Checks whether the inputs of stations exist, without the network and without opening any.

    A missing file is an error, because it ends its station. A missing device is a note, because the
    daemon waits for it.
    """

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}
        self._checker = InputChecker()

    def check(self, stations: list[SettingsTree]) -> list[str]:
        """Return the errors in the inputs of stations, and add to the notes."""
        errors = []
        for given in (tree.get("input") for tree in stations):
            # Reported elsewhere: values that are not inputs, and the default that nobody chose.
            if not isinstance(given, Setting) or not isinstance(given.value, str):
                continue
            name = given.value
            if given.origin == "default" or input_problem(name) or is_stream(name):
                continue
            found = self._checker.check(name)
            if found.verdict == "ok":
                continue
            message = redact(f"{given.origin}: {found.check} {found.says}")
            if is_device(name):
                self.notes[f"{message}; the daemon waits for it"] = None
            else:
                errors.append(f"{message}; {found.do}")
        return errors


def _check(args: argparse.Namespace) -> int:
    """Report all errors in the configuration; exit code 1 if there are any."""
    given = args.file or args.config
    if args.file and args.config and args.file != args.config:
        raise SettingsError(
            f"{args.file} and --config {args.config}: expected one file; check them one by one"
        )
    problems: dict[str, None] = {}
    inputs = _Inputs()
    # Without variables too: one of them may hide an error in the file.
    environments: tuple[Mapping[str, str], ...] = ({}, os.environ)
    for environment in environments:
        try:
            with quiet_libraries(enabled=not args.debug):
                loaded = load(given, environment, check_stations=inputs.check)
            problems |= dict.fromkeys(bridge_problems(loaded.config.bridge))
            if loaded.config.web.listen is not None:
                check_exposed(loaded.config.web, loaded.config.web.listen)
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    files = [str(path) for path in config_files(given)]
    if args.json:
        result = {"files": files, "problems": list(problems), "notes": list(inputs.notes)}
        print(json.dumps(result, indent=2, ensure_ascii=False))
        return int(bool(problems))
    for line in problems:
        print(f"streamgenre: error: {line}", file=sys.stderr)
    for line in inputs.notes:
        print(f"streamgenre: {line}", file=sys.stderr)
    for path in map(Path, files):
        if open_secrets(path):
            print(
                f"streamgenre: {path}: contains a password in a URL, a header, or a webhook's URL, "
                f"and is readable by others: chmod o-r",
                file=sys.stderr,
            )
    if not problems:
        count = len(loaded.config.stations)
        stations = f"{count} station{'' if count == 1 else 's'}" if loaded.named else "no stations"
        print(f"{', '.join(files) or 'no file'}: no errors, {stations}")
    return int(bool(problems))
