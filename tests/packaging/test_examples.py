"""The examples for other programs, each against a live daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.live import KeyRing, bus, end
from support.requirements import require_programs

from streamgenre.events import from_dict

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
ANY = "tcp://127.0.0.1:*"


def first_lines(command: list[str | Path], count: int, **more: object) -> list[str]:
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,  # type: ignore[call-overload]
    ) as process:
        try:
            return [process.stdout.readline().rstrip("\n") for _ in range(count)]
        finally:
            os.killpg(process.pid, 15)
            end(process)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node.js example with its package, in a scratch folder."""
    require_programs("node", "npm")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(EXAMPLES / "node", folder, dirs_exist_ok=True)
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode != 0:
        if os.environ.get("STREAMGENRE_TEST_ALL"):
            pytest.fail(f"npm install: {done.stderr}")
        pytest.skip("npm cannot install the package zeromq")
    return folder


def test_the_python_example_runs() -> None:
    with bus(ANY, "--stations", "küche,bath") as endpoint:
        command: list[str | Path] = [sys.executable, EXAMPLES / "python" / "subscribe.py", endpoint]
        lines = first_lines(command, 2)
    assert sorted(lines) == ["bath: rock", "küche: rock"]


def test_the_python_example_runs_with_keys(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    with bus(ANY, "--keys", ring.daemon) as endpoint:
        program: list[str | Path] = [sys.executable, EXAMPLES / "python" / "subscribe.py", endpoint]
        program.append(ring.server_key)
        shutil.copytree(ring.alices, tmp_path / "config" / "streamgenre" / "keys")
        env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
        assert first_lines(program, 1, env=env) == ["kitchen: rock"]


def test_the_node_example_runs(node: Path) -> None:
    with bus(ANY, "--stations", "küche,bath") as endpoint:
        lines = first_lines(["node", node / "subscribe.mjs", endpoint], 2)
    assert sorted(lines) == ["bath: rock", "küche: rock"]


def test_the_spectrum_examples_run(node: Path) -> None:
    """Bytes that count up are a ramp from the darkest to the brightest shade."""
    with bus(ANY, "--stations", "küche") as endpoint:
        programs: list[list[str | Path]] = [
            [sys.executable, EXAMPLES / "python" / "spectrum.py", "küche", endpoint],
            ["node", node / "spectrum.mjs", "küche", endpoint],
        ]
        python, javascript = (first_lines(program, 16) for program in programs)
    assert python == javascript
    assert len(python[0]) == 64
    assert set("".join(python)) == set(" .:-=+*#%@")


def test_the_node_example_runs_with_keys(node: Path, tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    with bus(ANY, "--keys", ring.daemon) as endpoint:
        keys = [ring.server_key, ring.alice.public.decode(), ring.alice.secret.decode()]
        assert first_lines(["node", node / "subscribe.mjs", endpoint, *keys], 1) == [
            "kitchen: rock"
        ]


def test_the_c_example_runs(tmp_path: Path) -> None:
    require_programs("cc")
    program = tmp_path / "subscribe"
    built = subprocess.run(
        ["cc", "-Wall", "-Werror", "-o", program, EXAMPLES / "c" / "subscribe.c", "-lzmq"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with bus(ANY) as endpoint:
        events = [from_dict(json.loads(line)) for line in first_lines([program, endpoint], 5)]
    assert events[0].retained or events[0].seq == 0
    assert [e.seq - events[0].seq for e in events][-1] >= 3


def test_the_shell_example_runs_with_jq(tmp_path: Path) -> None:
    require_programs("jq", "awk")
    (tmp_path / "streamgenre").write_text(f'#!/bin/sh\nexec {sys.executable} -m streamgenre "$@"\n')
    (tmp_path / "streamgenre").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with bus(ANY, "--stations", "a b,bath") as endpoint:
        command: list[str | Path] = [EXAMPLES / "shell" / "genres.sh", "--connect", endpoint]
        lines = first_lines(command, 2, env=env)
    assert sorted(lines) == ["a b\trock", "bath\trock"]
