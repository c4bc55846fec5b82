"""Measure how fast files are classified, beside PyAV alone and the usual ways.

Usage: ``python benchmarks/files.py [--json] [--rounds N] [--files N] [--yamnet yamnet.tflite]``, or
``python benchmarks/files.py --memory [--hours N] [--many N]``

MP3 files of 30 s (stereo, 44.1 kHz, 128 kb/s, of the demo programme) are read, on one thread each:

- ``pyav``: PyAV alone decodes them and resamples them to mono at 16 kHz;
- ``lite``, ``lstm``: ``streamgenre classify`` with this model, in this process;
- ``librosa``: ``librosa.load``, ``librosa.feature.mfcc`` and ``predict`` of a small Keras LSTM for
  each file, where librosa and Keras are installed;
- ``yamnet``: PyAV and YAMNet's TFLite model over windows of 0.975 s, where ``ai-edge-litert`` is
  installed and the model is given.

Figures are medians of CPU time for one second of audio; the variants take turns. ``jobs`` is the
wall time of one process over that of two, for the same files.

With ``--memory``: the memory of ``streamgenre classify`` and its process over a file of 6 hours,
and over 100,000 files whose content it knows, at the start and at the end.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: idle BLAS threads spin
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from streamgenre.audio.ring import Gap
from streamgenre.inference.models import load_model
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library.classify import Library
from streamgenre.library.hearing import hear
from streamgenre.sources.demo import RATE, programme
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 30
MODELS = ("lite", "lstm")


def write_files(folder: Path, count: int) -> list[Path]:
    """Write the MP3 files."""
    paths = []
    for number in range(count):
        blocks = (b for b in programme(number) if not isinstance(b, Gap | Title))
        samples = np.concatenate([b[:, 0] for b in islice(blocks, SECONDS * 26)])[: SECONDS * RATE]
        path = folder / f"{number}.mp3"
        with av.open(path, "w") as container:
            stream: Any = container.add_stream("mp3", rate=44_100, layout="stereo")
            stream.bit_rate = 128_000
            frame: Any = av.AudioFrame.from_ndarray(
                np.stack([samples, samples * np.float32(0.9)]), format="fltp", layout="stereo"
            )
            frame.sample_rate = RATE
            for each in av.AudioResampler("fltp", "stereo", 44_100).resample(frame):
                container.mux(stream.encode(each))
            container.mux(stream.encode(None))
        paths.append(path)
    return paths


def decoded(path: Path) -> np.ndarray:
    """Return a file as mono at 16 kHz, by PyAV alone."""
    parts = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        for frame in container.decode(audio=0):
            parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
    return np.concatenate(parts)


def usual() -> Callable[[Path], object] | None:
    """Return the usual way, or None where librosa or Keras is missing."""
    try:
        import keras
        import librosa
    except ImportError:
        return None
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((None, 13)), layers.LSTM(64), layers.Dense(10, activation="softmax")]
    )

    def classify(path: Path) -> object:
        signal, rate = librosa.load(path, sr=22_050)
        frames = librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=13)
        return network.predict(frames.T[None], verbose=0)

    return classify


def yamnet(model: Path | None) -> Callable[[Path], object] | None:
    """Return YAMNet over a file, or None where its runtime or model is missing."""
    if model is None:
        return None
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, [15_600])
    interpreter.allocate_tensors()

    def classify(path: Path) -> object:
        signal = decoded(path)
        for start in range(0, len(signal) - 15_600, 15_600):
            interpreter.set_tensor(index, signal[start : start + 15_600].astype(np.float32))
            interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return classify


def variants(model: Path | None) -> dict[str, Callable[[Path], object]]:
    """Return what is measured, by name."""
    found: dict[str, Callable[[Path], object] | None] = {"pyav": decoded}
    for name in MODELS:
        loaded = load_model(name)
        found[name] = lambda path, loaded=loaded: hear(path, loaded, DecisionSettings())
    found |= {"librosa": usual(), "yamnet": yamnet(model)}
    return {name: run for name, run in found.items() if run is not None}


def jobs_ratio(paths: list[Path], model: str) -> float:
    """Return how many times faster two processes are than one, apart from their start."""

    def seconds(jobs: int) -> float:
        library = Library(model=model, cached=False, jobs=jobs)
        results = library.results([*paths[:jobs], *paths * 4])
        for _ in range(jobs):
            next(results)  # the processes have started
        start = time.perf_counter()
        for _ in results:
            pass
        return time.perf_counter() - start

    return seconds(1) / seconds(2)


def memory_over_time(files: Path, state: Path, *flags: str) -> tuple[list[float], int]:
    """Classify in processes of their own; return their memory in MB twice a second, and results."""
    command = [sys.executable, "-m", "streamgenre", "classify", str(files), "--json", *flags]
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    found: list[float] = []
    with (
        tempfile.TemporaryFile() as results,
        subprocess.Popen(
            [*command, "--jobs", "1", "--model", "lite"], stdout=results, env=environment
        ) as running,
    ):
        process = psutil.Process(running.pid)
        while running.poll() is None:
            with contextlib.suppress(psutil.Error):
                family = [process, *process.children()]
                found.append(sum(each.memory_info().rss for each in family) / 1e6)
            time.sleep(0.5)
        results.seek(0)
        count = sum(1 for line in results if b'"problem": null' in line)
    return found, count


def memory(folder: Path, hours: float, many: int) -> list[tuple[str, list[float], int]]:
    """Return the memory over time for one long file, and for many files."""
    [short] = write_files(folder, 1)
    long = folder / "long.mp3"
    with av.open(long, "w", options={"write_xing": "0"}) as out, av.open(short) as source:
        stream = out.add_stream_from_template(source.streams.audio[0])
        packets = [(bytes(packet), packet.duration) for packet in source.demux(audio=0)]
        at = 0
        for _ in range(round(hours * 3600 / SECONDS)):
            for data, duration in packets:
                if data:
                    packet = av.Packet(data)
                    packet.stream, packet.pts, packet.dts = stream, at, at
                    at += duration or 0
                    out.mux(packet)
    rows = [(f"a file of {hours:g} h", *memory_over_time(long, folder / "a", "--no-cache"))]
    files, state = folder / "many", folder / "b"
    for number in range(many):
        place = files / f"{number // 1000}"
        place.mkdir(parents=True, exist_ok=True)
        source_file = files / "0" / f"{number % 10}.wav"
        if number < 10:
            noise = np.random.default_rng(number).integers(-9000, 9000, 9600).astype("<i2")
            with av.open(source_file, "w") as out:
                pcm: Any = out.add_stream("pcm_s16le", rate=8_000, layout="mono")
                frame: Any = av.AudioFrame.from_ndarray(noise[None], format="s16", layout="mono")
                frame.sample_rate = 8_000
                out.mux(pcm.encode(frame))
            os.utime(source_file, (1, 1))  # so that its hash is kept
        else:
            (place / f"{number}.wav").hardlink_to(source_file)
    return [
        *rows,
        (f"{many} files", *memory_over_time(files, state)),
        (f"{many} files once more", *memory_over_time(files, state)),
    ]


def print_memory(hours: float, many: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, found, count in memory(Path(folder), hours, many):
            tenth = max(1, len(found) // 10)
            print(
                f"{name}: {count} results; {statistics.median(found[tenth : 2 * tenth]):.1f} MB in "
                f"the second tenth of the time, {statistics.median(found[-tenth:]):.1f} MB in the "
                f"last, at most {max(found):.1f} MB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of `streamgenre classify`.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--yamnet", type=Path, metavar="FILE", help="YAMNet as TFLite, to compare")
    parser.add_argument("--memory", action="store_true", help="memory instead of speed")
    parser.add_argument("--hours", type=float, default=6, help="length of the long file")
    parser.add_argument("--many", type=int, default=100_000, help="number of files")
    arguments = parser.parse_args()
    if arguments.memory:
        print_memory(arguments.hours, arguments.many)
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(Path(folder), arguments.files)
        measured = variants(arguments.yamnet)
        times: dict[str, list[float]] = {name: [] for name in measured}
        for round_ in range(arguments.rounds + 1):
            for name, run in measured.items():
                start = time.process_time()
                for path in paths:
                    run(path)
                spent = 1000 * (time.process_time() - start) / (SECONDS * len(paths))
                if round_:  # the first loads libraries
                    times[name].append(spent)
        medians = {name: statistics.median(values) for name, values in times.items()}
        speedup = jobs_ratio(paths, "lite")
    if arguments.json:
        print(json.dumps({"ms_per_second": medians, "jobs_2_over_1": speedup}, indent=2))
        return
    print(f"medians of {arguments.rounds} rounds, CPU for one second of audio\n")
    for name, value in medians.items():
        print(f"{name:<8} {value:7.2f} ms   {medians['pyav'] / value:5.2f} times PyAV's speed")
    for name in ("librosa", "yamnet"):
        print(
            f"lite against {name}: {medians[name] / medians['lite']:.1f} times its speed"
            if name in medians
            else f"{name} is not installed here"
        )
    print(f"two jobs against one: {speedup:.2f} times its speed")


if __name__ == "__main__":
    main()
