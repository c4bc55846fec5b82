"""Imports within training go one way, from ``cli`` down; imports for types count too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2] / "train"
LAYERS: Final = (
    *("errors", "hashes", "parallel", "cache", "job", "progress", "augmentation", "corpora"),
    *("recipes", "export", "evaluation", "cards", "model_folder", "manifest_writer"),
    *("trunk", "student", "fitting", "ensemble", "streaming", "ancestors", "cli", "__main__"),
)
"""Packages and modules from the lowest to the highest; each may import only lower ones."""


def imported(path: Path) -> set[str]:
    """Return the parts of training that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            first, _, rest = node.module.partition(".")
            if first == "train":
                found |= {rest.split(".")[0]} if rest else {alias.name for alias in node.names}
    return found


def test_every_part_has_a_layer() -> None:
    parts = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.name != "notes"}
    assert parts - {"__init__", "__pycache__"} == set(LAYERS)


def test_no_part_imports_a_higher_one() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports train.{target}"
        for path in ROOT.rglob("*.py")
        if (part := path.relative_to(ROOT).parts[0].removesuffix(".py")) != "__init__"
        for target in imported(path)
        if target != part and LAYERS.index(target) > LAYERS.index(part)
    ]
    assert not wrong


def test_no_two_modules_share_a_name() -> None:
    packages = {path.parent for path in ROOT.rglob("__init__.py")} - {ROOT / "cli", ROOT}
    names = [path.stem for folder in packages for path in folder.glob("[!_]*.py")]
    assert sorted(names) == sorted(set(names))
