"""``streamgenre teach``."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamgenre.cli.interruption import exit_code
from streamgenre.cli.teach_output import Bar, lines_of, table_of
from streamgenre.defaults import MODEL
from streamgenre.errors import InputError, ModelError, SettingsError
from streamgenre.history.export import atomic
from streamgenre.inference.model_names import like_another, shipped_models
from streamgenre.inference.own_models import check_model_name
from streamgenre.inference.taught import check_out
from streamgenre.library.tables import printable
from streamgenre.paths import expand, models_dir
from streamgenre.system.logs import logging_to_user
from streamgenre.teach.lesson import missing, read_lesson
from streamgenre.teach.picture import confusion_svg
from streamgenre.teach.recordings import find
from streamgenre.teach.teaching import teach, write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.teach.recordings import Recording
    from streamgenre.teach.teaching import Taught


def run(args: argparse.Namespace) -> int:
    """Teach a model, or try what accuracy to expect; print how good it is."""
    if args.update or args.rollback:
        from streamgenre.cli import teach_update

        return teach_update.run(args)
    name = _checked(args)
    out = models_dir() / name if name else None
    with logging_to_user("warning"):
        base, keep, recordings, notes = _material(args, name)
        try:
            with _bar() as progress:
                taught = teach(
                    recordings, base, keep=keep, few=bool(args.trial), notes=notes,
                    progress=progress,
                )  # fmt: skip
        except KeyboardInterrupt as interrupt:
            print("interrupted; run it again to go on from here", file=sys.stderr)
            return exit_code("teach", interrupt)
        if args.picture:
            _draw(expand(args.picture), taught, name)
        if out is not None:
            replace = args.replace or args.again
            write(out, taught, base, command=_command(), replace=replace)
    _show(args, taught, name, out)
    return 0


def _checked(args: argparse.Namespace) -> str:
    """Return the name of the model to write, checked before the work; empty for none.

    Raises
    ------
    SettingsError
        If the flags do not fit together.
    ModelError
        If the name cannot be taken.
    """
    if "" in (args.source, args.trial, args.base, args.picture):
        raise SettingsError("an empty path: expected the name of a file or folder")  # of $UNSET
    if args.picture and expand(args.picture).suffix.lower() != ".svg":
        raise SettingsError(f"--picture {args.picture}: expected a name that ends in .svg")
    if args.trial:
        if args.name or args.replace:
            raise SettingsError("--try writes no model: give neither NAME nor --replace with it")
        return ""
    if not (args.source or args.again):
        raise SettingsError(
            "expected --from DIR, --try DIR or --again; see `streamgenre teach --help`"
        )
    if not args.name:
        raise SettingsError(
            "expected a NAME for the model, as in `streamgenre teach mine --from …`"
        )
    name = check_model_name(args.name)
    if name in shipped_models():
        raise ModelError(f"{name}: a model that comes with streamgenre has this name; take another")
    if other := like_another(name):
        raise ModelError(
            f"{name}: differs from the model {other} only in upper and lower case; take another"
        )
    if args.again and (args.base or args.keep or args.names or args.replace):
        raise SettingsError("--again repeats what was given before: give no further flags")
    check_out(models_dir() / name, replace=args.replace or args.again)
    return name


def _material(
    args: argparse.Namespace, name: str
) -> tuple[str, bool, tuple[Recording, ...], list[str]]:
    """Return the base model, whether its genres are kept, the recordings, and notes."""
    if not args.again:
        found = find(args.source or args.trial, dict(map(_pair, args.names)))
        return args.base or MODEL, args.keep, found.recordings, list(found.notes)
    lesson = read_lesson(name)
    gone = missing(lesson.recordings)
    if gone and len(gone) == len(lesson.recordings):
        raise InputError(
            f"{name}: none of the {len(gone)} files that it was taught from is there now, such as "
            f"{gone[0].path}; the model stays as it is"
        )
    notes = [f"no longer there: {each.path}" for each in gone]
    there = tuple(each for each in lesson.recordings if each not in gone)
    return lesson.base, lesson.keep, there, notes


def _pair(text: str) -> tuple[str, str]:
    folder, sign, genre = text.partition("=")
    if not (sign and folder and genre):
        raise SettingsError(f'--as {text}: expected FOLDER=GENRE, such as "dnb=Drum & Bass"')
    return folder, genre


def _command() -> str:
    """Return the command line for the record, without the paths of this machine."""
    words = ["streamgenre", *sys.argv[1:]]
    hidden = {"--from": "DIR", "--picture": "FILE"}
    for at, word in enumerate(words):
        flag = word.partition("=")[0]
        if flag in hidden and "=" in word:
            words[at] = f"{flag}={hidden[flag]}"
        elif at and words[at - 1] in hidden:
            words[at] = hidden[words[at - 1]]
    return printable(shlex.join(words))


def _draw(path: Path, taught: Taught, name: str) -> None:
    figures = taught.figures
    title = f"{name or 'Trial'}: {figures.recordings.value:.2f} of recordings right"
    drawn = confusion_svg(figures.labels, figures.counts, title)
    with atomic(path) as file:
        file.write(drawn.encode(errors="replace"))


def _show(args: argparse.Namespace, taught: Taught, name: str, out: Path | None) -> None:
    if args.json:
        written = {} if out is None else {"name": name, "folder": str(out)}
        print(json.dumps(written | taught.as_dict(), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    # As wide as it needs: a cut table of many genres says nothing.
    console = Console(highlight=False, soft_wrap=True, width=1000)
    lines = lines_of(taught)
    print(*lines.before, sep="\n")
    console.print(table_of(taught.figures, taught.kept))
    print(*lines.after, sep="\n")
    if out is None:
        again = shlex.quote(args.trial)
        print(f"\nnothing was written; to teach it: streamgenre teach NAME --from {again}")
    else:
        print(f"\nwritten: {printable(str(out))}")
        print(f"use it:  streamgenre listen --model {name}")
        print(f"         streamgenre classify --model {name} ~/Music")


@contextmanager
def _bar() -> Iterator[Bar]:
    with Bar() as bar:
        yield bar
