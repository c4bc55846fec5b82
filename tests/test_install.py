"""What `pip install .` brings along."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from streamgenre.manifest import shipped_models

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_models_and_schemas_and_no_training(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for model in shipped_models():
        for file in ("model.onnx", "manifest.json", "README.md"):
            assert f"streamgenre/model_folders/{model}/{file}" in names
    assert {"streamgenre/py.typed", "streamgenre/schemas/update.json"} <= names
    assert not [name for name in names if name.startswith(("train/", "tests/", "benchmarks/"))]


def test_an_installed_wheel_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    listen = (
        "import sys; sys.path.insert(0, sys.argv[1]); import streamgenre\n"
        "assert streamgenre.__file__.startswith(sys.argv[1]), streamgenre.__file__\n"
        "from streamgenre.cli import main\n"
        "sys.exit(main(['listen', '--input', 'demo', '--pace', 'fast', '--duration', '3', '--json',"
        " '--publish', 'tcp://127.0.0.1:*']))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", listen, str(tmp_path / "site")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert re.fullmatch(r"streamgenre: publishing on \S+\n", done.stderr)
    assert done.stdout.count('"type": "update"') == 3


def test_what_only_training_needs_is_no_dependency_of_listening() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {name.split(">")[0] for name in project["dependencies"]}
    assert not needed & {"tensorflow", "scipy", "pandas", "matplotlib", "keras", "onnx"}


def test_no_audio_is_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = listed.stdout.splitlines()
    audio = (".ogg", ".wav", ".flac", ".mp3", ".au", ".m4a", ".opus")
    assert not [name for name in files if name.lower().endswith(audio)]
