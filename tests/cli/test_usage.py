"""Wrong usage: commands and flags that do not exist, and what is suggested for them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from support.commands import streamgenre

from streamgenre.cli.entry import make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield each command that has no commands below it."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for action in below:
        for name, each in action.choices.items():
            yield from leaves(each, (*path, name))
    if not below:
        yield path, parser


LEAVES = dict(leaves(make_parser()))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ending:
        make_parser().parse_args(arguments)
    assert ending.value.code == 2
    shown = capsys.readouterr()
    assert not shown.out
    return shown.err


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_suggests_its_flags(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it says what is missing: two letters are exchanged in each of its longer flags."""
    visible = (a for a in LEAVES[path]._actions if a.help != argparse.SUPPRESS)
    flags = [flag for a in visible for flag in a.option_strings if len(flag) > 5]
    assert flags
    for flag in flags:
        wrong = flag[:4] + flag[5] + flag[4] + flag[6:]
        if flag[4] != flag[5]:
            line = refused(capsys, *path, wrong)
            assert f"{wrong}; did you mean {flag!r}? See `streamgenre {' '.join(path)} -" in line
    assert "did you mean" not in refused(capsys, *path, "--xyzzyx")


@pytest.mark.parametrize(
    "path", sorted({each[:n] for each in LEAVES for n in range(1, len(each) + 1)}), ids=" ".join
)
def test_every_command_is_suggested(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    *before, name = path
    wrong = f"{name}x"
    assert f"invalid choice: {wrong!r}; did you mean {name!r}?" in refused(capsys, *before, wrong)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("listen --publsh=tcp://127.0.0.1:*", "did you mean '--publish'?"),
        ("listen \u2014publish x", "did you mean '--publish'?"),
        ("listen -publish x", "did you mean '--publish'?"),
        ("listen --volume 3", "did you mean '--gain'?"),
        ("listen --hop 3 --port 4", "unrecognized arguments: --hop;"),
        ("listen --port 4", "'--publish' or '--metrics' or '--web'?"),
        ("listen --enter 0.4", "did you mean '--threshold'?"),
        ("listen --pace raal", "did you mean 'real'?"),
        ("--input demo listen", "unrecognized arguments: --input; the flags of `listen` come"),
        ("--vesion", "did you mean '--version'?"),
        ("xyzzy", "(choose from"),
        ("history --station=x", "arguments are required: LISTING"),
        ("control statsu", "did you mean 'status'?"),
        ("history shares --by xyzzy", "(choose from"),
        ("listen surplus", "unrecognized arguments: surplus; see `streamgenre listen --help`"),
    ],
)
def test_what_was_meant_is_suggested_where_one_is_near(
    given: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, *given.split())
    assert words in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("given", ["lisen", "listen --publsh x"])
def test_the_command_ends_in_good_order(given: str) -> None:
    done = streamgenre(*given.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("streamgenre: error: ")
    assert "did you mean" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_value_that_looks_like_a_flag_is_none() -> None:
    """After ``--``, and where a flag takes it."""
    parser = make_parser()
    assert parser.parse_args(["label", "--folder=--xyzzy"]).folder == "--xyzzy"
    assert parser.parse_args(["probe", "--", "--xyzzy"]).input == "--xyzzy"
