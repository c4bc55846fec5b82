"""``streamgenre models``."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamgenre import paths
from streamgenre.cli.models_text import details, line
from streamgenre.defaults import MODEL
from streamgenre.errors import ModelError, SettingsError
from streamgenre.history.export import atomic
from streamgenre.inference.head import read_head
from streamgenre.inference.manifest import HEAD_FILE, Manifest, read_manifest
from streamgenre.inference.model_archive import export_model, import_model
from streamgenre.inference.model_names import find_model, shipped_folder, shipped_models
from streamgenre.inference.own_models import own_model, own_models, remove_own_model
from streamgenre.teach.lesson import forget_lesson, replaced_base
from streamgenre.teach.versions import forget_versions

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """List models, show one, or export, import or remove it."""
    if args.action is None:
        return _list(as_json=args.json)
    if args.action == "show":
        _show(args.model, as_json=args.json)
    elif args.action == "export":
        _export(args.model, Path(args.file), replace=args.replace)
    elif args.action == "import":
        _import(args)
    else:
        _remove(args.model, asks=not args.yes)
    return 0


def _list(*, as_json: bool) -> int:
    """List the models; return 1 if one of one's own is damaged."""
    rows = [_row(name, _checked(shipped_folder() / name)) for name in shipped_models()]
    problems = []
    for name, folder in own_models().items():
        if name in shipped_models():
            problems.append(f"{folder}: never used: {name!r} is a shipped model; rename the folder")
            continue
        try:
            rows.append(_row(name, _checked(folder)))
        except ModelError as error:
            problems.append(str(error))
            rows.append({"folder": str(folder), "origin": "own", "problem": str(error)} | {
                "name": name, "default": False
            })  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            print(line(row, width))
        print("* the default; `streamgenre models show NAME` says more of a model")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _checked(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    read_head(manifest)
    return manifest


def _row(name: str, manifest: Manifest) -> dict[str, Any]:
    """Return what is listed of a model: its manifest, and where it is."""
    files = [manifest.weights, *([manifest.folder / HEAD_FILE] if manifest.head_sha256 else ())]
    shipped = manifest.folder.parent == shipped_folder()
    more = {"base_replaced": True} if replaced_base(manifest) else {}
    return {
        "folder": str(manifest.folder),
        "default": shipped and name == MODEL,
        "origin": "shipped" if shipped else "own",
        "bytes": sum(path.stat().st_size for path in files),
        **manifest.raw,
        "name": name,
        **more,
    }


def _show(model: str, *, as_json: bool) -> None:
    folder = find_model(model)
    row = _row(folder.name, _checked(folder))
    print(json.dumps(row, indent=2, ensure_ascii=False) if as_json else details(row))


def _export(model: str, file: Path, *, replace: bool) -> None:
    folder = find_model(model)
    if str(file) == "-":
        _export_to_stdout(folder)
        return
    if file.exists() and not file.is_dir() and not replace:
        raise SettingsError(f"{file}: exists; give another name, or --replace")
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic(file) as out:
        export_model(folder, folder.resolve().name, out)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB; `streamgenre models import` installs it")


def _export_to_stdout(folder: Path) -> None:
    if sys.stdout.isatty():
        raise SettingsError(
            "a model cannot be shown in a terminal: name a file, or redirect the output, as in "
            f"`streamgenre models export {folder.name} - | ssh HOST streamgenre models import -`"
        )
    content = io.BytesIO()  # complete or not at all
    export_model(folder, folder.resolve().name, content)
    sys.stdout.buffer.write(content.getvalue())


def _import(args: argparse.Namespace) -> None:
    if args.file == "-" and sys.stdin.isatty():
        raise SettingsError("a model cannot be typed: name a file, or redirect the input")
    into = paths.SYSTEM_MODELS if args.system else paths.models_dir()
    manifest = import_model(Path(args.file), into, args.name, replace=args.replace)
    forget_lesson(manifest.name)  # of a model of that name before
    forget_versions(manifest.name)
    if args.json:
        row = _row(manifest.name, manifest)
        print(json.dumps(row, indent=2, ensure_ascii=False))
        return
    print(f"{manifest.name}: {', '.join(manifest.labels)}; installed in {manifest.folder}")


def _remove(name: str, *, asks: bool) -> None:
    if name in shipped_models() and own_model(name) is None:
        raise SettingsError(f"{name!r} comes with streamgenre and stays; only your own are removed")
    folder = own_model(name)
    if folder is not None and asks:
        if not sys.stdin.isatty():
            raise SettingsError(f"{folder}: would be deleted; give --yes to do it without asking")
        print(f"Delete {folder}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
            print("nothing was deleted")
            return
    gone = remove_own_model(name)
    forget_lesson(gone.name)
    forget_versions(gone.name)
    print(f"{gone}: deleted")
