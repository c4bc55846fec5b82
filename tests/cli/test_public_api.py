"""The public names of `import streamgenre`, and the cost of the import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import streamgenre
from streamgenre import errors, events

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_public_name_exists_and_is_listed() -> None:
    for name in streamgenre.__all__:
        assert getattr(streamgenre, name) is not None
        assert name in dir(streamgenre)
    assert streamgenre.Update is events.Update
    assert streamgenre.BusError is errors.BusError
    assert not hasattr(streamgenre, "Subscribr")


def test_all_event_types_and_errors_are_public() -> None:
    base = errors.StreamgenreError
    known: list[type[errors.StreamgenreError]] = [base, *base.__subclasses__()]
    wanted = {cls.__name__ for cls in known if cls.__module__ == errors.__name__}
    wanted |= {cls.__name__ for cls in events.Event.__subclasses__()}
    assert wanted <= set(streamgenre.__all__)
    assert len(wanted) >= 15


def test_importing_the_package_loads_nothing_else() -> None:
    """Not even `logging`, which takes longer than all of `streamgenre --help`."""
    loaded = "sorted(n for n in sys.modules if n.partition('.')[0] in "
    heavy = "('streamgenre', 'zmq', 'numpy', 'logging', 'json', 'dataclasses')))"
    assert run(f"import sys, streamgenre; print({loaded}{heavy}") == "['streamgenre']"
    # The errors and the version need nothing but the standard library.
    code = "import sys; from streamgenre import SettingsError; print('zmq' in sys.modules)"
    assert run(code) == "False"


def test_type_checkers_find_the_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import streamgenre\n"
        "from streamgenre import Subscriber, Update\n"
        "def show(update: Update) -> None: reveal_type(update.genre)\n"
        "reveal_type(Subscriber)\n"
        "reveal_type(streamgenre.BusError.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for shown in ('"str | None"', "streamgenre.client.subscriber.Subscriber", '"int"'):
        assert shown in done.stdout.replace("builtins.", ""), done.stdout


def test_without_logging_configuration_nothing_is_printed() -> None:
    """Python would print the warnings of a library without a handler on standard error."""
    code = (
        "import sys, streamgenre.audio.clock as clock\n"
        "clock._log.warning('the clock was set')\n"
        "import logging; sys.stdout.write(str(logging.getLogger('streamgenre').handlers))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "NullHandler" in done.stdout


def test_every_module_logs_through_the_package() -> None:
    """A logger from elsewhere would come without the handler that keeps it silent."""
    for path in (ROOT / "streamgenre").rglob("*.py"):
        if path.name != "logger.py":
            assert "logging.getLogger(__name__)" not in path.read_text("utf-8"), path
