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
from streamgenre.errors import SettingsError, StreamgenreError
from streamgenre.manifest import find_model

if TYPE_CHECKING:
    import argparse

    from streamgenre.config.build import Loaded


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
    problems: list[str] = []
    try:
        # A file that is named is checked by itself; else all that the daemon would read.
        loaded = load(given, {} if given else os.environ)
    except SettingsError as error:
        problems = str(error).splitlines()
    else:
        problems = _bad_models(loaded)
    files = [str(path) for path in config_files(given)]
    if args.json:
        print(json.dumps({"files": files, "problems": problems}, indent=2, ensure_ascii=False))
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
        count = f"{len(loaded.config.stations)} stations" if loaded.from_file else "no stations"
        print(f"{', '.join(files) or 'no file'}: fine, {count}")
    return int(bool(problems))


def _bad_models(loaded: Loaded) -> list[str]:
    problems = []
    for settings, tree in zip(loaded.config.stations, loaded.stations, strict=True):
        try:
            find_model(settings.model)
        except StreamgenreError as error:
            where = f"{tree['model'].where}: " if "model" in tree else ""
            problems.append(f"{where}{error}")
    return list(dict.fromkeys(problems))
