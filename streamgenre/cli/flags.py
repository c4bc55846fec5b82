"""The flags of ``streamgenre listen`` as settings, which override those of files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.config.key_names import FLAGS
from streamgenre.config.layers import Setting, SettingsTree, put
from streamgenre.errors import SettingsError
from streamgenre.sources.factory import input_name

if TYPE_CHECKING:
    import argparse

_NAMED: Final = re.compile(r"([^=/:?\\]*[^=/:?\\\s][^=/:?\\]*)=(.+)", re.DOTALL)


def flag_tree(args: argparse.Namespace) -> SettingsTree:
    """Return the settings of the command line; flags that were not given set nothing.

    Raises
    ------
    SettingsError
        If ``--station`` does not name exactly one input, or an input has an empty name.
    """
    tree = SettingsTree()
    for name, path in FLAGS.items():
        value = getattr(args, name)
        if value is not None:
            put(tree, path, Setting(value, f"--{name.replace('_', '-')}"))
    if args.history is not None:
        put(tree, ("history", "keep"), Setting("all", "--history"))
    if args.no_history:
        put(tree, ("history", "keep"), Setting("none", "--no-history"))
    if args.input:
        tree["station"] = _stations(args.input, args.station)
    elif args.station is not None:
        tree["name"] = Setting(args.station, "--station")
    return tree


def _stations(inputs: list[str], station: str | None) -> list[SettingsTree]:
    listed: list[SettingsTree] = []
    for text in inputs:
        name, what = split_name(text)
        if name is None and re.fullmatch(r"[^=/:?\\]+=\s*|=.*", text) and not Path(text).exists():
            side = "before" if text.startswith("=") else "after"
            raise SettingsError(f"--input {text}: nothing {side} the =; expected NAME=INPUT")
        tree = SettingsTree(input=Setting(what, "--input"))
        if len(inputs) > 1 and name is None:
            name = input_name(what)
        if station is not None:
            if len(inputs) > 1 or name is not None:
                raise SettingsError(
                    f"--station {station!r}: names the only --input, which must have no name of "
                    f"its own; "
                    "name several inputs as --input NAME=INPUT"
                )
            tree["name"] = Setting(station, "--station")
        elif name is not None:
            tree["name"] = Setting(name, "--input")
        listed.append(tree)
    return listed


def split_name(text: str) -> tuple[str | None, str]:
    r"""Split ``NAME=INPUT``.

    A name contains none of ``= / : ? \``, so that URLs and paths with a folder are not split; nor
    is a text split that is the name of an existing file.

    Returns
    -------
    name : str or None
        The name; None if there is none.
    input : str
        The input.
    """
    match = _NAMED.fullmatch(text)
    if match is None or "\0" in text or Path(text).exists():
        return None, text
    return match[1].strip(), match[2]
