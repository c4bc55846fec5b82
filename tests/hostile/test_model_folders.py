"""A model folder from anybody ends in words: no other file is read, memory and time are bounded."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.audio import music, write_wav
from support.commands import (
    COMMAND,
    environment,
    events_of,
    free_endpoint,
    start,
    streamgenre,
)
from support.fuzzing import examples
from support.hostile_models import GRAPHS, WINDOW, floats, with_tensor, write_graph, write_hostile
from support.live import end, until
from support.model_factory import (
    LABELS,
    SPEC,
    write_folder,
    write_stateful_model,
    write_windowed_model,
)

from streamgenre.audio.features import MfccStream
from streamgenre.client.subscriber import Subscriber
from streamgenre.errors import ModelError
from streamgenre.inference.isolated import IsolatedSession
from streamgenre.inference.manifest import manifest_from, parse_manifest, read_manifest
from streamgenre.inference.models import load_model

SOUND = np.full((25, SPEC.numcep), 3, np.float32)


def refused(folder: Path, *, trusted: bool = False) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), trusted=trusted)
    message = str(caught.value)
    assert str(folder) in message
    return message


# --- data in other files -------------------------------------------------------------------------


def external(location: str) -> onnx.TensorProto:
    tensor = TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[40])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def with_external(tensor: onnx.TensorProto, place: str) -> onnx.ModelProto:
    """Return a graph that has the tensor in one of the places where ONNX allows one."""
    use = helper.make_node("Identity", ["x"], ["big"])
    if place == "initializer":
        return with_tensor([use], [tensor])
    if place == "sparse":
        model = with_tensor([use], [floats("x", np.zeros(40))])
        indices = helper.make_tensor("i", TensorProto.INT64, [40], range(40))
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [40]))
        return model
    constant = helper.make_node("Constant", [], ["x"], value=tensor)
    if place == "attribute":
        return with_tensor([constant, use], [])
    if place == "function":
        model = with_tensor([use], [floats("x", np.zeros(40))])
        opset = [helper.make_opsetid("", 17)]
        model.functions.append(
            helper.make_function("own", "F", [], ["big"], [constant, use], opset)
        )
        return model
    output = helper.make_tensor_value_info("big", TensorProto.FLOAT, [40])
    branch = helper.make_graph([use], "branch", [], [output], [tensor])
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    choice = helper.make_node("If", ["yes"], ["big"], then_branch=branch, else_branch=branch)
    return with_tensor([choice], [yes])


@pytest.mark.parametrize("place", ["initializer", "sparse", "attribute", "function", "branch"])
def test_a_tensor_in_another_file_is_refused(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_graph(tmp_path / "m", with_external(external("w.bin"), place))
    (folder / "w.bin").write_bytes(np.zeros(40, np.float32).tobytes())
    monkeypatch.chdir(folder)  # onnxruntime would look here
    assert "in another file" in refused(folder, trusted=True)


@pytest.mark.parametrize(
    "location", ["w.bin", "../m/w.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*", "", "\0"]
)
def test_wherever_the_other_file_is(tmp_path: Path, location: str) -> None:
    folder = write_graph(tmp_path / "m", with_external(external(location), "initializer"))
    (folder / "w.bin").write_bytes(np.zeros(40, np.float32).tobytes())
    assert "in another file" in refused(folder)


def test_the_format_of_onnxruntime_itself_is_refused(tmp_path: Path) -> None:
    """It is no protobuf, so that a tensor in another file would not be found in it."""
    import onnxruntime

    plain = write_windowed_model(tmp_path / "plain")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(plain / "model.onnx"), options)
    about = json.loads((plain / "manifest.json").read_text())
    weights = (tmp_path / "model.ort").read_bytes()
    assert "ONNX" in refused(write_folder(tmp_path / "m", manifest=about, weights=weights))


def test_the_bytes_that_are_loaded_are_those_of_the_hash(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")
    manifest = read_manifest(folder)
    other = write_windowed_model(tmp_path / "other", seed=1)
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match="SHA-256"):
        IsolatedSession(manifest)


# --- what is not a file --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("fifo", "a FIFO"),
        ("link to a fifo", "a FIFO"),
        ("/dev/zero", "a device"),
        ("/dev/full", "a device"),
        ("socket", "a socket"),
        ("directory", "a directory"),
        ("loop", "symbolic links"),
        ("nowhere", "No such file"),
        ("/proc/self/mem", "error"),
        ("enormous", "larger than"),
    ],
)
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, name: str, kind: str, words: str
) -> None:
    folder = write_windowed_model(tmp_path / "m")
    path = folder / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link to a fifo":
        os.mkfifo(tmp_path / "fifo")
        path.symlink_to(tmp_path / "fifo")
    elif kind == "socket":
        with closing(socket.socket(socket.AF_UNIX)) as listening:
            listening.bind(str(path))
    elif kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "nowhere":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "enormous":
        with path.open("wb") as file:
            file.truncate(50_000_000_000)
    else:
        path.symlink_to(kind)
    with pytest.raises(ModelError) as caught:
        read_manifest(folder)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_links_to_the_files_are_followed(tmp_path: Path) -> None:
    folder, linked = write_windowed_model(tmp_path / "m"), tmp_path / "linked"
    linked.mkdir()
    for name in ("model.onnx", "manifest.json"):
        (linked / name).symlink_to(folder / name)
    assert load_model(str(linked)).manifest.name == "m"


# --- memory and time -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(GRAPHS) - {"later", "endless loop"}))
def test_a_graph_that_wants_all_memory_is_refused(tmp_path: Path, name: str) -> None:
    message = refused(write_hostile(tmp_path / "m", name))
    assert "memory" in message or "exceeds" in message


def test_a_graph_that_never_ends_is_refused(tmp_path: Path) -> None:
    assert "takes too long" in refused(write_hostile(tmp_path / "m", "endless loop"))


def test_a_graph_that_turns_hostile_later_fails_in_words(tmp_path: Path) -> None:
    model = load_model(str(write_hostile(tmp_path / "m", "later")))
    assert model.update(["a"], [0 * SOUND]).logits.shape == (1, len(LABELS))
    for _ in range(2):  # it stays so
        with pytest.raises(ModelError, match="more than 256 MB of memory"):
            model.update(["a"], [SOUND])


def test_outputs_of_another_shape_than_promised_are_refused(tmp_path: Path) -> None:
    """The graph leaves its sizes open, and gives as many rows as the input is loud."""
    model = GRAPHS["later"]()
    del model.graph.node[-4:]
    model.graph.node[-1].output[0] = "logits"
    model.graph.initializer[1].CopyFrom(floats("factor", 0))
    for dim in model.graph.output[0].type.tensor_type.shape.dim:
        dim.dim_param = f"any{dim.dim_value}"
    folder = write_graph(tmp_path / "m", model)
    with pytest.raises(ModelError, match="logits"):
        load_model(str(folder)).update(["a"], [SOUND])


def process_of(folder: Path) -> tuple[Any, int]:
    model = load_model(str(folder))
    pid: int = model._session._process.pid
    return model, pid


def test_the_process_may_open_nothing_and_ignores_the_signals_for_the_daemon(
    tmp_path: Path,
) -> None:
    model, pid = process_of(write_windowed_model(tmp_path / "m"))
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max open files            0                    0" in limits
    assert "Max file size             0                    0" in limits
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    assert model.update(["a"], [SOUND]).logits.shape == (1, len(LABELS))
    del model
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_that_dies_ends_in_words(tmp_path: Path) -> None:
    model, pid = process_of(write_stateful_model(tmp_path / "m"))
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(ModelError, match="SIGSEGV"):
        model.update(["a"], [SOUND])


def test_the_process_ends_with_the_daemon_that_is_killed(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")
    script = (
        "from streamgenre.inference.models import load_model; import sys, time;"
        f"m = load_model({str(folder)!r}); print(m._session._process.pid, flush=True);"
        "time.sleep(600)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()

    def gone() -> bool:
        try:
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()  # nobody has reaped it
        except OSError:
            return True

    assert until(gone, 60)


def test_a_model_may_take_as_long_as_its_audio_lasts(tmp_path: Path) -> None:
    """A minute at once, as with hop_s = 60, and many stations."""
    model = load_model(str(write_stateful_model(tmp_path / "m")))
    many = [np.tile(SOUND, (60, 1))] * 20
    assert model.update([str(n) for n in range(20)], many).logits.shape == (20, len(LABELS))


@pytest.mark.parametrize("command", ["classify", "probe"])
def test_other_commands_end_in_words_too(tmp_path: Path, command: str) -> None:
    folder, wav = write_hostile(tmp_path / "m", "later"), write_wav(tmp_path / "a.wav", music(3))
    more = ("--no-cache", "--jobs", "1") if command == "classify" else ()
    done = streamgenre(command, wav, "--model", folder, *more)
    assert done.returncode == 1
    assert "more than 256 MB of memory" in done.stdout + done.stderr
    assert "internal error" not in done.stdout + done.stderr


# --- the whole daemon ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["constant", "hollow"])
def test_listen_ends_in_words_and_takes_little_memory(tmp_path: Path, name: str) -> None:
    folder = write_hostile(tmp_path / "m", name)
    # From a small process: what a process starts with counts for its largest memory.
    measured = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    command = [*COMMAND, "listen", "--input", "demo", "--model", str(folder), "--no-history", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", measured, *command],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"streamgenre: error: {folder}/model.onnx: ")
    assert done.stderr.count("\n") == 1
    assert int(done.stdout) < 350_000  # kilobytes, of the largest of its processes


def test_a_station_whose_model_turns_hostile_ends_and_the_others_go_on(tmp_path: Path) -> None:
    folder = write_hostile(tmp_path / "m", "later")
    config = tmp_path / "config.toml"
    config.write_text(
        '[bus]\npublish = "tcp://127.0.0.1:*"\n[history]\nkeep = "none"\n'
        f'[[station]]\nname = "bad"\ninput = "demo"\nmodel = "{folder}"\n'
        '[[station]]\nname = "good"\ninput = "demo"\nmodel = "lite"\n'
    )
    done = subprocess.run(
        [*COMMAND, "listen", "--config", str(config), "--json", "--duration", "8"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events = events_of(done.stdout)
    ended = next(
        number
        for number, event in enumerate(events)
        if event["type"] == "source" and (event["station"], event["state"]) == ("bad", "ended")
    )
    assert "more than 256 MB of memory" in events[ended]["detail"]
    later = [e for e in events[ended:] if (e["type"], e["station"]) == ("update", "good")]
    assert len(later) >= 3


def test_a_reload_with_a_hostile_model_changes_nothing(tmp_path: Path) -> None:
    folder, config = write_hostile(tmp_path / "m", "constant"), tmp_path / "config.toml"
    endpoint, log = free_endpoint(), tmp_path / "log"

    def write(*models: str | Path) -> None:
        stations = (
            f'[[station]]\nname = "s{number}"\ninput = "demo"\nmodel = "{model}"\n'
            for number, model in enumerate(models)
        )
        head = f'[bus]\npublish = "{endpoint}"\n[history]\nkeep = "none"\n'
        config.write_text(head + "".join(stations))

    write("lite")
    with log.open("w") as file:
        daemon = start("listen", "--config", config, "-q", stderr=file)
    try:
        with Subscriber(endpoint, types=["update"]) as subscriber:
            assert subscriber.receive(60) is not None
            write("lite", folder)
            daemon.send_signal(signal.SIGHUP)
            until(lambda: "more than 256 MB of memory" in log.read_text(), 60)
            assert "stays as it was" in log.read_text()
            last = until(lambda: subscriber.receive(0.1), 60)
            until(lambda: getattr(subscriber.receive(1), "seq", 0) > last.seq + 1, 60)
        daemon.terminate()
        assert daemon.wait(60) == 0
    finally:
        end(daemon)


# --- manifests -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def about(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = write_stateful_model(tmp_path_factory.mktemp("about") / "m")
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["a\ud800", "b"]}, "surrogates"),
        ({"training": {"command": "\udfff", "seed": 0}}, "surrogates"),
        ({"a\ud800": 1}, "surrogates"),
        ({"labels": ["a\x1b[2J", "b"]}, "printable"),
        ({"labels": ["a\nb", "b"]}, "printable"),
        ({"labels": ["a\u202eb", "b"]}, "printable"),
        ({"labels": [" a", "b"]}, "spaces"),
        ({"name": "m\x07"}, "printable"),
        ({"name": "m" * 200}, "name must be shorter"),
        ({"labels": ["a" * 200, "b"]}, "must be shorter"),
        ({"labels": [str(number) for number in range(1_001)]}, "labels must contain"),
        ({"labels": [str(number) for number in range(10**6)]}, "larger than"),
        ({"states": [{"input": "h", "output": "o", "shape": [10**9]}]}, "shape"),
        ({"states": [{"input": "h", "output": "o", "shape": [10**6] * 8}]}, "states"),
        ({"states": [{"input": "h", "output": "o", "shape": [1]}] * 2}, "once"),
        ({"states": [{"input": "h", "output": "o", "shape": [1]}] * 100}, "states must contain"),
        ({"kind": "windowed", "window_frames": 100_000}, "window_frames"),
        ({"features": {"nfft": 65_536}}, "nfft"),
        ({"features": {"winstep": 1e-4, "nfft": 16_384}}, "transforms"),
        ({"features": {"nfilt": 1024, "nfft": 16_384}}, "nfilt"),
        ({"features": {"samplerate": 10**400}}, "samplerate"),
        ({"features": {"preemph": 1e308}}, "preemph"),
        ({"features": {"ceplifter": 10**400}}, "ceplifter"),
        ({"features": {"lowfreq": 10**400}}, "features"),
        ({"manifest_version": True}, "version"),
        ({"manifest_version": 10**4000}, "version"),
        ({"manifest_version": "x" * 500_000}, "version"),
        ({"calibration": {"temperature": 10**400}}, "temperature must be smaller"),
        ({"speech": {"temperature": 10**400}}, "temperature must be smaller"),
        ({"calibration": {"temperature": 1e-320}}, "temperature must be bigger"),
        ({"calibration": {"temperature": 1e300}}, "temperature must be smaller"),
    ],
    ids=range(31),
)
def test_a_manifest_that_asks_for_too_much_is_refused(
    tmp_path: Path, about: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    merged = about | change
    if "features" in change:
        merged["features"] = about["features"] | change["features"]
    (tmp_path / "manifest.json").write_text(json.dumps(merged))
    with pytest.raises(ModelError) as caught:
        parse_manifest(tmp_path)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"manifest_version": ' + b"9" * 6000 + b"}", "too large a number"),
        ('{"name": "é"}'.encode("latin-1"), "not UTF-8"),
        (b"{}".decode().encode("utf-16"), "not UTF-8"),
        (b'{"name": "\\ud800"}', "surrogates"),
    ],
    ids=range(5),
)
def test_a_manifest_that_cannot_be_read_is_explained_without_words_of_python(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        parse_manifest(tmp_path)
    assert words in str(caught.value)
    assert "codec" not in str(caught.value)
    assert "sys." not in str(caught.value)


def test_a_manifest_with_a_byte_order_mark_is_read(tmp_path: Path, about: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(about).encode())
    assert parse_manifest(tmp_path).labels


def test_a_name_given_twice_is_refused(tmp_path: Path, about: dict[str, Any]) -> None:
    text = json.dumps(about)
    (tmp_path / "manifest.json").write_text(text[:-1] + ', "kind": "stateful"}')
    with pytest.raises(ModelError, match="'kind' is given twice"):
        parse_manifest(tmp_path)


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(10**400), 10**400),
        st.floats(),
        st.text(st.characters(codec=None, exclude_categories=[]), max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=10,
)
FIELDS = (
    *("manifest_version", "name", "kind", "labels", "features", "window_frames", "states"),
    *("calibration", "speech", "sha256", "training", "evaluation"),
    *(f"features/{name}" for name in ("samplerate", "winlen", "winstep", "numcep", "nfilt")),
    *(f"features/{name}" for name in ("nfft", "lowfreq", "highfreq", "preemph", "ceplifter")),
    *("states/0/shape", "states/0/input", "labels/0", "calibration/temperature"),
)


@examples(300)
@given(changes=st.dictionaries(st.sampled_from(FIELDS), anything, min_size=1, max_size=3))
@example(changes={"features/winlen": 1e-9})
@example(changes={"features/highfreq": 10**400})
def test_any_manifest_is_read_or_refused(
    about: dict[str, Any], changes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    merged = json.loads(json.dumps(about))
    for dotted, value in changes.items():
        *path, last = dotted.split("/")
        inner: Any = merged
        with suppress(LookupError, TypeError, ValueError):  # another change has removed the place
            for name in path:
                inner = inner[int(name)] if isinstance(inner, list) else inner[name]
            inner[int(last) if isinstance(inner, list) else last] = value
    folder = tmp_path_factory.getbasetemp()
    (folder / "manifest.json").write_text(json.dumps(merged))
    try:
        manifest = parse_manifest(folder)
    except ModelError as error:
        str(error).encode()
        return
    frames = MfccStream(manifest.features).push(np.zeros(manifest.features.samplerate))
    assert frames.shape[1] == manifest.features.numcep
    assert manifest_from(folder, manifest.raw) == manifest


@examples(150)
@given(data=st.data())
def test_any_bytes_of_a_manifest_are_read_or_refused(
    about: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = bytearray(json.dumps(about).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    folder = tmp_path_factory.getbasetemp()
    (folder / "manifest.json").write_bytes(text)
    try:
        parse_manifest(folder)
    except ModelError as error:
        str(error).encode()


# --- damaged graphs ------------------------------------------------------------------------------

_MANY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (600_000_000, 600_000_000))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import random, numpy as np
from dataclasses import replace
from pathlib import Path
from streamgenre.errors import ModelError
from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.session import open_graph

seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
manifest = read_manifest(folder)
good = manifest.weights.read_bytes()
loaded = refused = 0
for number in range(count):
    draw = random.Random(seed + number)
    bad = bytearray(good)
    for _ in range(draw.randint(1, 6)):
        end = draw.choice((300, len(bad)))
        at = draw.choice((draw.randrange(end), len(bad) - 1 - draw.randrange(end)))
        new = bytes(draw.choice((0, 1, 127, 128, 255, draw.randrange(256))) for _ in range(3))
        bad[at : at + draw.randint(0, 3)] = new[: draw.randint(0, 3)]
    print(number, flush=True)
    try:
        open_graph(manifest, bytes(bad))
        loaded += 1
    except ModelError as error:
        str(error).encode()
        refused += 1
print("done", loaded, refused)
"""


@pytest.mark.parametrize("write", [write_stateful_model, write_windowed_model])
def test_damaged_graphs_raise_model_errors_and_print_nothing(
    tmp_path: Path, write: Any, request: pytest.FixtureRequest
) -> None:
    """In a process of its own with bounded memory: onnxruntime may crash on what comes."""
    folder = write(tmp_path / "m")
    factor = request.config.getoption("--fuzz")
    seed = time.time_ns() % 10**9 if factor else 0
    count = 400 * max(1, factor)
    done = subprocess.run(
        [sys.executable, "-c", _MANY, str(seed), str(count), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    *numbers, last = done.stdout.splitlines()
    assert done.returncode == 0, f"seed {seed}: {last}: {done.stderr[-2_000:]}"
    assert done.stderr == ""
    assert len(numbers) == count
    assert last.startswith("done")


def test_a_graph_that_is_damaged_is_refused_by_its_process_too(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m", window_frames=WINDOW)
    about = json.loads((folder / "manifest.json").read_text())
    good = (folder / "model.onnx").read_bytes()
    for at in (0, 40, len(good) - 20):
        bad = good[:at] + b"\xff\xff\xff" + good[at + 3 :]
        write_folder(folder, manifest=about, weights=bad)
        assert "model.onnx" in refused(folder)


def test_a_failed_start_of_the_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(write_windowed_model(tmp_path / "m"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(ModelError, match="cannot start a process"):
        IsolatedSession(replace(manifest))
