"""``streamgenre picture``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamgenre.display.text import clean
from streamgenre.errors import SettingsError
from streamgenre.history.export import atomic
from streamgenre.inference.models import load_model
from streamgenre.paths import expand
from streamgenre.picture.measure import measure
from streamgenre.picture.page import page
from streamgenre.report.theme import THEMES
from streamgenre.system.logs import logging_to_user

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator


def run(args: argparse.Namespace) -> int:
    """Draw what the model hears in a file, or in two."""
    out = expand(args.out)
    kind = out.suffix.lower()
    if kind not in (".svg", ".png", ".pdf"):
        raise SettingsError(f"--out {args.out}: expected a name that ends in .svg, .png or .pdf")
    files = [expand(path) for path in (args.compare or [args.file]) if path is not None]
    if not files or (args.compare and args.file):
        raise SettingsError("expected one file, or --compare A B")
    with logging_to_user("warning"):
        model = load_model(args.model)
        with _busy() as step:
            measured = [measure(path, model, step) for path in files]
    drawn = page(measured, THEMES[args.theme])
    if kind == ".svg":
        picture = drawn.encode(errors="replace")
    else:
        from streamgenre.report.png_pdf import convert

        title = clean(" and ".join(path.name for path in files))
        picture = convert(drawn, "pdf" if kind == ".pdf" else "png", title=title)
    with atomic(out) as file:
        file.write(picture)
    return 0


@contextmanager
def _busy() -> Iterator[Callable[[], None]]:
    """Show on standard error, if it is a terminal, that the work goes on."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console

    with Console(stderr=True).status("hearing"):
        yield lambda: None
