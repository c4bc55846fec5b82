"""Hooks of the documentation site: pages that lie outside docs/, and the links between them.

README.md becomes the home page, the model cards are under ``cards/``, and links to source files
lead to the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
}
"""Paths in the repository, and on the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    for source in _outside():
        place = _on_site(source)
        assert place is not None
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn relative links between repository files into links of the site."""
    here = page.file.src_uri
    source = {_on_site(s): s for s in _outside()}.get(here, f"docs/{here}")

    def replaced(match: re.Match[str]) -> str:
        target, anchor = match[2], match[3] or ""
        if re.match(r"[a-z]+:|/", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = _on_site(path)
        if place is not None and files.get_file_from_path(place) is not None:
            link = posixpath.relpath(place, posixpath.dirname(here) or ".")
        elif (ROOT / path).exists():
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            link = f"{config.repo_url.rstrip('/')}/{kind}/main/{path}"
        else:
            return match[0]  # mkdocs warns of it
        return f"{match[1]}({link}{anchor})"

    return re.sub(r"(\])\(([^)\s#]+)(#[^)\s]*)?\)", replaced, markdown)


def _outside() -> list[str]:
    cards = (ROOT / "models").rglob("*")
    kept = [p for p in cards if p.name == "README.md" or p.suffix == ".svg"]
    return [*PAGES, *sorted(p.relative_to(ROOT).as_posix() for p in kept)]


def _on_site(path: str) -> str | None:
    if path in PAGES:
        return PAGES[path]
    if path.startswith("models/"):
        return path.replace("models/", "cards/", 1)
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return None
