"""``streamgenre config``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamgenre.config.build import load
from streamgenre.config.describe import example, listing, schema, settings_in_use
from streamgenre.config.layers import config_files, open_secrets
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


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


def _check(args: argparse.Namespace) -> int:
    """Say what is wrong with the configuration; exit code 1 where something is."""
    given = args.file or args.config
    problems: dict[str, None] = {}
    # By itself too: a variable may stand over what is wrong in the file.
    environments: tuple[Mapping[str, str], ...] = ({}, os.environ)
    for environment in environments:
        try:
            loaded = load(given, environment)
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    files = [str(path) for path in config_files(given)]
    if args.json:
        told = {"files": files, "problems": list(problems)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return int(bool(problems))
    for line in problems:
        print(f"streamgenre: error: {line}", file=sys.stderr)
    for path in map(Path, files):
        if open_secrets(path):
            print(
                f"streamgenre: {path}: has a password in a URL, and others may read it: chmod o-r",
                file=sys.stderr,
            )
    if not problems:
        count = len(loaded.config.stations)
        stations = f"{count} station{'' if count == 1 else 's'}" if loaded.named else "no stations"
        print(f"{', '.join(files) or 'no file'}: fine, {stations}")
    return int(bool(problems))
