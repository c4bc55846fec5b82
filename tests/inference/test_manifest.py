"""Manifests of model folders: the fields read, and the message for each error."""

from __future__ import annotations

import copy
import dataclasses
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from support.model_factory import LABELS, SPEC, write_stateful_model, write_windowed_model

import streamgenre.inference.model_names
from streamgenre.audio.features import MfccSpec
from streamgenre.errors import ModelError
from streamgenre.inference.manifest import StateTensor, read_manifest
from streamgenre.inference.model_names import find_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_stateful_model(tmp_path / "swing")


def load(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return data


def put(data: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy with one field set, or left out where the value is ``...``."""
    changed = copy.deepcopy(data)
    *path, last = dotted.split("/")
    inner: Any = changed
    for name in path:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return changed


def refused(folder: Path, text: str | bytes) -> str:
    """Write an invalid manifest, return its error message; it must start with the file's path."""
    path = folder / "manifest.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


# --- accepted ------------------------------------------------------------------------------------


def test_a_stateful_manifest_is_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.name == "swing"
    assert manifest.kind == "stateful"
    assert manifest.labels == LABELS
    assert manifest.features == SPEC
    assert manifest.window_frames == 0
    assert manifest.states == (StateTensor("h", "h_next", (8,)), StateTensor("c", "c_next", (8,)))
    assert manifest.temperature == 1.5
    assert manifest.weights == folder / "model.onnx"
    assert manifest.raw == load(folder)


def test_a_windowed_manifest_is_read(tmp_path: Path) -> None:
    manifest = read_manifest(write_windowed_model(tmp_path / "m", window_frames=75))
    assert manifest.kind == "windowed"
    assert manifest.window_frames == 75
    assert manifest.states == ()


def test_fields_of_later_versions_are_ignored(folder: Path) -> None:
    changed = load(folder) | {"mood": "blue"}
    (folder / "manifest.json").write_text(json.dumps(changed))
    assert read_manifest(folder).raw["mood"] == "blue"


def test_whole_numbers_written_as_floats_are_integers(folder: Path) -> None:
    changed = put(put(load(folder), "features/nfft", 1024.0), "states/0/shape", [8.0])
    (folder / "manifest.json").write_text(json.dumps(changed))
    manifest = read_manifest(folder)
    assert type(manifest.features.nfft) is int
    assert type(manifest.states[0].shape[0]) is int


def test_the_schema_names_every_feature_setting(folder: Path) -> None:
    path = resources.files("streamgenre") / "schemas" / "manifest.json"
    schema = json.loads(path.read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(load(folder))
    names = {field.name for field in dataclasses.fields(MfccSpec)}
    assert set(schema["properties"]["features"]["properties"]) == names
    assert set(schema["properties"]["features"]["required"]) == names


# --- rejected ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("name", ..., "name"),
        ("name", "", "name"),
        ("kind", ..., "kind"),
        ("kind", "magic", "kind"),
        ("labels", ["jazz"], "labels"),
        ("labels", ["jazz", "jazz"], "labels"),
        ("labels", ["jazz", 3], "labels"),
        ("features", ..., "features"),
        ("features", None, "features"),
        ("features/nfft", ..., "nfft"),
        ("features/nfft", 1024.5, "features.nfft"),
        ("features/nfft", "1024", "features.nfft"),
        ("features/samplerate", True, "features.samplerate"),
        ("features/winfunc", "kaiser", "features.winfunc"),
        ("features/mels", 40, "mels"),
        ("states", ..., "states"),
        ("states", [], "states"),
        ("states/0/shape", [0], "shape"),
        ("states/0/input", ..., "input"),
        ("calibration", {}, "calibration"),
        ("calibration/temperature", 0, "calibration.temperature"),
        ("calibration/temperature", None, "calibration.temperature"),
        ("sha256", {}, "sha256"),
        ("sha256/model.onnx", "ab", "sha256.model.onnx"),
        ("training", ..., "training"),
        ("training/seed", "0", "training.seed"),
    ],
)
def test_a_violation_of_the_schema_names_the_field(
    folder: Path, field: str, value: Any, named: str
) -> None:
    message = refused(folder, json.dumps(put(load(folder), field, value)))
    assert named in message.removeprefix(str(folder))
    assert "must" in message


def test_a_windowed_manifest_must_give_its_window(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")
    message = refused(folder, json.dumps(put(load(folder), "window_frames", ...)))
    assert "window_frames" in message


@pytest.mark.parametrize("version", [0, 2, 1.5, "1", None])
def test_another_manifest_version_is_rejected(folder: Path, version: Any) -> None:
    message = refused(folder, json.dumps(put(load(folder), "manifest_version", version)))
    assert repr(version) in message
    assert "version 1" in message


def test_a_missing_manifest_version_is_rejected(folder: Path) -> None:
    message = refused(folder, json.dumps(put(load(folder), "manifest_version", ...)))
    assert "None" in message
    assert "reads version 1" in message


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("features/nfft", 512, ["nfft 512", "1024 samples"]),
        ("features/numcep", 41, ["numcep", "40", "41"]),
        ("features/highfreq", 9000.0, ["highfreq 9000", "8000"]),
        ("features/samplerate", 10**400, ["features"]),
        ("calibration/temperature", 10**400, ["calibration"]),
    ],
    ids=["nfft", "numcep", "highfreq", "huge rate", "huge temperature"],
)
def test_conflicting_settings_are_rejected(
    folder: Path, field: str, value: Any, words: list[str]
) -> None:
    message = refused(folder, json.dumps(put(load(folder), field, value)))
    for word in words:
        assert word in message


@pytest.mark.parametrize("text", ["[]", "null", '"manifest"', "7"])
def test_json_that_is_not_an_object_is_rejected(folder: Path, text: str) -> None:
    message = refused(folder, text)
    assert "expected a JSON object" in message
    assert type(json.loads(text)).__name__ in message


@pytest.mark.parametrize(
    "text", ["", "{", "{'name': 1}", b"\xff\xfe{}", "[" * 200_000, "9" * 5_000], ids=range(6)
)
def test_invalid_json_is_rejected(folder: Path, text: str | bytes) -> None:
    assert "not valid JSON" in refused(folder, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_finite_numbers_are_rejected(folder: Path, number: str) -> None:
    text = json.dumps(put(load(folder), "calibration/temperature", 123.5))
    assert number in refused(folder, text.replace("123.5", number))


def test_a_huge_manifest_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(folder) | {"history": "x" * 1_000_000}
    monkeypatch.setattr("json.loads", lambda *_, **__: pytest.fail("was read"))
    message = refused(folder, json.dumps(data))
    assert "larger than 1000000 bytes" in message


def test_a_missing_manifest_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file") as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


def test_a_folder_in_place_of_the_manifest_is_reported(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ModelError, match="directory"):
        read_manifest(tmp_path)


def test_missing_weights_are_reported(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="whole model folder") as caught:
        read_manifest(folder)
    assert str(folder / "model.onnx") in str(caught.value)


def test_weights_of_another_model_are_rejected(folder: Path, tmp_path: Path) -> None:
    other = write_stateful_model(tmp_path / "other", seed=1)
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    expected, found = (load(path)["sha256"]["model.onnx"] for path in (folder, other))
    with pytest.raises(ModelError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'model.onnx'}: SHA-256 is {found[:12]}")
    assert expected[:12] in message
    assert "install it again" in message


# --- finding a model -----------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with two in it."""
    place = tmp_path / "shipped"
    write_stateful_model(place / "lstm")
    write_windowed_model(place / "cnn")
    monkeypatch.setattr(streamgenre.inference.model_names, "shipped_folder", lambda: place)
    return place


def test_a_shipped_model_is_found_by_name(shipped: Path) -> None:
    assert streamgenre.inference.model_names.shipped_models() == ["cnn", "lstm"]
    assert find_model("lstm") == shipped / "lstm"


def test_a_folder_is_found_by_path(shipped: Path, folder: Path) -> None:
    assert find_model(str(folder)) == folder


def test_a_folder_is_found_below_home(
    shipped: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find_model("~/swing") == folder


@pytest.mark.parametrize(("typed", "meant"), [("lstn", "lstm"), ("LSTM", "lstm"), ("cn", "cnn")])
def test_a_mistyped_name_gets_a_suggestion(shipped: Path, typed: str, meant: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(typed)
    message = str(caught.value)
    assert f"no model {typed!r}" in message
    assert "cnn, lstm" in message
    assert f"did you mean {meant!r}?" in message


def test_a_name_unlike_any_other_gets_no_suggestion(shipped: Path) -> None:
    with pytest.raises(ModelError, match=r"path of a model folder$"):
        find_model("/no/such/folder/xyz")


def test_a_folder_without_a_model_is_reported(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds manifest\.json and model\.onnx"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("name", ["", "~no-such-user-here/m", "x" * 5_000, "a\0b"])
def test_names_that_cannot_be_folder_names_are_rejected(shipped: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"no model|an empty name; expected"):
        find_model(name)
