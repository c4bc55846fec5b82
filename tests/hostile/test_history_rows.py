"""No text or number from outside ends the thread that writes the history."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import free_endpoint, streamgenre
from support.fuzzing import examples
from support.histories import check_whole, rows
from support.history_programme import T0, Programme

from streamgenre.events import Gap, SourceChange, Title, Update
from streamgenre.history.settings import HistorySettings
from streamgenre.history.writer import HistoryWriter

ODD = "a\udcff\ud800\0b"


def titles(programme: Programme, text: str) -> Title:
    return Title(**programme.head("title"), artist=text, title=text, raw=text)


def write(path: Path, *events: Any) -> list[str]:
    """Write events, then ten updates of another station, with the real thread."""
    said: list[str] = []
    settings = HistorySettings(path, flush_s=0.05)
    writer = HistoryWriter(settings, lossless=True, say=said.append)
    writer.start()
    for event in events:
        writer.put(event)
    ends = time.monotonic() + 60
    if events:
        while writer.state()["buffered"] == 0 and not said and time.monotonic() < ends:
            if path.exists():
                break
            time.sleep(0.01)
    for event in Programme("good", "good").stretch("music", "jazz", 10):
        writer.put(event)
    writer.close()
    return said


@pytest.mark.parametrize("field", ["station", "input", "detail", "title"])
def test_text_without_an_encoding_is_stored_without_it(field: str, tmp_path: Path) -> None:
    programme = Programme("kitchen", "s1")
    change = SourceChange(
        **programme.head("source"), state="lost", input="x", detail="", rate=None, channels=None
    )
    text: dict[str, Any] = {field: ODD}
    event = titles(programme, ODD) if field == "title" else replace(change, **text)
    path = tmp_path / "h.sqlite3"
    said = write(path, event)
    assert said == []
    check_whole(path)
    assert rows(path, "SELECT sum(updates) FROM segments") == [(10,)]
    assert rows(path, "SELECT count(*) FROM sessions") == [(2,)]


def test_a_number_that_sqlite_cannot_store_costs_no_more_than_the_rows_beside_it(
    tmp_path: Path,
) -> None:
    programme = Programme("kitchen", "s1")
    head = programme.head("gap")
    gap = Gap(**head, samples=2**70, rate=44_100, seconds=1.0, reason="overflow")
    path = tmp_path / "h.sqlite3"
    said = write(path, gap)
    (line,) = [line for line in said if "cannot be stored" in line]
    assert "OverflowError" in line
    check_whole(path)


@given(st.text(st.characters(), max_size=30), st.floats(0, 4e9), st.floats(0, 1e6))
@examples(15)
def test_any_event_leaves_a_history_that_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, text: str, at: float, stream_time: float
) -> None:
    path = tmp_path_factory.mktemp("any") / "h.sqlite3"
    (update, *_) = Programme("kitchen", "s1").stretch("music", "jazz", 1)
    assert isinstance(update, Update)
    odd = replace(update, station=text or "x", time=at, stream_time=stream_time)
    write(path, odd, titles(Programme("kitchen", "s2", T0), text))
    check_whole(path)


def test_a_file_with_a_name_of_any_bytes_is_kept(stateful_folder: Path, tmp_path: Path) -> None:
    song = write_wav(tmp_path / "song.wav", music(3, rate=8_000), 8_000)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav"))
    song.rename(odd)
    path = tmp_path / "h.sqlite3"
    flags = ("--model", stateful_folder, "--publish", free_endpoint(), "--pace", "fast", "-q")
    done = streamgenre("listen", "--input", odd, *flags, "--history", path)
    assert (done.returncode, done.stderr) == (0, "")
    check_whole(path)
    assert rows(path, "SELECT sum(updates) FROM segments") == [(3,)]
    assert streamgenre("history", "segments", "--history", path).returncode == 0
