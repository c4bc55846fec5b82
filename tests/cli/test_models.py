"""`streamgenre models`: a model's life, from the folder it was taught to a friend's machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import music, write_wav
from support.commands import COMMAND, events_of, free_endpoint, start, streamgenre
from support.live import end
from support.taught_models import GENRES, WIDTH, constant_head, write_taught_model

from streamgenre import paths
from streamgenre.bus.control import request
from streamgenre.errors import ModelError
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_archive import import_model
from streamgenre.inference.model_names import find_model, shipped_models
from streamgenre.teach.lesson import Lesson, lesson_path, write_lesson
from streamgenre.teach.versions import keep_version, previous_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own models."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "SYSTEM_MODELS", tmp_path / "no system")
    return paths.models_dir()


def ok(*arguments: str | Path) -> str:
    done = streamgenre("models", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def failed(*arguments: str | Path) -> str:
    done = streamgenre("models", *arguments)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def listed() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(ok("--json"))}


def test_own_models_are_listed_with_what_they_were_taught_with(own: Path) -> None:
    assert set(listed()) == set(shipped_models())
    write_taught_model(own / "mine")
    rows = listed()
    assert set(rows) == {*shipped_models(), "mine"}
    assert rows["mine"]["origin"] == "own"
    assert rows["lite"]["origin"] == "shipped"
    assert rows["mine"]["taught"]["base"]["name"] == "lite"
    assert rows["mine"]["bytes"] == sum(
        (own / "mine" / name).stat().st_size for name in ("model.onnx", "head.f32")
    )
    (line,) = (each for each in ok().splitlines() if " mine " in each)
    for words in ("ragtime, tango, fado", "on lite", "with 60 recordings (30 min)",
                  "accuracy 0.83 (0.78 to 0.88; chance: 0.33)"):  # fmt: skip
        assert words in line
    shown = ok("show", "mine")
    assert "ragtime     20 recordings    10.0 min" in shown
    assert "also reports  speech" in shown
    assert json.loads(ok("show", "mine", "--json")) == rows["mine"]
    assert "on 3 s windows 0.78" in ok("show", "lstm")


def test_a_damaged_model_is_named_and_the_others_are_listed(own: Path) -> None:
    write_taught_model(own / "mine")
    write_taught_model(own / "spoilt")
    (own / "spoilt" / "head.f32").write_bytes(b"")
    shutil.copytree(own / "mine", own / "lstm")  # a name that the shipped model keeps
    done = streamgenre("models")
    assert done.returncode == 1
    assert " mine " in done.stdout
    assert "cannot be used, see below" in done.stdout
    assert "head.f32" in done.stderr
    assert "'lstm' is a shipped model" in done.stderr
    assert json.loads(streamgenre("models", "--json").stdout)[-1]["problem"]
    config = own.parent / "config.toml"
    config.write_text('model = "mine"\n', "utf-8")
    checked = json.loads(streamgenre("doctor", "--config", config, "--json").stdout)["findings"]
    said = {f["verdict"]: f["says"] for f in checked if f["check"] in ("model", "models")}
    assert "spoilt/head.f32" in said["problem"]
    assert "lite, lstm, mine" in said["ok"]


def test_a_model_travels_as_one_file(own: Path, tmp_path: Path) -> None:
    write_taught_model(own / "mine")
    file = tmp_path / "mine.tar"
    ok("export", "mine", file)
    first = file.read_bytes()
    assert "exists" in failed("export", "mine", file)
    ok("export", "mine", file, "--replace")
    assert file.read_bytes() == first
    with tarfile.open(file) as tar:
        assert sorted(tar.getnames()) == ["mine/head.f32", "mine/manifest.json", "mine/model.onnx"]
    written = subprocess.run(
        [*COMMAND, "models", "export", "mine", "-"], capture_output=True, check=True, cwd=tmp_path
    )
    assert written.stdout == first, "to standard output, and nothing else"
    assert not (tmp_path / "-").exists()
    assert "a model 'mine' already" in failed("import", file)
    for name, other in (("MINE", "mine"), ("Lstm", "lstm")):
        assert f"differs from the model '{other}' only in upper" in failed(
            "import", file, "--as", name
        )
        done = streamgenre("teach", name, "--from", tmp_path)
        assert done.returncode == 1
        assert f"differs from the model {other} only in upper" in done.stderr
    assert "a shipped model" in failed("import", file, "--as", "lite")
    assert "--as NAME" in failed("import", file, "--as", "../up")
    for name in ("a/b", ".hidden", "x" * 65, "", "-x", "a b", "a\nb"):
        with pytest.raises(ModelError, match="--as NAME"):
            import_model(file, own, name, replace=True)
    row = json.loads(ok("import", file, "--as", "наша", "--json"))
    assert row["name"] == "наша"
    assert row["folder"] == str(own / "наша")
    assert oct((own / "наша" / "head.f32").stat().st_mode & 0o777) == "0o644"
    assert ok("import", file, "--replace").startswith("mine: ragtime, tango, fado")
    for content, words in (
        (first, "mine: ragtime"),
        (first[:5000], "-: "),
        (b"", "-: not a whole"),
    ):
        piped = subprocess.run(
            [*COMMAND, "models", "import", "-", "--replace"],
            input=content, capture_output=True, check=False,
        )  # fmt: skip
        assert words in (piped.stdout + piped.stderr).decode()
        assert piped.returncode == (0 if content is first else 1)
    assert sorted(path.name for path in own.iterdir()) == ["mine", "наша"]


def test_only_own_models_are_removed_and_not_without_a_yes(own: Path) -> None:
    write_taught_model(own / "mine")
    assert "comes with streamgenre" in failed("remove", "lstm", "--yes")
    assert "did you mean 'mine'" in failed("remove", "mina", "--yes")
    assert "--yes" in failed("remove", "mine")
    assert (own / "mine").is_dir()
    outside = own.parent / "precious"
    shutil.copytree(own / "mine", outside)
    (own / "link").symlink_to(outside)
    assert "link" in listed()
    ok("remove", "link", "--yes")
    assert (outside / "manifest.json").is_file()
    write_lesson("mine", Lesson("lite", "0" * 64, keep=False, recordings=()))
    manifest = own / "mine" / "manifest.json"
    with keep_version("mine", own / "mine"):
        manifest.write_bytes(manifest.read_bytes() + b" ")
    ok("remove", "mine", "--yes")
    assert list(own.iterdir()) == []
    assert not lesson_path("mine").exists()  # it names the user's files
    assert not previous_folder("mine").exists()  # and so does the one before the last update


def test_a_base_that_an_update_replaced_is_named(own: Path) -> None:
    folder = write_taught_model(own / "mine")
    assert "base_replaced" not in listed()["mine"]
    path = folder / "manifest.json"
    path.write_text(path.read_text("utf-8").replace(parse_manifest(folder).graph_sha256, "0" * 64))
    taught_on_another = json.loads(path.read_text("utf-8"))
    taught_on_another["sha256"]["model.onnx"] = parse_manifest(find_model("lite")).sha256
    path.write_text(json.dumps(taught_on_another), "utf-8")
    assert listed()["mine"]["base_replaced"] is True
    assert "`streamgenre teach mine --again`" in ok("show", "mine")


def test_a_service_keeps_its_models_in_its_own_folder(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    write_taught_model(own / "users")
    write_taught_model(paths.models_dir() / "services")
    assert paths.models_dir() == tmp_path / "state" / "models"
    assert {"users", "services"} <= set(listed())


def test_a_listening_station_gets_ones_own_genres(own: Path, tmp_path: Path) -> None:
    """By name: `listen`, `classify` and `probe`; the speech of the base stays."""
    write_taught_model(own / "mine", head=constant_head(WIDTH, 3, winner=1))
    song = tmp_path / "song.wav"
    write_wav(song, music(5))
    done = streamgenre("listen", "--input", song, "--pace", "fast", "--model", "mine", "--json",
                       "--publish", free_endpoint(), "--no-history")  # fmt: skip
    assert done.returncode == 0, done.stderr
    updates = [event for event in events_of(done.stdout) if event["type"] == "update"]
    assert [list(event["probabilities"]) for event in updates] == [list(GENRES)] * len(updates)
    assert updates[-1]["genre"] == "tango"
    assert updates[-1]["speech"] is not None
    result = json.loads(streamgenre("classify", song, "--model", "mine", "--json").stdout)
    assert result["genre"] == "tango"
    assert result["model"] == "mine"
    # Taught otherwise, under the same name: the results kept of the old one are not used.
    write_taught_model(own / "mine", head=constant_head(WIDTH, 3, winner=2), replace=True)
    result = json.loads(streamgenre("classify", song, "--model", "mine", "--json").stdout)
    assert result["genre"] == "fado"
    probed = streamgenre("probe", song, "--model", "mine", "--seconds", "3", "--json")
    assert json.loads(probed.stdout)["genre"] == "fado"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_running_daemon_takes_what_was_taught_meanwhile(
    own: Path, tmp_path: Path, workers: str
) -> None:
    write_taught_model(own / "mine", head=constant_head(WIDTH, 3, winner=0))
    endpoint = f"ipc://{tmp_path}/control"
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "lite"\n[bus]\ncontrol = "{endpoint}"\npublish = "{free_endpoint()}"\n',
        "utf-8",
    )
    daemon = start(
        "listen",
        "--config",
        config,
        "--input",
        "demo",
        "--workers",
        workers,
        "--no-history",
        "--json",
    )
    try:
        assert daemon.stdout is not None
        lines = iter(daemon.stdout.readline, "")
        heard = (event for event in map(json.loads, lines) if event["type"] == "update")
        assert "blues" in next(heard)["probabilities"]
        for winner, genre in ((0, "ragtime"), (2, "fado")):
            write_taught_model(own / "mine", head=constant_head(WIDTH, 3, winner), replace=True)
            assert request(endpoint, {"request": "model", "model": "mine"}, timeout=60)["ok"]
            while _likeliest(next(heard)) != genre:  # the daemon plays on
                pass
        for name in (str(own / "mine"), "../models/mine", "lstn"):
            answer = request(endpoint, {"request": "model", "model": name}, timeout=60)
            assert "no model" in answer["error"]["message"]
    finally:
        end(daemon)


def _likeliest(event: dict[str, Any]) -> str:
    probabilities: dict[str, float] = event["probabilities"]
    return max(probabilities, key=lambda name: probabilities[name])


def test_the_configuration_names_an_own_model(own: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('model = "mine"\n[[station]]\nname = "x"\ninput = "demo"\n', "utf-8")
    done = streamgenre("config", "check", config)
    assert done.returncode == 1
    assert "no model 'mine'" in done.stdout + done.stderr
    write_taught_model(own / "mine")
    assert streamgenre("config", "check", config).returncode == 0
