"""Where files are kept, with and without XDG variables, systemd's, and a home folder."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamgenre import paths

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "STATE_DIRECTORY")
FOLDERS: list[tuple[Callable[[], Path], str, str, str]] = [
    (paths.config_dir, "XDG_CONFIG_HOME", ".config/streamgenre", "/etc/streamgenre"),
    (paths.state_dir, "XDG_STATE_HOME", ".local/state/streamgenre", "/var/lib/streamgenre"),
    (paths.cache_dir, "XDG_CACHE_HOME", ".cache/streamgenre", "/var/cache/streamgenre"),
]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def _without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(("folder", "variable", "below_home", "system"), FOLDERS)
def test_each_folder_follows_its_variable_then_the_home(
    folder: Callable[[], Path],
    variable: str,
    below_home: str,
    system: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert folder() == tmp_path / below_home
    monkeypatch.setenv(variable, "/elsewhere")
    assert folder() == Path("/elsewhere/streamgenre")
    for ignored in ("", "relative", "./relative", "~/relative"):
        monkeypatch.setenv(variable, ignored)
        assert folder() == tmp_path / below_home


@pytest.mark.parametrize(("folder", "variable", "below_home", "system"), FOLDERS)
def test_a_user_without_a_home_gets_the_systems_folders(
    folder: Callable[[], Path],
    variable: str,
    below_home: str,
    system: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _without_home(monkeypatch)
    assert paths.home() is None
    assert folder() == Path(system)
    monkeypatch.setenv(variable, "/elsewhere")
    assert folder() == Path("/elsewhere/streamgenre")


def test_keys_are_kept_with_the_configuration(tmp_path: Path) -> None:
    assert paths.keys_dir() == tmp_path / ".config" / "streamgenre" / "keys"


def test_systemds_state_directory_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/streamgenre:/var/lib/other")
    assert paths.state_dir() == Path("/var/lib/streamgenre")


def test_a_tilde_is_expanded_where_there_is_such_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert paths.expand("~/a.wav") == tmp_path / "a.wav"
    assert paths.expand("~nobody-of-this-name/a.wav") == Path("~nobody-of-this-name/a.wav")
    _without_home(monkeypatch)
    assert paths.expand("~/a.wav") == Path("~/a.wav")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without an entry")
def test_settings_load_for_a_user_without_entry_and_home() -> None:
    code = (
        "import os; from streamgenre.config.build import load; "
        "from streamgenre.bus.keys import default_folder; "
        "os.setgroups([]); os.setgid(54321); os.setuid(54321); "
        "load(None, {}, models=False); print(default_folder())"
    )
    environment = {k: v for k, v in os.environ.items() if k not in (*VARIABLES, "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "/etc/streamgenre/keys\n"), done.stderr
