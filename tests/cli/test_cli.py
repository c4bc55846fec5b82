"""The command as users run it: in its own process, with good and bad input."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft7Validator
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start, streamgenre
from support.model_factory import TAGS, write_folder, write_stateful_model

from streamgenre import __version__, events
from streamgenre.cli import arguments, arguments_listen
from streamgenre.cli.entry import make_parser
from streamgenre.cli.flags import flag_tree
from streamgenre.config import Config
from streamgenre.config.build import keys, load
from streamgenre.config.key_names import FLAGS as KEYS
from streamgenre.defaults import MODEL
from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.model_names import shipped_folder, shipped_models
from streamgenre.inference.settings import eased
from streamgenre.sources.files.raw import FORMATS
from streamgenre.system import logs

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(6))


def _default(path: tuple[str, ...]) -> Any:
    config = Config()
    value: Any = config if hasattr(config, path[0]) else config.stations[0]
    for name in path:
        value = getattr(value, name)
    return value


def listen(folder: Path, *more: str | Path, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return streamgenre("listen", "--model", folder, "--publish", free_endpoint(), *more, **kwargs)


# ---- good input ---------------------------------------------------------------------------------


def test_help_is_quick_because_it_loads_nothing() -> None:
    code = (
        "import sys\nfrom streamgenre.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'zmq', 'rich', 'onnxruntime', 'av', 'soxr', 'sounddevice', 'psutil'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_listening_never_loads_what_only_training_needs(stateful_folder: Path, wav: Path) -> None:
    code = (
        "import sys\nfrom streamgenre.cli import main\n"
        f"main(['listen', '--input', {str(wav)!r}, '--pace', 'fast', '--json', '--model', "
        f"{str(stateful_folder)!r}, '--publish', {free_endpoint()!r}])\n"
        "heavy = {'tensorflow', 'keras', 'scipy', 'pandas', 'matplotlib', 'onnx', 'train'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_flags_agree_with_the_settings() -> None:
    """--help repeats settings instead of importing them, for speed; they must not differ."""
    assert set(arguments_listen.FORMATS) == set(FORMATS)
    assert arguments.TYPES == events.TYPES
    assert arguments_listen.LOG_LEVELS == logs.LEVELS
    import argparse

    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    arguments.add_arguments(commands)
    args = parser.parse_args(["listen"])
    actions = commands.choices["listen"]._actions
    said = {action.dest: action.help or "" for action in actions}
    switches = {action.dest for action in actions if action.nargs == 0}
    assert flag_tree(args) == {}
    assert set(KEYS.values()) <= set(keys())
    for flag, path in KEYS.items():
        default = _default(path)
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        if default not in (None, False) and flag != "history" and flag not in switches:
            assert f"(default: {shown}" in said[flag], flag


def test_the_version_is_shown() -> None:
    assert streamgenre("--version").stdout == f"streamgenre {__version__}\n"


@pytest.mark.parametrize("kind", ["stateful_folder", "windowed_folder"])
def test_a_file_becomes_json_lines(kind: str, wav: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    done = listen(folder, "--input", wav, "--pace", "fast", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    received = events_of(done.stdout)
    for event in received:
        Draft7Validator(events.schema(event["type"])).validate(event)
    updates = [e for e in received if e["type"] == "update"]
    assert [u["stream_time"] for u in updates] == [1, 2, 3, 4, 5, 6]
    assert {e["station"] for e in received} == {"song.wav"}
    assert [e["state"] for e in received if e["type"] == "source"] == ["live", "ended"]


def test_music_and_tags_are_published_and_noise_is_decided_on(tmp_path: Path, wav: Path) -> None:
    folder = write_stateful_model(tmp_path / "model", answers=["speech", "music", "tags"])

    def heard(music_enter: float, music_keep: float) -> list[dict[str, Any]]:
        config = tmp_path / "c.toml"
        config.write_text(f"[decision]\nmusic_enter = {music_enter}\nmusic_keep = {music_keep}\n")
        done = listen(folder, "--config", config, "--input", wav, "--pace", "fast", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return events_of(done.stdout)

    received = heard(0.0, 0.0)
    for event in received:
        Draft7Validator(events.schema(event["type"])).validate(event)
    updates = [e for e in received if e["type"] == "update"]
    assert all(0 < u["music"] < 1 for u in updates)
    assert all(set(u["tags"]) <= set(TAGS) for u in updates)
    assert all(list(u["tags"].values()) == sorted(u["tags"].values())[::-1] for u in updates)
    assert any(u["tags"] for u in updates)
    segments = [e for e in received if e["type"] == "segment"]
    assert any(e["tags"] for e in segments if e["state"] == "music")
    assert {e["state"] for e in heard(1.0, 1.0) if e["type"] in ("update", "segment")} == {"noise"}


def test_fast_and_real_pace_give_identical_probabilities(stateful_folder: Path, wav: Path) -> None:
    runs = {
        pace: [
            e["probabilities"]
            for e in events_of(
                listen(stateful_folder, "--input", wav, "--pace", pace, "--json").stdout
            )
            if e["type"] == "update"
        ]
        for pace in ("real", "fast")
    }
    assert runs["real"] == runs["fast"]
    assert len(runs["fast"]) == 6


def test_raw_pcm_from_a_pipe_equals_the_file(stateful_folder: Path, wav: Path) -> None:
    pcm = (np.clip(music(6), -1, 1) * 32_767).astype("<i2").tobytes()
    raw = ("--rate", "44100", "--channels", "1", "--format", "s16le")
    piped = listen(stateful_folder, "--input", "-", *raw, "--json", stdin=pcm)
    filed = listen(stateful_folder, "--input", wav, "--pace", "fast", "--json")
    a, b = (
        [e["probabilities"] for e in events_of(text) if e["type"] == "update"]
        for text in (piped.stdout, filed.stdout)
    )
    assert len(a) == len(b) == 6
    np.testing.assert_allclose(
        [list(p.values()) for p in a], [list(p.values()) for p in b], atol=1e-3
    )


def test_nan_on_standard_input_is_counted(stateful_folder: Path) -> None:
    pcm = music(3).astype("<f4")
    pcm[[3, 50_000]] = [np.nan, np.inf]
    raw = ("--rate", "44100", "--channels", "1", "--format", "f32le")
    received = events_of(
        listen(stateful_folder, "--input", "-", *raw, "--json", stdin=pcm.tobytes()).stdout
    )
    assert [e for e in received if e["type"] == "status"][-1]["samples_replaced"] == 2
    assert all(
        abs(sum(e["probabilities"].values()) - 1) < 1e-6 for e in received if e["type"] == "update"
    )


def test_a_pipe_gets_human_readable_lines(stateful_folder: Path, wav: Path) -> None:
    done = listen(stateful_folder, "--input", wav, "--pace", "fast", "--station", "kitchen")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert sum("kitchen" in line for line in done.stdout.splitlines()) >= 6


@pytest.mark.parametrize("flags", [(), ("--input", "demo")])
def test_the_demo_shows_genres_although_its_music_is_like_none(flags: tuple[str, ...]) -> None:
    more = ("--pace", "fast", "--duration", "45", "--json", "--no-history")
    there = ("--publish", "tcp://127.0.0.1:*")

    def genres(*own: str) -> tuple[set[str], str]:
        done = streamgenre("listen", *flags, *own, *more, *there)
        assert done.returncode == 0, done.stderr
        return {e["genre"] for e in events_of(done.stdout) if e["type"] == "update"}, done.stderr

    found, said = genres()
    assert len(found - {None}) >= 3
    if not flags:
        assert "is synthesised and like none of the genres: the likeliest is shown" in said
    assert genres("--known-threshold", "0.9")[0] == {None}


def test_the_demo_keeps_thresholds_that_were_given() -> None:
    def decision(settings: str, source: str | None = "demo") -> tuple[float, float]:
        chosen = () if source is None else ("--input", source)
        args = make_parser().parse_args(["listen", *settings.split(), *chosen])
        found = load(None, {}, flag_tree(args)).config.stations[0].decision
        if source is None:
            found = eased(found)  # no device is there
        return found.known_enter, found.known_keep

    for threshold in ("", "--known-smoothing 5", "--known-threshold 0.5", "--known-threshold 0.2"):
        assert decision(threshold, None) == decision(threshold)

    assert decision("") == (0, 0)
    assert decision("--known-smoothing 5") == (0, 0)
    assert decision("--known-threshold 0.5") == (0.5, 0.3)
    assert decision("--known-threshold 0.2") == (0.2, 0.2)
    assert decision("", "http://h/x") == (0.5, 0.3)


def test_without_an_input_device_the_demo_is_announced(stateful_folder: Path) -> None:
    done = listen(stateful_folder, "--pace", "fast", "--duration", "3", "--json")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "demo" in done.stderr
    assert events_of(done.stdout)[0]["input"] == "demo"


def test_subscribe_prints_what_listen_publishes(stateful_folder: Path, wav: Path) -> None:
    endpoint = free_endpoint()
    flags = ("--connect", endpoint, "--type", "update", "--count", "3", "--timeout", "20")
    with start("subscribe", *flags) as subscriber:
        with start(
            *("listen", "--model", stateful_folder, "--publish", endpoint, "--input", wav, "-q")
        ) as daemon:
            assert daemon.wait(60) == 0
        assert subscriber.wait(60) == 0
        assert subscriber.stdout is not None
        received = events_of(subscriber.stdout.read())
    assert [e["type"] for e in received] == ["update"] * 3
    assert [e["seq"] for e in received] == list(range(received[0]["seq"], received[0]["seq"] + 3))


def test_a_reader_that_leaves_ends_the_command_quietly(stateful_folder: Path, wav: Path) -> None:
    for show in ("--json", "--no-dashboard"):
        with start(
            *("listen", "--model", stateful_folder, "--publish", free_endpoint()),
            *("--input", wav, show),
        ) as daemon:
            assert daemon.stdout is not None
            assert daemon.stderr is not None
            daemon.stdout.readline()
            daemon.stdout.close()
            assert daemon.wait(60) == 0
            assert daemon.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_command_cleanly(
    number: signal.Signals, stateful_folder: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "long.wav", music(30))
    with start(
        *("listen", "--model", stateful_folder, "--publish", free_endpoint()),
        *("--input", wav, "--json"),
    ) as daemon:
        assert daemon.stdout is not None
        lines = [daemon.stdout.readline() for _ in range(4)]
        daemon.send_signal(number)
        rest = daemon.stdout.read()
        assert daemon.wait(60) == 0
        assert daemon.stderr is not None
        assert daemon.stderr.read() == ""
    received = events_of("".join(lines) + rest)
    assert [e["type"] for e in received[-3:]] == ["segment", "source", "status"]
    assert received[-2]["state"] == "ended"


def test_devices_and_models_list_as_json() -> None:
    devices = streamgenre("devices", "--json")
    assert isinstance(json.loads(devices.stdout), list)
    assert "no input devices" in streamgenre("devices").stdout
    models = streamgenre("models", "--json")
    assert {row["name"] for row in json.loads(models.stdout)} == set(shipped_models())
    assert MODEL in streamgenre("models").stdout


def test_the_shipped_models_are_complete() -> None:
    assert MODEL in shipped_models()
    for name in shipped_models():
        manifest = read_manifest(shipped_folder() / name)
        assert manifest.name == name
        assert (manifest.folder / "README.md").is_file()


# ---- bad input ----------------------------------------------------------------------------------


def check_error(
    done: subprocess.CompletedProcess[str], *words: str, codes: Sequence[int] = (1, 2)
) -> None:
    assert done.returncode in codes, done
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("streamgenre: error: "), done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--input", "no/such.wav"], ["no/such.wav", "no such file"]),
        (["--input", "/etc/ssl"], ["contains no files", ".flac"]),
        (["--input", "Nonexistent Card"], ["Nonexistent Card"]),
        (["--input", "ftp://u:secret@host/x?key=secret"], ["ftp://host/x", "ffmpeg"]),
        (["--input", "-", "--rate", "3"], ["--rate 3", "4000"]),
        (["--input", "-", "--channels", "0"], ["--channels 0"]),
        (["--input", "-", "--format", "mp3"], ["--format mp3", "s16le"]),
        (["--input", "-"], ["without a single sample"]),
        (["--input", "demo", "--duration", "-1"], ["--duration -1"]),
        (["--input", "demo", "--duration", "nan"], ["--duration nan"]),
        (["--input", "demo", "--threshold", "2"], ["--threshold 2"]),
        (["--input", "demo", "--silence", "5"], ["--silence 5"]),
        (["--input", "demo", "--publish", "tcp://0.0.0.0:5757"], ["refusing", "keys new`"]),
        (["--input", "demo", "--publish", "kitchen"], ["kitchen", "tcp://127.0.0.1:PORT"]),
        (["--input", "demo", "--model", "lstn"], ["lstn", "did you mean 'lstm'"]),
        (["--input", "demo", "--model", "/tmp"], ["manifest.json"]),
        (["--input", "demo", "--station", "a\nb"], ["--station"]),
    ],
)
def test_bad_flags_are_explained(flags: list[str], words: list[str], stateful_folder: Path) -> None:
    model = [] if "--model" in flags else ["--model", str(stateful_folder)]
    publish = [] if "--publish" in flags else ["--publish", free_endpoint()]
    done = streamgenre("listen", *model, *publish, *flags, stdin=b"")
    check_error(done, *words)
    assert "secret" not in done.stderr


def test_a_free_port_is_reported(stateful_folder: Path) -> None:
    flags = ("--input", "demo", "--pace", "fast", "--duration", "1", "--model", stateful_folder)
    done = streamgenre("listen", *flags, "--publish", "tcp://127.0.0.1:*", "-q")
    assert re.fullmatch(r"streamgenre: publishing on tcp://127\.0\.0\.1:\d+\n", done.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_reader_that_does_not_read_does_not_block_the_exit(
    number: signal.Signals, stateful_folder: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "long.wav", np.tile(music(50, rate=8_000), 20), 8_000)
    flags = ("--input", wav, "--pace", "fast", "--json", "--publish", free_endpoint())
    with start("listen", "--model", stateful_folder, *flags) as daemon:
        assert daemon.stdout is not None
        assert select.select([daemon.stdout], [], [], 60)[0]  # it has started to write
        time.sleep(1)  # no process reads: the pipe is full by now
        daemon.send_signal(number)
        assert daemon.wait(60) == 0


def test_a_stalled_pipe_is_lost_and_its_absence_is_a_gap(
    stateful_folder: Path,
) -> None:
    raw = ("--rate", "44100", "--channels", "1", "--format", "s16le")
    pcm = (np.clip(music(3), -1, 1) * 32_767).astype("<i2").tobytes()
    with start(
        *("listen", "--input", "-", *raw, "--model", stateful_folder, "--json"),
        *("--publish", free_endpoint()),
        stdin=subprocess.PIPE,
    ) as daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        os.write(daemon.stdin.fileno(), pcm)
        paused = time.monotonic()
        time.sleep(7)
        os.write(daemon.stdin.fileno(), pcm)
        paused = time.monotonic() - paused
        daemon.stdin.close()
        received = [json.loads(line) for line in daemon.stdout]
        assert daemon.wait(60) == 0
    assert [e["state"] for e in received if e["type"] == "source"] == [
        "live",
        "lost",
        "live",
        "ended",
    ]
    (gap,) = [e for e in received if e["type"] == "gap"]
    assert 5.5 < gap["seconds"] < paused + 1.5
    assert [e["type"] for e in received[-3:]] == ["segment", "source", "status"]
    segments = [e for e in received if e["type"] == "segment"]
    assert [e["start"] for e in segments] == sorted(e["start"] for e in segments)
    # Wall time follows the arrival of the audio, which a busy machine delays.
    for earlier, later in pairwise(segments):
        assert later["start_time"] > earlier["start_time"] - 3


def test_closed_output_and_odd_names_are_not_errors(stateful_folder: Path, tmp_path: Path) -> None:
    flags = f"--model {stateful_folder} --pace fast --duration 1 --publish {free_endpoint()}"
    command = f"{sys.executable} -m streamgenre listen --input demo {flags}"
    closed = subprocess.run(f"{command} >&-", shell=True, capture_output=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, b"")
    odd = tmp_path / os.fsdecode(b"bad\xffname.wav")
    odd.write_bytes(write_wav(tmp_path / "a.wav", music(2)).read_bytes())
    done = listen(stateful_folder, "--input", odd, "--pace", "fast", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    check_error(listen(stateful_folder, "--input", "~nobodyhere/x.ogg"), "no such file")


def test_control_characters_in_an_error_are_not_printed(stateful_folder: Path) -> None:
    done = listen(stateful_folder, "--input", "no\x1b[31m/such.wav")
    check_error(done, "no such file")
    assert "\x1b" not in done.stderr


def test_a_model_that_returns_nan_is_reported(
    stateful_folder: Path, wav: Path, tmp_path: Path
) -> None:
    import onnx

    graph = onnx.load(str(stateful_folder / "model.onnx"))
    tensor = next(t for t in graph.graph.initializer if t.name == "dense_b")
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(10, np.nan, np.float32), "dense_b"))
    manifest = json.loads((stateful_folder / "manifest.json").read_text())
    folder = write_folder(tmp_path / "nan", manifest=manifest, weights=graph.SerializeToString())
    check_error(listen(folder, "--input", wav, "--pace", "fast"), "not numbers")


def test_a_port_in_use_is_reported(stateful_folder: Path, wav: Path) -> None:
    endpoint = free_endpoint()
    flags = ("--model", stateful_folder, "--publish", endpoint, "--input", wav)
    with start("listen", *flags, "--json") as first:
        assert first.stdout is not None
        first.stdout.readline()
        check_error(streamgenre("listen", *flags), endpoint, "in use", "--publish")
        first.terminate()
        first.communicate()


def test_a_full_disk_is_reported(stateful_folder: Path, wav: Path) -> None:
    with Path("/dev/full").open("w") as full:
        for show in ("--json", "--no-dashboard"):
            with start(
                *("listen", "--model", stateful_folder, "--publish", free_endpoint()),
                *("--input", wav, "--pace", "fast", show),
                stdout=full,
            ) as daemon:
                _, said = daemon.communicate(timeout=60)
            assert daemon.returncode == 1
            assert "No space left" in said
            assert "Traceback" not in said


def test_a_damaged_model_folder_is_reported(
    stateful_folder: Path, wav: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in stateful_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = bytearray((folder / "model.onnx").read_bytes())
    weights[-1] ^= 1
    (folder / "model.onnx").write_bytes(weights)
    check_error(listen(folder, "--input", wav), "SHA-256", str(folder))


def test_subscribe_explains_bad_flags() -> None:
    check_error(streamgenre("subscribe", "--type", "updat"), "did you mean 'update'")
    check_error(streamgenre("subscribe", "--count", "0"), "--count 0")
    check_error(
        streamgenre("subscribe", "--connect", free_endpoint(), "--timeout", "0.3"),
        "is the daemon running",
    )


def test_only_debug_prints_a_traceback(stateful_folder: Path) -> None:
    for flags in (
        ["--debug", "listen", "--input", "no/such.wav"],
        ["listen", "--input", "no/such.wav", "--debug"],
    ):
        assert "Traceback" in streamgenre(*flags, "--model", stateful_folder).stderr


def test_a_missing_command_is_wrong_usage() -> None:
    assert streamgenre().returncode == 2
    assert streamgenre("lisen").returncode == 2
    for flags in (("--shuffle", "x"), ("--json", "--quiet")):
        done = streamgenre("listen", *flags)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert flags[-2] in line
        assert line.endswith("see `streamgenre listen --help`")
