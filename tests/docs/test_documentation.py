"""The documentation names only existing pages, modules, commands and flags."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_architecture import LAYERS

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_resolves(page: Path) -> None:
    text = without_code(page.read_text("utf-8"))
    for target, anchor in re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{target} in {page.name}"
        assert not anchor or anchor in anchors(path), f"{target}#{anchor} in {page.name}"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_on_the_map_exists(name: str) -> None:
    named = set()
    for code in re.findall(r"`([^`\n]+)`", (ROOT / name).read_text("utf-8")):
        if re.fullmatch(r"[\w*./@-]+(\.(py|md|json|service|toml)|/)", code):
            named.add(code.replace("COMMAND", "*").replace("NAME", "*"))
    assert len(named) > 5
    missing = [
        code
        for code in sorted(named)
        if not any(list(folder.glob(code)) for folder in (ROOT, ROOT / "streamgenre"))
        and not code.startswith(("site/", ".venv"))
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_flag_of_a_documented_command_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    calls = re.findall(r"(?:^|[`$ ])streamgenre ([a-z]+)((?:[^\n`#|>&]|`(?=\S))*)", text)
    for command, rest in calls:
        if command not in COMMANDS:
            continue
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest):
            assert flag in help_of(command), f"streamgenre {command} {flag} in {page.name}"


COMMANDS = (
    *("listen", "dashboard", "subscribe", "devices", "probe", "models", "keys", "control"),
    *("bridge", "history", "report", "config", "service", "doctor", "fleet"),
)
_HELP: dict[str, str] = {}


def help_of(command: str) -> str:
    """Return the help of a command and of the actions under it."""
    if command not in _HELP:
        text = _help(command)
        actions = re.search(r"\{([a-z,-]+)\}", text) if "positional arguments" in text else None
        listed = actions[1].split(",") if actions else re.findall(r"^    ([a-z-]+) ", text, re.M)
        _HELP[command] = text + "".join(_help(command, action) for action in listed)
    return _HELP[command]


def _help(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streamgenre", *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return done.stdout if done.returncode == 0 else ""


def test_the_picture_shows_the_layers_that_are_checked() -> None:
    """From top to bottom and right to left, the picture has the packages from high to low."""
    rows = re.findall(
        r'<text [^>]*y="(\d+)"[^>]*fill="#1e1b4b">(\w+)<',
        (ROOT / "docs/architecture.svg").read_text(),
    )
    order = [name for _, name in sorted(rows, key=lambda row: -int(row[0]))]
    flat = [name for names in LAYERS for name in ([names] if isinstance(names, str) else names)]
    assert order == [name for name in flat if name != "__main__"]


def test_the_picture_of_the_packages_is_what_the_script_draws(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.svg"
    subprocess.run([sys.executable, ROOT / "scripts/architecture-picture", drawn], check=True)
    assert drawn.read_text("utf-8") == (ROOT / "docs/architecture.svg").read_text("utf-8")


def test_the_map_has_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    picture = (ROOT / "docs/architecture.svg").read_text("utf-8")
    packages = [p.parent.name for p in (ROOT / "streamgenre").glob("*/__init__.py")]
    assert len(packages) > 10
    for name in packages:
        assert f"`{name}/`" in text
        assert f">{name}</text>" in picture


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    promises = [line for line in rows if not line.startswith(("|---", "| It cannot"))]
    assert len(promises) > 30
    named = set()
    for promise in promises:
        found = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", promise)
        assert found, promise
        named |= set(found)
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"
