"""Fixtures of all tests."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import fuzzing
from support.model_factory import write_stateful_model, write_windowed_model
from support.requirements import require_programs
from support.sound_server import SoundServer
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)


SITE = {
    *("test_control.py", "test_live_events.py", "test_page_live.py", "test_page_spectrum.py"),
    "test_spectrum.py",
}
"""Files of ``tests/web`` that share a live daemon and its page."""
LONG = (*SITE, "train", "real", "test_memory.py", "test_history_kill.py", "test_soak.py")
"""Folders and files that take longest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz",
        type=int,
        default=0,
        metavar="N",
        help="draw N times as many examples in property tests and fuzzers, new ones in each run",
    )


def pytest_configure(config: pytest.Config) -> None:
    fuzzing.configure(config.getoption("--fuzz"))
    # Commands inherit ignored signals, and keep them ignored; they do not inherit handlers.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files: several run in parallel, and none should be left at the end."""
    items.sort(key=lambda item: not {item.path.parent.name, item.path.name} & set(LONG))


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Gives each process whole files, and to one process those that would start the same again."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        folder, _, name = file.rpartition("/")
        if folder == "tests/web" and name in SITE:
            return folder
        if folder == "tests/train":  # TensorFlow, in two processes
            return f"{folder} {name < 'test_train_m'}"
        return file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def private_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A separate folder for the files and configuration of daemons under test."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.delenv("STATE_DIRECTORY", raising=False)
        yield folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_260_101)


@pytest.fixture(scope="session")
def stateful_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stateful model of ten genres with random weights."""
    return write_stateful_model(tmp_path_factory.mktemp("models") / "stateful", labels=GENRES)


@pytest.fixture(scope="session")
def windowed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A windowed model of ten genres with random weights."""
    return write_windowed_model(tmp_path_factory.mktemp("models") / "windowed", labels=GENRES)


@pytest.fixture(scope="session")
def tmux() -> str:
    require_programs("tmux")
    return "tmux"


@pytest.fixture
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    """A private PulseAudio whose only sound card is the null sink ``tuner``."""
    require_programs("pulseaudio", "pactl", "paplay")
    server = SoundServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
