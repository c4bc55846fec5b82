"""Imports go one way: docs/architecture.md shows the layers, and this test enforces them.

Every import counts, those within functions and under ``TYPE_CHECKING`` too.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1] / "streamgenre"
LAYERS: Final = (
    *("errors", "urls", "defaults", "paths", "limits", "logger", "ending"),
    *("events", "display", "system"),
    *("audio", "inference", "sources", "clips", "engine"),
    *("bus", "history", "client"),
    "config",
    *("worker", "supervisor", "fleet"),
    "daemon",
    ("bridges", "dashboard", "doctor", "library", "report"),
    "teach",
    ("picture", "web"),
    "cli",
    "__main__",
)
"""Packages and top-level modules from the lowest to the highest. Each may import what is below it;
those in one tuple do not import each other."""
SMALL: Final = {
    *("errors", "urls", "defaults", "paths", "limits", "logger", "ending"),
    *("events", "bus", "client"),
}
"""What a subscriber runs, installed without extras; nothing else of streamgenre is needed."""


@cache
def modules() -> dict[str, Path]:
    """Return every module's file by dotted name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> list[tuple[str, int, str]]:
    """Return each import of one module by another as importer, line and imported module."""
    found = []
    for name, path in sorted(modules().items()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import; write it in full"
                dotted = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [each if each in modules() else node.module or "" for each in dotted]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                continue
            found += [(name, node.lineno, target) for target in dict.fromkeys(targets)]
    return found


def layer(module: str) -> str:
    """Return the package, or top-level module, that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def level(package: str) -> int:
    for number, names in enumerate(LAYERS):
        if package in ([names] if isinstance(names, str) else names):
            return number
    raise AssertionError(
        f"streamgenre/{package} has no place yet: add it to LAYERS in {Path(__file__).name} and to "
        "docs/architecture.md"
    )


def between_packages() -> list[tuple[str, int, str]]:
    """Return imports across packages; the root package only re-exports and names the version."""
    return [
        (importer, line, target)
        for importer, line, target in imports()
        if target.startswith("streamgenre.") and layer(importer) not in ("", layer(target))
    ]


def test_imports_point_down() -> None:
    """A total order of the packages also rules out circles between them."""
    wrong = [
        f"{modules()[importer].relative_to(ROOT.parent)}:{line} imports {target}, but "
        f"{layer(target)} is not below {layer(importer)}"
        for importer, line, target in between_packages()
        if level(layer(target)) >= level(layer(importer))
    ]
    assert not wrong, "\n".join(
        [*wrong, "Move the shared part down, or pass it in as an argument or a protocol."]
    )


@pytest.mark.parametrize("package", sorted(SMALL))
def test_a_subscriber_needs_no_part_of_the_daemon(package: str) -> None:
    wrong = [
        f"{modules()[importer].relative_to(ROOT.parent)}:{line} imports {target}"
        for importer, line, target in between_packages()
        if layer(importer) == package and layer(target) not in SMALL
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_its_training_or_tests() -> None:
    wrong = [each for each in imports() if each[2].split(".")[0] in ("train", "tests", "support")]
    assert not wrong


def test_only_the_version_comes_from_the_root() -> None:
    """Otherwise the public names of the root would be a way around the layers."""
    wrong = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "streamgenre":
                names = {alias.name for alias in node.names}
                packages = {each for each in names if f"streamgenre.{each}" in modules()}
                if names - packages - {"__version__"}:
                    wrong.append(f"{name}:{node.lineno} imports {', '.join(sorted(names))}")
    assert not wrong, "\n".join(wrong)


def test_every_layer_exists() -> None:
    """A name left behind by a move would leave its imports unchecked."""
    named = [each for names in LAYERS for each in ([names] if isinstance(names, str) else names)]
    assert len(named) == len(set(named))
    assert {layer(module) for module in modules()} - {""} == set(named)


def test_modules_have_no_import_cycles() -> None:
    """Imports for types alone count too: two modules that need each other's types are one."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for importer, _, target in imports():
        graph[importer] |= {target} & graph.keys()
    done: set[str] = set()
    for start in graph:
        _visit(start, graph, [], done)


def _visit(name: str, graph: dict[str, set[str]], path: list[str], done: set[str]) -> None:
    assert name not in path, "circle: " + " → ".join([*path[path.index(name) :], name])
    if name in done:
        return
    for target in sorted(graph[name]):
        if target != name:
            _visit(target, graph, [*path, name], done)
    done.add(name)
