"""Commands work in every locale, whatever their output leads to, and end cleanly on signals."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.audio import music, write_wav
from support.commands import COMMAND, environment, free_endpoint, start
from support.histories import HistoryWriter
from support.live import bus, end, until
from support.sample_events import SampleStation

from streamgenre.cli.entry import make_parser

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "Кухня – 日本"
"""A station's name that Latin-1 cannot encode."""
ANY: Final = "tcp://127.0.0.1:*"


@pytest.fixture(scope="module")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a terminal in the locale de_DE.ISO-8859-1."""
    folder = tmp_path_factory.mktemp("locales")
    wanted = "de_DE.ISO-8859-1"
    if shutil.which("localedef"):
        made = subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / wanted)],
            capture_output=True,
            check=False,
        )
        if made.returncode == 0:
            return {"LOCPATH": str(folder), "LC_ALL": wanted}
    return {"PYTHONIOENCODING": "iso-8859-1"}  # Debian's package `locales` is not installed


LOCALES: Final[dict[str, dict[str, str]]] = {
    "latin-1": {},  # the real one
    "ascii": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "strict ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "utf-16": {"PYTHONIOENCODING": "utf-16"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history, a configuration and a recording."""
    folder = tmp_path_factory.mktemp("place")
    writer = HistoryWriter(folder / "h.sqlite3")
    station = SampleStation(NAME)
    writer.take([station.source(), station.update(), station.title(), station.segment()])
    writer.take([station.dead_air(), station.gap(), station.status()])
    writer.end()
    (folder / "config.toml").write_text(
        f'[bus]\npublish = "{ANY}"\n[history]\nkeep = "none"\n[engine]\nduration_s = 3\n'
        f'[[station]]\nname = "{NAME}"\ninput = "{folder}/{NAME}.wav"\npace = "fast"\n'
        'model = "lite"\n',
        encoding="utf-8",
    )
    write_wav(folder / f"{NAME}.wav", music(3))
    return folder


HISTORY: Final = ("--history", "h.sqlite3", "--since", "1h ago")
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "help": ("--help",),
    "help of listen": ("listen", "--help"),
    "models": ("models",),
    "config show": ("config", "show", "--config", "config.toml"),
    "config check": ("config", "check", "config.toml"),
    "config example": ("config", "edit-example"),
    "devices": ("devices",),
    "doctor": ("doctor", "--config", "config.toml"),
    "history now": ("history", "now", "--history", "h.sqlite3"),
    "history segments": ("history", "segments", *HISTORY),
    "history playlist": ("history", "playlist", *HISTORY),
    "history export": ("history", "export", *HISTORY),
    "probe": ("probe", "./Кухня – 日本.wav", "--seconds", "2", "--model", "lite"),
    "listen": ("listen", "--config", "config.toml"),
}
JSON: Final[dict[str, tuple[str, ...]]] = {
    "models": ("models", "--json"),
    "config show": ("config", "show", "--config", "config.toml", "--json"),
    "history now": ("history", "now", "--history", "h.sqlite3", "--json"),
    "history titles": ("history", "titles", *HISTORY, "--json"),
    "history export": ("history", "export", *HISTORY, "--json"),
    "listen": ("listen", "--config", "config.toml", "--json"),
}


def run(
    place: Path,
    arguments: tuple[str, ...],
    env: Mapping[str, str],
    *,
    closing: str = "",
    **more: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command; ``closing`` is what a shell adds to it, such as ``>&-``."""
    shell = ("/bin/sh", "-c", f'exec "$@" {closing}', "sh") if closing else ()
    return subprocess.run(
        [*shell, *COMMAND, *arguments],
        cwd=place,
        env=environment(env),
        timeout=300,
        check=False,
        **{"capture_output": True, "stdin": subprocess.DEVNULL, **more},
    )


def sound(done: subprocess.CompletedProcess[bytes]) -> None:
    """Whatever was said, it was no traceback and no internal error."""
    for stream in (done.stdout or b"", done.stderr or b""):
        assert b"internal error" not in stream, stream
        assert b"Traceback" not in stream, stream


CASES: Final = (
    *((name, "latin-1") for name in COMMANDS if name != "probe"),  # its argument is a name
    *((name, "strict ascii") for name in ("history playlist", "probe")),
    *(("history segments", locale) for locale in ("ascii", "cp1252", "utf-16")),
)


@pytest.mark.parametrize(("name", "locale"), CASES)
def test_text_is_printed_in_every_locale(
    place: Path, name: str, locale: str, latin_1: dict[str, str]
) -> None:
    done = run(place, COMMANDS[name], LOCALES[locale] or latin_1)
    sound(done)
    assert done.returncode == 0 or name == "doctor", done.stderr
    assert done.stdout


def test_what_the_charset_has_is_kept_and_the_rest_replaced(
    place: Path, latin_1: dict[str, str]
) -> None:
    done = run(place, COMMANDS["history now"], latin_1)
    assert "????? ? ??".encode("latin-1") in done.stdout


@pytest.mark.parametrize("name", JSON)
def test_json_is_utf_8_in_every_locale(place: Path, name: str, latin_1: dict[str, str]) -> None:
    done = run(place, JSON[name], latin_1)
    sound(done)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("utf-8")
    if name == "listen":
        assert {json.loads(line)["station"] for line in text.splitlines()} == {NAME}
    else:
        json.loads(text)
        assert NAME in text or name == "models"


def test_the_example_of_a_configuration_is_utf_8(place: Path, latin_1: dict[str, str]) -> None:
    texts = {
        run(place, COMMANDS["config example"], env).stdout for env in (latin_1, {"PYTHONUTF8": "1"})
    }
    assert len(texts) == 1
    assert not texts.pop().isascii()


def test_subscribe_is_utf_8_in_every_locale(latin_1: dict[str, str]) -> None:
    with bus(ANY, "--stations", NAME) as endpoint:
        done = run(Path(), ("subscribe", "--connect", endpoint, "--count", "5"), latin_1)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("utf-8").splitlines()
    assert {json.loads(line)["station"] for line in lines} == {NAME}


@pytest.mark.parametrize("show", [(), ("--no-dashboard",)])
def test_a_terminal_without_unicode_shows_the_daemon(
    place: Path, latin_1: dict[str, str], show: tuple[str, ...]
) -> None:
    ours, theirs = pty.openpty()
    env = environment(latin_1) | {"TERM": "xterm"}
    process = subprocess.Popen(
        [*COMMAND, "listen", "--config", "config.toml", *show],
        cwd=place,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            new = os.read(ours, 65_536)
        except OSError:
            break
        if not new:
            break
        shown += new
    os.close(ours)
    assert process.wait(60) == 0, shown[-2_000:]
    assert b"rror" not in shown
    assert b"heard" in shown


# --- where the output leads ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["help", "config example", "history export", "history now"])
def test_a_full_disk_is_told(place: Path, name: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(
            place, COMMANDS[name], {}, capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr == b"streamgenre: error: output: No space left on device\n"


@pytest.mark.parametrize(
    "name", ["config example", "history export", "history now", "listen --json"]
)
def test_a_closed_output_is_told_where_it_is_all_that_is_wanted(place: Path, name: str) -> None:
    arguments = JSON["listen"] if name == "listen --json" else COMMANDS[name]
    done = run(place, arguments, {}, closing=">&-")
    sound(done)
    assert done.returncode == 1
    assert b"output: standard output is closed" in done.stderr


def test_a_daemon_needs_no_output(place: Path) -> None:
    done = run(place, COMMANDS["listen"], {}, closing=">&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- signals -------------------------------------------------------------------------------------


def blocked(place: Path, name: str) -> subprocess.Popen[str]:
    """Start a command that cannot end: what it reads from is a pipe, or nobody reads from it."""
    if name == "probe":
        return start("probe", "http://127.0.0.1:9/", "--timeout", "600", cwd=place)
    if name == "control":
        endpoint = free_endpoint()
        return start("control", "status", "--connect", endpoint, "--timeout", "600", cwd=place)
    if name == "subscribe":
        return start("subscribe", "--connect", free_endpoint(), cwd=place)
    return start("listen", "--config", "config.toml", "--duration", "900", cwd=place)


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        ("control", signal.SIGINT, 130),
        ("control", signal.SIGTERM, 143),
        ("subscribe", signal.SIGINT, 0),
        ("subscribe", signal.SIGTERM, 0),
    ],
)
def test_a_signal_ends_a_command_without_a_traceback(
    place: Path, name: str, number: signal.Signals, code: int
) -> None:
    process = blocked(place, name)
    status = Path(f"/proc/{process.pid}/status")

    def handles_sigterm() -> bool:
        caught = int(status.read_text().partition("SigCgt:\t")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    try:
        until(handles_sigterm, 60)
        time.sleep(0.5)  # into the command itself; earlier must do as well
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert out == ""


def test_ctrl_c_while_it_is_loaded_prints_no_traceback(tmp_path: Path) -> None:
    """A module of the standard library that is loaded early sends the signal itself."""
    (tmp_path / "difflib.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(60)\n"
    )
    done = run(tmp_path, ("models",), {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_an_interrupted_export_leaves_no_file(place: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle: the history is a big one, so that there is a middle."""
    script = (
        "import sys, time; from streamgenre.history import export;"
        "export.write_csv = lambda *a, **k: time.sleep(600);"
        "from streamgenre.cli.entry import main; sys.exit(main())"
    )
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", script, "history", "export", *HISTORY, "--out", f"{out}/a.csv"],
        cwd=place,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: list(out.iterdir()), 60)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "")
    assert list(out.iterdir()) == []


# --- flags ---------------------------------------------------------------------------------------

CONTRADICTIONS: Final = {
    frozenset(pair)
    for pair in (
        ("--json", "--quiet"),
        ("--json", "--csv"),
        ("--history", "--no-history"),
        ("--list", "--forget-all"),
        *itertools.combinations(("--from", "--try", "--again", "--update", "--rollback"), 2),
        *itertools.combinations(("--copy", "--move", "--link", "--dry-run"), 2),
    )
}


def flags_of(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Return the flags of a command, each with a value that it takes."""
    found = {}
    for action in parser._actions:
        if not action.option_strings or action.dest in ("help", "version"):
            continue
        flag = action.option_strings[-1]
        if action.nargs == 0:
            found[flag] = [flag]
        else:
            value = str(next(iter(action.choices))) if action.choices else "1"
            found[flag] = [flag, *[value] * (action.nargs if type(action.nargs) is int else 1)]
    return found


def commands_of(parser: argparse.ArgumentParser, words: list[str]) -> Any:
    """Yield every command with its words and its parser, the nested ones too."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not nested:
        yield words, parser
    for action in nested:
        for name, inner in action.choices.items():
            yield from commands_of(inner, [*words, name])


def needed(parser: argparse.ArgumentParser) -> list[str]:
    """Return a value for every argument that a command must have."""
    values = []
    for action in parser._actions:
        if action.required or (not action.option_strings and action.nargs != "?"):
            value = str(next(iter(action.choices))) if action.choices else "1"
            values += [*action.option_strings[-1:], value]
    return values


@pytest.mark.parametrize(
    "command", [" ".join(words) for words, _ in commands_of(make_parser(), [])]
)
def test_flags_that_agree_are_accepted_together(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words, whole = command.split(), make_parser()
    parser = next(p for w, p in commands_of(whole, []) if w == words)
    flags = flags_of(parser)
    for first, second in itertools.combinations(flags, 2):
        arguments = [*words, *needed(parser), *flags[first], *flags[second]]
        if frozenset((first, second)) in CONTRADICTIONS:
            with pytest.raises(SystemExit):
                whole.parse_args(arguments)
            assert "not allowed with" in capsys.readouterr().err
        else:
            whole.parse_args(arguments)


def test_listen_obeys_flags_that_agree(place: Path) -> None:
    done = run(place, ("listen", "--config", "config.toml", "--json", "--no-dashboard"), {})
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["v"] for line in done.stdout.splitlines())
    assert done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("history", "export", "--json", "--format", "csv"), 2, "--json and --format csv"),
        (("history", "playlist", "--json", "--format", "cue"), 2, "--json and --format cue"),
        (("history", "export", "--bom", "--json"), 2, "--bom is for CSV"),
        (("history", "export", "--bom", "--format", "parquet"), 2, "--bom is for CSV"),
        (("history", "playlist", "--bom", "--format", "text"), 2, "--bom is for CSV"),
        (("config", "check", "config.toml", "--config", "other.toml"), 2, "expected one file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_flags_that_contradict_each_other_are_refused_in_words(
    place: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    more = HISTORY if arguments[0] == "history" else ()
    done = run(place, (*arguments, *more), {})
    assert done.returncode == code, done.stderr
    assert words in done.stderr.decode()


# --- CSV for Excel -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "export", *HISTORY),
        ("history", "export", *HISTORY, "--what", "detail"),
        ("history", "export", *HISTORY, "--what", "titles", "--out", "bom.csv"),
        ("history", "playlist", *HISTORY),
        ("classify", ".", "--csv", "--model", "lite", "--no-cache"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_csv_begins_with_a_mark_for_excel_if_asked(place: Path, arguments: tuple[str, ...]) -> None:
    def made(*more: str) -> bytes:
        done = run(place, (*arguments, *more), {})
        assert done.returncode == 0, done.stderr
        return (place / "bom.csv").read_bytes() if "--out" in arguments else done.stdout

    plain = made("--format", "csv") if arguments[0] == "history" else made()
    marked = made("--bom")
    assert marked == b"\xef\xbb\xbf" + plain
    assert plain.startswith((b"station,", b"path,", b"file,"))
