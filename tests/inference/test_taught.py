"""Taught model folders: a base's graph, a head of one's own genres, and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from support.model_factory import write_stateful_model, write_windowed_model
from support.taught_models import GENRES, WIDTH, random_head, write_taught_model

from streamgenre.errors import ModelError
from streamgenre.inference.genre_names import check_genre
from streamgenre.inference.head import LinearHead
from streamgenre.inference.manifest import EMBEDDING, FRAMES, parse_manifest, read_manifest
from streamgenre.inference.model_names import find_model, shipped_models
from streamgenre.inference.models import load_model
from streamgenre.inference.session import open_graph
from streamgenre.inference.taught import write_taught
from train.cli import main as train
from train.export.embedding_output import add_embedding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model


def hops(model: Model, rows: int, seed: int = 0, count: int = 5) -> list[list[NDArray[np.float32]]]:
    """Return frames of some hops for some stations."""
    rng = np.random.default_rng(seed)
    features = model.manifest.features
    shape = (round(features.frame_rate), features.numcep)
    return [[rng.normal(size=shape).astype(np.float32) for _ in range(rows)] for _ in range(count)]


# --- the output of the shipped models -------------------------------------------------------------


@pytest.mark.parametrize("name", ["lite", "lstm", "cnn"])
def test_the_embedding_of_a_shipped_model_costs_the_other_outputs_nothing(name: str) -> None:
    """Without the output in the graph, every other one is the same to the last bit."""
    manifest = read_manifest(find_model(name))
    graph = onnx.load(manifest.weights)
    kept = [output for output in graph.graph.output if output.name != EMBEDDING]
    assert len(kept) == len(graph.graph.output) - 1
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    without = parse_manifest(find_model(name))
    object.__setattr__(without, "embedding_width", 0)
    before = open_graph(without, graph.SerializeToString())
    now = open_graph(manifest, manifest.weights.read_bytes())
    rng = np.random.default_rng(1)
    length = 63 // manifest.step_frames * manifest.step_frames
    frames = rng.normal(size=(2, length, manifest.features.numcep)).astype(np.float32)
    feed = {s.input: np.zeros((2, *s.shape), np.float32) for s in manifest.states}
    names = [output.name for output in kept]
    for old, new in zip(
        before.run(names, feed | {FRAMES: frames}),
        now.run(names, feed | {FRAMES: frames}),
        strict=True,
    ):
        assert np.array_equal(old, new)


@pytest.mark.parametrize("name", ["lite", "cnn"])
def test_the_embedding_is_what_the_genres_are_computed_from(name: str) -> None:
    """A head with the weights in the graph gives the graph's own logits."""
    manifest = read_manifest(find_model(name))
    model = load_model(name)
    model.keep_embeddings()
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in _graph(manifest).initializer}
    frames = hops(model, 2)[0]
    output = model.update(["a", "b"], frames)
    embedding, labels = output.embedding, len(manifest.labels)
    assert embedding is not None
    assert embedding.shape == (2, manifest.embedding_width)
    kernels = [
        weights[node.input[1]]
        for node in _graph(manifest).node
        if node.op_type == "MatMul"
        and node.input[1] in weights
        and weights[node.input[1]].shape[1:] == (labels,)
    ]
    assert sum(len(kernel) for kernel in kernels) == manifest.embedding_width
    if name == "cnn":
        logits = embedding @ kernels[0]
        assert np.ptp(output.logits - logits, axis=0).max() < 1e-4  # but for the bias


def _graph(manifest: Any) -> Any:
    return onnx.load(manifest.weights).graph


def test_every_shipped_model_can_be_taught_on() -> None:
    widths = {name: parse_manifest(find_model(name)).embedding_width for name in shipped_models()}
    assert widths == {"cnn": WIDTH, "lite": WIDTH, "lstm": WIDTH}


def test_older_models_get_the_output_by_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_stateful_model(tmp_path / "old", answers=("speech",))
    before = load_model(str(folder), trusted=True)
    assert train(["add-embedding", str(folder), "--quiet"]) == 0
    after = load_model(str(folder), trusted=True)
    assert after.manifest.embedding_width == 8
    for frames in hops(before, 1):
        old, new = (model.update(["a"], frames) for model in (before, after))
        assert np.array_equal(old.logits, new.logits)
    assert (folder / "README.md").is_file()
    assert train(["add-embedding", str(folder), "--quiet"]) == 1
    assert "has an output 'embedding' already" in capsys.readouterr().err


# --- what a taught model answers ------------------------------------------------------------------


def test_a_taught_model_gives_the_heads_genres_and_the_bases_speech(tmp_path: Path) -> None:
    base = load_model("lite")
    base.keep_embeddings()
    model = load_model(str(write_taught_model(tmp_path / "mine")))
    head = random_head(WIDTH, 3)
    for frames in hops(base, 3):
        names = ["a", "b", "c"]
        expected, found = base.update(names, frames), model.update(names, frames)
        assert expected.embedding is not None
        assert np.array_equal(found.logits, head.logits(expected.embedding))
        assert found.speech is not None
        assert expected.speech is not None
        assert np.array_equal(found.speech, expected.speech)
        answer = model.answer(found.of(1))
        assert answer.genres.shape == (3,)
        assert answer.genres.sum() == pytest.approx(1)
    assert model.manifest.labels == GENRES
    assert model.manifest.name == "mine"


def test_a_station_gets_the_same_alone_and_in_a_batch(tmp_path: Path) -> None:
    folder = str(write_taught_model(tmp_path / "mine"))
    alone, together = load_model(folder), load_model(folder)
    head = random_head(WIDTH, 3)
    rows = np.random.default_rng(0).normal(size=(9, WIDTH)).astype(np.float32)
    by_row = [head.logits(row[None])[0] for row in rows]
    assert np.array_equal(head.logits(rows), np.stack(by_row))
    for frames in hops(alone, 4):
        one = alone.update(["0"], frames[:1])
        all_of_them = together.update(list("0123"), frames)
        assert np.allclose(one.logits[0], all_of_them.logits[0], atol=1e-4)


@pytest.mark.parametrize("write", [write_stateful_model, write_windowed_model])
def test_a_model_in_a_process_of_its_own_is_taught_too(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    """A graph from elsewhere: stateful and windowed, isolated and in this process."""
    folder = with_embedding(write(tmp_path / "base", answers=("speech", "tags")))
    taught = str(write_taught_model(tmp_path / "mine", base=str(folder), labels=("a", "b", "c")))
    isolated, direct = load_model(taught), load_model(taught, trusted=True)
    for frames in hops(direct, 2):
        found, expected = (m.update(["a", "b"], frames) for m in (isolated, direct))
        assert np.array_equal(found.logits, expected.logits)
        assert found.tags is not None
        assert expected.tags is not None
        assert np.array_equal(found.tags, expected.tags)
    assert isolated.manifest.labels == ("a", "b", "c")


def with_embedding(folder: Path) -> Path:
    """Add the output to a model folder of the factory."""
    data = json.loads((folder / "manifest.json").read_text("utf-8"))
    model = onnx.load(folder / "model.onnx")
    data["embedding"] = {"width": add_embedding(model)}
    weights = model.SerializeToString()
    data["sha256"] = {"model.onnx": hashlib.sha256(weights).hexdigest()}
    (folder / "model.onnx").write_bytes(weights)
    (folder / "manifest.json").write_text(json.dumps(data), "utf-8")
    return folder


def test_two_heads_on_one_base_are_different_models(tmp_path: Path) -> None:
    """Known results and sessions of one are not taken for those of the other."""
    folders = [
        write_taught_model(tmp_path / name, head=random_head(WIDTH, 3, seed))
        for name, seed in (("a", 1), ("b", 2))
    ]
    one, other = map(read_manifest, folders)
    assert one.graph_sha256 == other.graph_sha256 == read_manifest(find_model("lite")).sha256
    assert len({one.sha256, other.sha256, one.graph_sha256}) == 3


def test_a_taught_model_can_be_taught_again(tmp_path: Path) -> None:
    first = write_taught_model(tmp_path / "first")
    again = write_taught_model(tmp_path / "again", base=str(first), labels=("x", "y"))
    model = load_model(str(again))
    model.keep_embeddings()
    output = model.update(["a"], hops(model, 1)[0])
    assert output.logits.shape == (1, 2)
    assert output.embedding is not None
    assert model.manifest.raw["taught"]["base"]["name"] == "lite"


# --- what is refused ------------------------------------------------------------------------------


def spoilt(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the manifest of a taught model; return the error of loading it."""
    path = folder / "manifest.json"
    data = json.loads(path.read_text("utf-8"))
    change(data)
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    return str(caught.value)


def reheaded(folder: Path, content: bytes) -> str:
    """Replace the head and its hash; return the error of loading the model."""
    (folder / "head.f32").write_bytes(content)
    return spoilt(
        folder,
        lambda data: data["sha256"].update({"head.f32": hashlib.sha256(content).hexdigest()}),
    )


def test_damaged_heads_are_refused_in_words(tmp_path: Path) -> None:
    folder = write_taught_model(tmp_path / "mine")
    content = (folder / "head.f32").read_bytes()
    (folder / "head.f32").write_bytes(content[:-1] + b"!")
    with pytest.raises(ModelError, match=r"head\.f32: SHA-256 is"):
        load_model(str(folder))
    assert "bytes; expected" in reheaded(folder, content[:-4])
    assert "too large" in reheaded(folder, content + b"0000")
    nan = np.frombuffer(content, "<f4").copy()
    nan[2000] = np.nan
    assert "are not numbers" in reheaded(folder, nan.tobytes())
    nan[2000], nan[WIDTH + 24] = 0, 0  # a scale
    assert "not above 0" in reheaded(folder, nan.tobytes())
    (folder / "head.f32").unlink()
    with pytest.raises(ModelError, match=r"head\.f32: No such file"):
        load_model(str(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("embedding"), "the manifest names none"),
        (lambda data: data["head"].update(width=575), "the embedding has 762"),
        (lambda data: data["embedding"].update(width=575), "the head takes 762"),
        (lambda data: data["sha256"].pop("head.f32"), "hash is needed"),
        (lambda data: data["head"].update(graph_labels=9), "output 'logits' is"),
        (lambda data: data.update(labels=["a", "b"]), "too large for this head"),
        (lambda data: data["labels"].__setitem__(0, "a/b"), "no slash"),
        (lambda data: data["labels"].__setitem__(0, "Speech"), "name of a state"),
        (lambda data: data["calibration"].update(temperature=0), "temperature"),
        (lambda data: data.pop("head"), "output 'logits' is"),
    ],
)
def test_manifests_that_do_not_fit_are_refused_in_words(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    assert words in spoilt(write_taught_model(tmp_path / "mine"), change)


def test_a_base_without_an_embedding_is_refused(tmp_path: Path) -> None:
    folder = write_stateful_model(tmp_path / "plain")
    with pytest.raises(ModelError, match="no embedding to teach genres on"):
        write_taught(
            tmp_path / "mine", str(folder), labels=("a", "b"), head=random_head(8, 2),
            temperature=1, taught={}, command="", seed=0,
        )  # fmt: skip
    with pytest.raises(ModelError, match="no embedding to teach genres on"):
        load_model(str(folder)).keep_embeddings()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (random_head(575, 3), "takes 575 numbers"),
        (random_head(WIDTH, 2), "gives 2 logits"),
        (
            LinearHead(*(np.zeros(n, np.float32) for n in (WIDTH, WIDTH, (WIDTH, 3), 3))),
            "not above 0",
        ),
    ],
)
def test_a_head_that_does_not_fit_is_not_written(
    tmp_path: Path, head: LinearHead, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        write_taught_model(tmp_path / "mine", head=head)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_on_request_only_and_never_another(tmp_path: Path) -> None:
    folder = write_taught_model(tmp_path / "mine")
    with pytest.raises(ModelError, match="exists; take another name"):
        write_taught_model(folder)
    write_taught_model(folder, labels=("x", "y"), replace=True)
    assert read_manifest(folder).labels == ("x", "y")
    (tmp_path / "else").mkdir()
    with pytest.raises(ModelError, match="is not a model folder"):
        write_taught_model(tmp_path / "else", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["else", "mine"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "found 0"),
        ("x" * 300, "found 300"),
        ("R&B/Soul", "no slash"),
        ("a\\b", "no slash"),
        ("a\nb", "printable"),
        ("\x1b[31mred", "printable"),
        ("‮abc", "printable"),
        (" jazz", "spaces at the ends"),
        ("..", "stands for a folder"),
        ("Speech", "the name of a state"),
    ],
)
def test_names_that_no_genre_can_have(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_genre(name)


def test_names_that_a_genre_can_have() -> None:
    for name in ("K-Pop", "fado de Coimbra", "演歌", "🎷 jazz", "R&B", "x" * 64):
        assert check_genre(name) == name
    assert check_genre("Forro\u0301") == "Forr\u00f3"  # one form for what looks the same


def test_genres_that_look_alike_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'Jazz' and 'jazz'"):
        write_taught_model(tmp_path / "mine", labels=("Jazz", "tango", "jazz"))
    with pytest.raises(ModelError, match="at least two"):
        write_taught_model(tmp_path / "mine", labels=("jazz",))
