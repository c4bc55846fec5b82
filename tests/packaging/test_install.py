"""The contents of `pip install .`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import wave
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from streamgenre.cli.entry import extra_for
from streamgenre.inference.model_names import shipped_models

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_contains_models_and_schemas_but_no_training_code(wheel: Path) -> None:
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


def test_training_packages_are_not_dependencies_of_listening() -> None:
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


def test_every_missing_package_names_the_extra_that_provides_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    brought = {
        extra: {re.split(r"[^\w-]", wanted)[0].replace("-", "_") for wanted in all_wanted}
        for extra, all_wanted in extras.items()
    }
    imported = {
        match.partition(".")[0]
        for path in (ROOT / "streamgenre").rglob("*.py")
        for match in re.findall(
            r"^ *(?:import|from) ([\w.]+)", path.read_text("utf-8"), re.MULTILINE
        )
    }
    others = imported - set(sys.stdlib_module_names) - {"streamgenre", "zmq", "_typeshed"}
    assert {"av", "prometheus_client", "paho"} < others
    for module in others & set(packages_distributions()):
        (distribution,) = set(packages_distributions()[module])
        for command in ("listen", "dashboard"):
            extra = extra_for(module, command)
            assert extra is not None, module
            assert distribution.replace("-", "_").lower() in brought[extra], module


BRIDGES = ("streamgenre-mqtt.service", "streamgenre-webhook.service")
RUN_TIME_EXTRAS = ("listen", "mqtt", "dashboard", "web")
PI = [
    # The wheels that Raspberry Pi OS (Debian 12) accepts: its C library is 2.36.
    *(f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)),
    "manylinux2014_aarch64",
]


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_every_dependency_has_a_wheel_for_the_pi(python: str, tmp_path: Path) -> None:
    """As Raspberry Pi OS of Debian 12 and 13 would resolve them; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    quick = ["--retries", "1", "--timeout", "20"]
    index = subprocess.run([*pip, "index", *quick, "versions", "pyzmq"], capture_output=True)
    if index.returncode != 0:
        if os.environ.get("STREAMGENRE_TEST_ALL"):
            pytest.fail("no package index answers")
        pytest.skip("needs a package index")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for e in RUN_TIME_EXTRAS for name in extras[e])]
    report = tmp_path / "report.json"
    resolve = [
        *(*pip, "install", *quick, "--quiet", "--dry-run", "--ignore-installed", "--only-binary"),
        *(":all:", "--target", str(tmp_path / "none"), "--report", str(report)),
        *("--implementation", "cp", "--python-version", python),
        *(flag for platform in PI for flag in ("--platform", platform)),
    ]
    done = subprocess.run([*resolve, *wanted], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    urls = [item["download_info"]["url"] for item in json.loads(report.read_text())["install"]]
    assert len(urls) >= len(set(wanted))
    for url in urls:
        assert re.search(r"(aarch64|-any)\.whl$", url), url


def test_the_service_is_installed_below_a_folder_and_removed(wheel: Path, tmp_path: Path) -> None:
    to = tmp_path / "root"
    variables = {
        **{"PACKAGE": str(wheel), "PIP_FLAGS": "--no-deps --no-index"},
        "PYTHONPATH": sysconfig.get_paths()["purelib"],  # what it depends on
    }

    def make(target: str) -> str:
        done = subprocess.run(
            ["make", target, f"DESTDIR={to}", f"PYTHON={sys.executable}"],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    output = make("install-service")
    assert re.search(r"systemctl is not called.*no user is made", output, re.DOTALL)
    timer = "usr/local/lib/systemd/system/streamgenre-teach.timer"
    assert (to / timer).read_text() == (ROOT / "systemd/streamgenre-teach.timer").read_text()
    teach = "streamgenre-teach.service"
    for unit in ("streamgenre.service", "streamgenre@.service", *BRIDGES, teach):
        placed = to / "usr/local/lib/systemd/system" / unit
        assert placed.read_text() == (ROOT / "systemd" / unit).read_text()
        (command,) = re.findall(r"^ExecStart=(\S+)", placed.read_text(), re.MULTILINE)
        assert os.access(f"{to}{command}", os.X_OK)
        # It names the installed Python, not the one in the build folder.
        assert Path(f"{to}{command}").read_text().startswith("#!/opt/streamgenre/bin/python")
    python = to / "opt/streamgenre/bin/python"
    version = [str(python), "-P", "-m", "streamgenre", "--version"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    shown = subprocess.run(version, capture_output=True, text=True, check=True, env=clean)
    assert shown.stdout.startswith("streamgenre ")

    settings = to / "etc/streamgenre/config.toml"
    assert settings.stat().st_mode & 0o777 == 0o640
    check = [sys.executable, "-m", "streamgenre", "config", "check", str(settings)]
    subprocess.run(check, check=True, capture_output=True)
    settings.write_text("# mine\n")
    data = to / "var/lib/streamgenre/history.sqlite3"
    data.parent.mkdir(parents=True)
    data.write_text("mine")
    assert "kept" in make("install-service")
    said = make("uninstall-service")
    assert re.search(r"systemctl is not called.*no user is removed", said, re.DOTALL)
    assert f"{to}/etc/streamgenre" in said
    assert f"{to}/var/lib/streamgenre" in said
    left = {path.relative_to(to).as_posix() for path in to.rglob("*") if not path.is_dir()}
    assert left == {"etc/streamgenre/config.toml", "var/lib/streamgenre/history.sqlite3"}
    assert (settings.read_text(), data.read_text()) == ("# mine\n", "mine")


BLOCKER = """
import os, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ.get("MISSING"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("mutagen", ["listen", "--input", "a.wav", "--model", "lite", "--no-history", "-q"]),
        ("mutagen", ["listen", "--config", "two.toml", "-q"]),
        ("mutagen", ["classify", "a.wav", "b.wav", "--no-cache"]),
        ("sounddevice", ["devices"]),
    ],
)
def test_a_module_that_is_loaded_late_and_missing_is_named(
    module: str, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(bytes(22050))
    shutil.copy(tmp_path / "a.wav", tmp_path / "b.wav")
    stations = "".join(f'[[station]]\nname = "{n}"\ninput = "{n}.wav"\n' for n in "ab")
    (tmp_path / "two.toml").write_text(
        f'model = "lite"\n{stations}[history]\nkeep = "none"\n[bus]\npublish = "tcp://127.0.0.1:*"\n'
    )
    result = subprocess.run(
        [sys.executable, "-m", "streamgenre", *words], cwd=tmp_path, text=True, check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "MISSING": module},
    )  # fmt: skip
    assert result.returncode > 0
    assert f"{module}, which is not installed" in result.stderr
    assert "pip install 'streamgenre[listen]'" in result.stderr
    assert "internal error" not in result.stdout + result.stderr
    if "classify" in words:
        assert result.stderr.count("mutagen") == 1
        assert result.stdout == ""
