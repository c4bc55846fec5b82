"""``streamgenre models``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamgenre.defaults import MODEL
from streamgenre.inference.manifest import (
    read_manifest,
    shipped_folder,
    shipped_models,
)

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """List the shipped models."""
    manifests = [read_manifest(shipped_folder() / name) for name in shipped_models()]
    if args.json:
        rows = [{"folder": str(m.folder), "default": m.name == MODEL} | m.raw for m in manifests]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for m in manifests:
        mark = "*" if m.name == MODEL else " "
        size = m.weights.stat().st_size / 1000
        print(f"{mark} {m.name:<8} {m.kind:<9} {size:>7.0f} kB  {' '.join(m.labels)}")
    print("* the default; each folder's README.md is its model card:", shipped_folder())
    return 0
