"""``streamgenre probe``."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from streamgenre.config import StationSettings
from streamgenre.engine.probe import Probe, probe
from streamgenre.errors import SettingsError
from streamgenre.inference.models import load_model
from streamgenre.sources.factory import open_input
from streamgenre.system.logs import logging_to_user
from streamgenre.system.quiet_libraries import quiet_libraries

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

USUAL_DBFS: Final = -15.0
"""RMS level in dBFS of most music on CD, and of most audio that the models were trained on."""
QUIET_DBFS: Final = -35.0
"""Lowest RMS level in dBFS that `lstm` and `cnn` were trained on; see their cards."""
_LONGEST_S = 3600.0


def run(args: argparse.Namespace) -> int:
    """Listen to an input for some seconds and report what it is."""
    for flag, value in (("--seconds", args.seconds), ("--timeout", args.timeout)):
        if not 0 < value <= _LONGEST_S:
            raise SettingsError(
                f"{flag} {value:g}: expected seconds greater than 0, at most {_LONGEST_S:g}"
            )
    with quiet_libraries(enabled=not args.debug), logging_to_user("warning"):
        model = load_model(args.model)
        source, _ = open_input(StationSettings(input=args.input, pace="fast"))
        with _progress(source.name, args.seconds) as progress:
            found = probe(
                source, model, seconds=args.seconds, timeout_s=args.timeout, progress=progress
            )
    if args.json:
        print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        _show(found)
    return 0


@contextmanager
def _progress(name: str, seconds: float) -> Iterator[Callable[[float], None]]:
    """Show on standard error, if it is a terminal, how much audio was heard."""
    if not sys.stderr.isatty():
        yield lambda heard_s: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} s")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"listening to {escape(name)}", total=seconds)
        yield lambda heard_s: bar.update(task, completed=heard_s)


def _show(found: Probe) -> None:
    info = found.info
    print(found.input)
    rows = [
        ("station", info.name),
        ("says genre", info.genre),
        ("about", info.description),
        ("homepage", info.homepage),
        ("codec", _joined(info.codec, info.container and f"in {info.container}")),
        ("bit rate", info.bit_rate and f"{info.bit_rate / 1000:.0f} kb/s"),
        ("format", f"{found.rate} Hz, {found.channels} channel{'s' * (found.channels != 1)}"),
        ("length", info.seconds and f"{info.seconds:.1f} s"),
        ("files", info.files and str(info.files)),
        ("level", _level(found)),
        *(
            ("title", f"{t['raw']}  (at {t['stream_time']:.1f} s)")
            for t in found.titles
            if t["raw"]
        ),
        ("heard", f"{found.heard_s:.1f} s: {_verdict(found)}, says {found.model}"),
        ("problem", found.problem),
    ]
    for name, value in rows:
        if value:
            print(f"  {name:<11} {value}")


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _level(found: Probe) -> str:
    if found.level_dbfs is None:
        return "digital silence"
    peak = "" if found.peak_dbfs is None else f", peak {found.peak_dbfs:.1f} dBFS"
    loudness = "" if found.loudness_lufs is None else f", {found.loudness_lufs:.1f} LUFS"
    level = f"{found.level_dbfs:.1f} dBFS RMS{peak}{loudness}"
    if found.level_dbfs < QUIET_DBFS and found.state != "silence":
        gain = min(60, math.ceil((USUAL_DBFS - found.level_dbfs) / 5) * 5)
        level += (
            f"\n{'':14}too quiet: most music is at about {USUAL_DBFS:.0f} dBFS, and lstm and cnn "
            f"mistake genres below {QUIET_DBFS:.0f}; raise it, or listen with --gain {gain}"
        )
    return level


def _verdict(found: Probe) -> str:
    """Return the decision with the three likeliest genres."""
    likeliest = sorted(found.probabilities.items(), key=lambda item: -item[1])[:3]
    shares = ", ".join(f"{genre} {p:.2f}" for genre, p in likeliest)
    return f"{found.genre or found.state} ({shares})"
