"""`streamgenre classify`: the answers of listening, for files, whatever the files are."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from pyarrow import parquet
from support.audio import music, write_wav
from support.commands import COMMAND, environment, streamgenre
from support.sample_events import SampleStation

from streamgenre import FileResult, Update, classify
from streamgenre.errors import SettingsError
from streamgenre.events import from_json
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library.cache import ResultCache
from streamgenre.library.results import FileSummary, from_dict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two songs, in a folder and its sub-folder, and a file that is no audio."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "music"
    (folder / "sub").mkdir(parents=True)
    write_wav(folder / "one.wav", music(5))
    write_wav(folder / "sub" / "two.wav", music(4, seed=2))
    (folder / "cover.jpg").write_bytes(b"\xff\xd8")
    return folder


def by_name(output: str) -> dict[str, dict[str, Any]]:
    """Return the objects of ``--json`` by the names of their files."""
    found = map(json.loads, output.splitlines())
    return {each["path"].rpartition("/")[2]: each for each in found}


def run(*arguments: str | Path) -> tuple[dict[str, dict[str, Any]], str, int]:
    """Return the results of ``classify --json``, the text of stderr and the exit code."""
    done = streamgenre("classify", *arguments, "--model", "lite", "--json")
    return by_name(done.stdout), done.stderr, done.returncode


def test_the_probabilities_are_those_of_listening_to_the_last_bit(library: Path) -> None:
    song = library / "one.wav"
    heard = streamgenre("listen", "--input", song, "--pace", "fast", "--model", "lite", "--json",
                        "--publish", "tcp://127.0.0.1:*", "--no-history")  # fmt: skip
    assert heard.returncode == 0, heard.stderr
    events = [from_json(line) for line in heard.stdout.splitlines()]
    updates = [event for event in events if isinstance(event, Update)]
    assert len(updates) == 5
    summary = FileSummary(0.3)
    for event in events:
        summary.take(event)
    found, _, _ = run(song)
    expected = summary.result(song).as_dict()
    names = ("known", "probabilities", "top", "state", "genre", "shares", "segments", "seconds")
    assert {name: found["one.wav"][name] for name in names} == {
        name: expected[name] for name in names
    }


@pytest.mark.parametrize(
    ("known", "expected"), [(0.05, ("unknown", None)), (None, ("music", "rock"))]
)
def test_a_file_of_other_music_is_unknown(
    known: float | None, expected: tuple[str, str | None], tmp_path: Path
) -> None:
    """However sure the genres are; a model that does not say decides from them."""
    sample = SampleStation()
    summary = FileSummary(0.1)
    for n in range(5):
        state, genre = ("music", "rock") if n < 2 else ("unknown", None)
        fields: dict[str, Any] = {"state": state, "genre": genre, "known": known}
        summary.take(dataclasses.replace(sample.update(), stream_time=n + 1.0, **fields))
    found = summary.result(tmp_path / "song.wav")
    assert (found.state, found.genre) == expected
    assert found.known == known
    assert found.top[0][0] == "rock"


def test_every_audio_file_of_a_folder_has_a_result(library: Path) -> None:
    found, errors, code = run(library)
    assert set(found) == {"one.wav", "two.wav"}
    assert code == 0
    assert "1 other files in the folders" in errors
    for result in found.values():
        assert result["problem"] is None
        assert result["model"] == "lite"
        assert result["sha256"]
        assert sum(result["probabilities"].values()) == pytest.approx(1)
        assert sum(result["shares"].values()) == pytest.approx(1)


def test_json_csv_and_parquet_say_the_same(library: Path, tmp_path: Path) -> None:
    found, _, _ = run(library)
    done = streamgenre(
        "classify", library, "--model", "lite", "--csv", "--parquet", tmp_path / "x.parquet"
    )
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    table = {row["path"]: row for row in parquet.read_table(tmp_path / "x.parquet").to_pylist()}
    assert set(rows) == set(table) == {result["path"] for result in found.values()}
    for result in found.values():
        row, stored = rows[result["path"]], table[result["path"]]
        assert float(row["confidence"]) == stored["confidence"] == result["confidence"]
        assert row["genre_2"] == stored["genre_2"] == result["top"][1]["genre"]
        assert row["uri"] == stored["uri"] == result["uri"]


def test_python_gets_typed_results(library: Path) -> None:
    results = sorted(classify(library, model="lite", jobs=1), key=lambda each: each.path)
    assert [result.path.name for result in results] == ["one.wav", "two.wav"]
    assert all(isinstance(result, FileResult) for result in results)
    assert results[0].seconds == pytest.approx(5)
    with pytest.raises(SettingsError, match="jobs 0"):
        classify(library, jobs=0)


def test_a_result_comes_back_equal_from_its_json(library: Path) -> None:
    [result] = classify(library / "one.wav", model="lite", jobs=1)
    assert from_dict(result.path, json.loads(json.dumps(result.as_dict()))) == result


def test_what_was_heard_is_not_heard_again_under_another_name(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {r.sha256: r for r in classify(library, model="lite")}
    (library / "sub" / "two.wav").rename(library / "renamed.wav")
    monkeypatch.setattr(sys, "executable", "/bin/false")  # nothing can be heard now
    after = {r.sha256: r for r in classify(library, model="lite")}
    assert {r.path.name for r in after.values()} == {"one.wav", "renamed.wav"}
    for sha256, result in after.items():
        assert result.problem is None
        assert result.probabilities == before[sha256].probabilities
    again = list(classify(library, model="lite", cached=False))
    assert all(r.problem == "its decoder ended with exit code 1" for r in again)


def test_a_file_is_not_heard_again_after_its_tags_were_written(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in library.rglob("*.wav")}
    heard, _, code = run(library, "--write-tags", "--threshold", "0")
    assert code == 0
    assert all(path.read_bytes() != before[path.name] for path in library.rglob("*.wav"))
    monkeypatch.setattr(sys, "executable", "/bin/false")  # nothing can be heard now
    decision = DecisionSettings(enter=0.0, keep=0.0)
    for result in classify(library, model="lite", decision=decision):
        assert result.problem is None
        assert result.probabilities == heard[result.path.name]["probabilities"]


def test_a_file_that_changed_is_heard_again(library: Path) -> None:
    song = library / "one.wav"
    [before] = classify(song, model="lite")
    write_wav(song, music(6, seed=5))
    [after] = classify(song, model="lite")
    assert before.seconds == pytest.approx(5)
    assert after.seconds == pytest.approx(6)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_damaged_cache_is_begun_again(library: Path, content: bytes) -> None:
    [first] = classify(library / "one.wav", model="lite")
    cache = library.parent / "state/streamgenre/library.sqlite3"
    for file in cache.parent.glob("library.sqlite3-*"):
        file.unlink()
    cache.write_bytes(content)
    [second] = classify(library / "one.wav", model="lite")
    assert second == first
    with ResultCache() as kept:
        assert kept.known_hash(first.path, first.path.stat()) in (None, first.sha256)
    assert cache.stat().st_mode & 0o777 == 0o600


def test_a_crashed_decoder_costs_its_file_only(tmp_path: Path, library: Path) -> None:
    long = tmp_path / "music" / "long.wav"
    write_wav(long, np.tile(music(60), 20))
    process = subprocess.Popen(
        [*COMMAND, "classify", library, "--model", "lite", "--json", "--jobs", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    me = psutil.Process(process.pid)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        workers = me.children()
        if workers and any(file.path == str(long) for file in workers[0].open_files()):
            workers[0].kill()
            break
        time.sleep(0.005)
    output, errors = process.communicate(timeout=120)
    found = by_name(output)
    assert found["long.wav"]["problem"] == "its decoder ended by signal 9 (SIGKILL)", errors
    assert found["one.wav"]["problem"] is found["two.wav"]["problem"] is None
    assert process.returncode == 1
    assert "not classified" in errors


def test_bad_files_are_named_and_the_rest_is_done(library: Path) -> None:
    (library / "empty.mp3").touch()
    (library / "text.flac").write_text("these are words\n" * 100)
    write_wav(library / "tick.wav", music(1)[:1])
    os.mkfifo(library / "pipe.wav")
    (library / "loop").symlink_to(library)
    (library / "lost.ogg").symlink_to(library / "nowhere")
    odd = os.fsencode(library) + b"/caf\xe9 \xff.wav"
    os.link(library / "one.wav", odd)
    found, errors, code = run(library)
    assert code == 1
    assert found["empty.mp3"]["problem"].startswith("the file is empty")
    assert "audio" in found["text.flac"]["problem"]
    assert found["tick.wav"]["problem"] == "shorter than a second"
    assert found["pipe.wav"]["problem"] == "is not a regular file"
    assert found["lost.ogg"]["problem"] == "No such file or directory"
    assert found["caf\ufffd \ufffd.wav"]["uri"].endswith("/caf%E9%20%FF.wav")
    assert sum(result["problem"] is None for result in found.values()) == 3
    assert len(found) == 8, "a loop of links is followed once"
    assert errors.count("not classified: ") == 5
    assert "Traceback" not in errors


def test_a_tenth_of_a_second_has_no_genre(library: Path) -> None:
    write_wav(library / "click.wav", music(0.9))
    write_wav(library / "second.wav", music(1))
    found, _, _ = run(library)
    assert found["click.wav"]["problem"] == "shorter than a second"
    assert found["second.wav"]["problem"] is None


def test_two_runs_keep_results_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite3"
    with ResultCache(path) as one, ResultCache(path) as other:
        for number, cache in enumerate((one, other)):
            cache.keep(FileResult(path=path, sha256=str(number)), "")
        assert one.result(path, "1", "", "") is not None, "the other run has not ended"
        assert other.result(path, "0", "", "") is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nonexistent/music"], "no such file or folder"),
        (["/tmp", "--jobs", "0"], "jobs 0: expected 1 to 256"),
        (["/tmp", "--threshold", "nan"], "expected 0 to 1"),
        (["/tmp", "--model", "none"], "none"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments: list[str], message: str) -> None:
    done = streamgenre("classify", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_listing_for_people_has_a_line_for_each_file(library: Path) -> None:
    done = streamgenre("classify", library, "--model", "lite")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["genre", "second", "length", "loudness", "file"]
    # After the name come the tags.
    files = {line.rpartition("/")[2].partition("  [")[0] for line in lines[1:3]}
    assert files == {"one.wav", "two.wav"}
    assert lines[3].startswith("2 files, 0.0 hours: ")


def test_a_reader_that_leaves_ends_it_quietly(library: Path, tmp_path: Path) -> None:
    command = f"{' '.join(COMMAND)} classify {library} --model lite --csv --parquet {tmp_path}/x"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true"],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
