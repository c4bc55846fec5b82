"""The history commands as users run them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from support.commands import COMMAND, environment, streamgenre
from support.histories import record, rows
from support.history_programme import T0, Programme
from support.small_disk import small_disk

from streamgenre.history.airplay_log import AirplayLine
from streamgenre.history.export import write_cue
from streamgenre.history.schema import VERSION

DAY = ("--day", "2026-07-01", "--tz", "UTC")
LISTINGS = ("segments", "titles", "shares", "gaps", "dead-air", "sources", "playlist", "export")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "h.sqlite3"
    for station in ("kitchen", "hall"):
        maker = Programme(station, station)
        record(path, maker.day(12 * 3600), every=20_000)
    return path


def ask(path: Path, *arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    return streamgenre("history", *arguments, "--history", path, **how)


def answer(path: Path, *arguments: str | Path) -> Any:
    done = ask(path, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("listing", LISTINGS)
def test_every_listing_is_available_as_text_and_json(path: Path, listing: str) -> None:
    text = ask(path, listing, *DAY)
    assert (text.returncode, text.stderr) == (0, "")
    assert len(text.stdout.splitlines()) > 2
    found = answer(path, listing, *DAY)
    assert len(found) == len(text.stdout.splitlines()) - 1
    one = answer(path, listing, *DAY, "--station", "hall")
    if listing != "shares":
        assert {row["station"] for row in one} == {"hall"}
    assert 0 < len(one) <= len(found)
    for row in found:
        for name in ("start", "end", "time"):
            assert row.get(name, "+00:00").endswith("+00:00")


def test_now_and_search_list_events(path: Path) -> None:
    found = answer(path, "now")
    assert [(row["station"], row["live"]) for row in found] == [("hall", False), ("kitchen", False)]
    assert "not listening; last heard 2026-07-01 1" in ask(path, "now", "--tz", "UTC").stdout
    hits = answer(path, "search", "beyonce")
    assert {row["artist"] for row in hits} == {"Beyoncé Doe"}
    assert len(answer(path, "search", "beyonce", "--limit", "3")) == 3


def test_shares_can_be_grouped(path: Path) -> None:
    assert {row["part"] for row in answer(path, "shares", *DAY, "--by", "hour")} == {
        f"{hour:02d}" for hour in range(13)
    }
    assert {row["part"] for row in answer(path, "shares", *DAY, "--by", "weekday")} == {"Wednesday"}
    # In Auckland the same time span is the afternoon and night of one day.
    auckland = ("--since", "@1782864000", "--until", "@1782907200", "--tz", "Pacific/Auckland")
    days = {row["part"] for row in answer(path, "shares", *auckland, "--by", "day")}
    assert days == {"2026-07-01"}


def test_times_can_be_given_in_words(path: Path) -> None:
    found = answer(
        path,
        "segments",
        "--since",
        "2026-07-01 10:00",
        "--until",
        "2026-07-01 10:30",
        "--tz",
        "UTC",
    )
    assert found[0]["end"] > "2026-07-01T10:00"
    assert found[-1]["start"] < "2026-07-01T10:30"
    berlin = answer(path, "segments", "--since", "2026-07-01 12:00", "--until", "2026-07-01 12:30",
                    "--tz", "Europe/Berlin")  # fmt: skip
    assert [r["state"] for r in berlin] == [r["state"] for r in found]
    assert berlin[0]["start"].endswith("+02:00")


def test_an_empty_result_is_reported_on_stderr_only(path: Path) -> None:
    done = ask(path, "segments", "--since", "2020-01-01", "--until", "2020-01-02")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing found" in done.stderr
    assert answer(path, "segments", "--since", "2020-01-01", "--until", "2020-01-02") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("segments", "--station", "kitchn"), 1, "no station 'kitchn'.*did you mean 'kitchen'"),
        (("segments", "--since", "today", "--until", "yesterday"), 1, "expected --since before"),
        (("titles", "--since", "the other day"), 1, "not a time"),
        (("titles", "--day", "someday"), 1, "expected a day"),
        (("titles", "--day", "today", "--since", "1h ago"), 2, "--day selects a whole day"),
        (("shares", "--tz", "Mars/Olympus"), 1, "no such time zone"),
        (("shares", "--by", "fortnight"), 2, "invalid choice"),
        (("search", ""), 1, "nothing to search for"),
        (("segments", "--limit", "0"), 2, "expected 1 or more"),
        (("playlist", "--format", "cue"), 1, "choose one with --station"),
        (("export", "--format", "xml"), 2, "invalid choice"),
        (("playlist", "--format", "text", "--out", "x.txt"), 2, "expected csv, json or cue"),
        (("export", "--out", "/nonexistent/x.csv"), 1, "cannot be written: No such file"),
        (("export", "--out", "/tmp"), 1, "a folder"),
        ((), 2, "LISTING"),
    ],
)
def test_bad_queries_are_explained(
    path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = ask(path, *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr, re.DOTALL), done.stderr


def test_only_debug_prints_a_traceback(path: Path) -> None:
    done = streamgenre("--debug", "history", "search", "", "--history", path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "whose",
    ["missing", "empty", "folder", "other", "future", "garbage", "old"],
)
def test_files_that_are_not_a_history_are_rejected(whose: str, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    message = {
        "missing": "no history yet",
        "empty": "nothing was recorded",
        "folder": "a folder",
        "other": "another program",
        "future": "newer streamgenre",
        "garbage": "damaged",
        "old": "older streamgenre",
    }[whose]
    if whose == "empty":
        path.touch()
    elif whose == "folder":
        path.mkdir()
    elif whose == "garbage":
        path.write_bytes(os.urandom(9000))
    elif whose != "missing":
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE theirs (a)")
            if whose != "other":
                other.execute("PRAGMA application_id = 1936156787")
                other.execute(f"PRAGMA user_version = {VERSION + 1 if whose == 'future' else 1}")
            other.commit()
    before = path.read_bytes() if path.is_file() else None
    for arguments in (("history", "now"), ("report", "--out", tmp_path / "r.html")):
        done = streamgenre(*arguments, "--history", path)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not (tmp_path / "r.html").exists()


def test_damage_inside_the_file_is_reported(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "h.sqlite3"
    data = bytearray(path.read_bytes())
    size = len(data)
    data[8192 * 4 :] = os.urandom(size - 8192 * 4)
    copy.write_bytes(data)
    for arguments in (("segments", *DAY), ("export", "--what", "detail", *DAY), ("shares", *DAY)):
        done = ask(copy, *arguments)
        assert done.returncode == 1
        assert "damaged" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_history_can_be_read_from_a_read_only_folder(path: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk:
        copy = disk.folder / "h.sqlite3"
        shutil.copy(path, copy)
        disk.writable(yes=False)
        assert len(answer(copy, "segments", *DAY)) == len(answer(path, "segments", *DAY))
        disk.writable(yes=True)


def test_piping_to_head_is_quiet(path: Path) -> None:
    for listing in ("segments", "export --format json --what detail", "export --what detail"):
        command = " ".join([*COMMAND, "history", listing, *DAY, "--history", str(path)])
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 1


# ---- exports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["segments", "titles", "gaps", "dead-air", "sources", "shares", "detail"]
)
def test_exports_agree_whatever_their_format(path: Path, tmp_path: Path, what: str) -> None:
    span: tuple[str, ...] = ("--since", "2026-07-01", "--until", "2026-07-01 02:00", "--tz", "UTC")
    if what in ("gaps", "dead-air"):
        span = DAY
    files = {}
    for kind in ("csv", "json", "parquet"):
        files[kind] = tmp_path / f"out.{kind}"
        done = ask(path, "export", "--what", what, "--format", kind, "--out", files[kind], *span)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    from_json = json.loads(files["json"].read_text())
    from_csv = list(csv.DictReader(io.StringIO(files["csv"].read_text(), newline="")))
    table = parquet.read_table(files["parquet"]).to_pylist()
    assert len(from_json) == len(from_csv) == len(table) > 0
    for a, b, c in zip(from_json, from_csv, table, strict=True):
        assert set(a) == set(b) == set(c)
        for name, value in a.items():
            assert b[name].removeprefix("'") == ("" if value is None else str(value))
            if name in ("start", "end", "time"):
                assert c[name].isoformat(timespec="milliseconds") == value
            else:
                assert c[name] == value
    stdout = ask(path, "export", "--what", what, *span).stdout
    assert stdout.encode() == files["csv"].read_bytes()


def test_a_full_disk_leaves_no_partial_file(path: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        out = disk.folder / "out.csv"
        out.write_text("what was there before\n")
        disk.fill(leave=200_000)
        for kind in ("csv", "json", "parquet"):
            done = ask(path, "export", "--what", "detail", "--format", kind, "--out", out, *DAY)
            assert done.returncode == 1
            assert "No space left" in done.stderr
            assert "Traceback" not in done.stderr
            assert out.read_text() == "what was there before\n"
            assert sorted(p.name for p in disk.folder.iterdir()) == ["ballast", "out.csv"]
        disk.fill()
        done = streamgenre(
            *("report", "--history", path, "--station", "hall", "--day", "2026-07-01"),
            *("--tz", "UTC", "--out", out.with_suffix(".html")),
        )
        assert done.returncode == 1
        assert "cannot be written" in done.stderr
        assert not out.with_suffix(".html").exists()


def test_a_reader_of_an_export_being_replaced_sees_the_old_file(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("old\n")
    with out.open() as reader:
        assert ask(path, "export", *DAY, "--out", out).returncode == 0
        assert reader.read() == "old\n"
    assert out.read_text().startswith("station,")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_full_stdout_is_reported(path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "history", "export", *DAY, "--history", str(path)],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_has_the_usual_file_permissions(path: Path, tmp_path: Path) -> None:
    ask(path, "export", *DAY, "--out", tmp_path / "a.csv")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    path = tmp_path / "h.sqlite3"
    maker = Programme("=cmd|' /C calc'!A0", "x")
    events: list[Any] = []
    for text in (
        "=1+1",
        "+44",
        "-1",
        "@x",
        "\x1b[2J\x1b]0;x\x07",
        'say "hi", all\nof you',
        "<b>&amp;",
    ):
        events += [maker.title(text, text), *maker.stretch("music", "jazz", 30)]
    record(path, events)
    return path


def test_hostile_titles_are_neutralized_for_terminals_and_spreadsheets(hostile: Path) -> None:
    for listing in ("titles", "playlist", "now", "segments"):
        span = () if listing == "now" else DAY
        done = ask(hostile, listing, *span)
        assert done.returncode == 0
        assert not any(c in done.stdout for c in "\x1b\x07\r")
    for asked in (("export", "--what", "titles"), ("playlist", "--format", "csv")):
        text = ask(hostile, *asked, *DAY).stdout
        assert "\x1b" not in text
        for row in csv.reader(io.StringIO(text)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    titles = {row["title"] for row in answer(hostile, "titles", *DAY)}
    assert {"=1+1", 'say "hi", all\nof you', "<b>&amp;"} <= titles  # JSON has them as they are


def test_a_long_title_is_truncated_only_in_the_table(tmp_path: Path) -> None:
    maker = Programme("a", "x")
    long = "long " * 90 + "end"  # stations send up to 500 characters
    record(tmp_path / "h", [maker.title("Artist", long), *maker.stretch("music", "jazz", 30)])
    lines = ask(tmp_path / "h", "titles", *DAY).stdout.splitlines()
    assert lines[-1].endswith("long…")
    assert max(map(len, lines)) < 140
    assert answer(tmp_path / "h", "titles", *DAY)[0]["title"] == long
    assert long in ask(tmp_path / "h", "export", "--what", "titles", *DAY).stdout


def test_a_playlist_can_be_exported_as_csv_and_cue(
    path: Path, tmp_path: Path, hostile: Path
) -> None:
    out = tmp_path / "log.csv"
    assert ask(path, "playlist", *DAY, "--station", "hall", "--out", out).returncode == 0
    log = list(csv.DictReader(out.open(newline="")))
    assert list(log[0]) == ["station", "start", "end", "artist", "title", "genre", "confidence"]
    assert {row["genre"] for row in log} > {"jazz", "pop"}
    done = ask(hostile, "playlist", "--format", "cue", "--out", tmp_path / "log.cue", *DAY)
    assert (done.returncode, done.stderr) == (0, "")
    sheet = (tmp_path / "log.cue").read_text().splitlines()
    assert sheet[1].startswith('FILE "')
    assert sheet[1].endswith('.wav" WAVE')
    assert sum(line.startswith("  TRACK") for line in sheet) == 7
    assert [x for x in sheet if "INDEX" in x][:2] == [
        "    INDEX 01 00:00:00",
        "    INDEX 01 00:30:00",
    ]
    assert not any("\x1b" in line for line in sheet)
    assert all(line.count('"') in (0, 2) for line in sheet)


def test_cue_sheet_times_are_in_frames() -> None:
    out = io.BytesIO()
    lines = [
        AirplayLine("s", T0 + t, T0 + t + 1, "a", "b", None, None) for t in (0.0, 61.6, 7200.04)
    ]
    assert write_cue(out, lines, name="n", start=T0) == 3
    found = [line for line in out.getvalue().decode().splitlines() if "INDEX" in line]
    assert [line.split()[-1] for line in found] == ["00:00:00", "01:01:45", "120:00:03"]


def test_a_cue_sheet_with_many_tracks_warns(path: Path, tmp_path: Path) -> None:
    done = ask(
        path, "playlist", "--format", "cue", "--station", "hall", "--out", tmp_path / "a.cue", *DAY
    )
    assert done.returncode == 0
    assert "no more than 99" in done.stderr


def test_queries_load_no_heavy_modules_and_listening_loads_no_plotting(path: Path) -> None:
    code = (
        "import sys\nfrom streamgenre.cli import main\n"
        f"main(['history', 'segments', '--history', {str(path)!r}, '--limit', '1'])\n"
        "import streamgenre.cli.listen, streamgenre.history.writer\n"
        "heavy = {'typst', 'pyarrow', 'pandas', 'scipy', 'PIL'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_pyarrow_the_message_names_what_to_install(path: Path, tmp_path: Path) -> None:
    for name in ("pyarrow", "typst"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')\n")
    env = {"PYTHONPATH": str(tmp_path)}
    out = tmp_path / "x.parquet"
    done = ask(path, "export", "--format", "parquet", "--out", out, *DAY, env=env)
    assert (done.returncode, "streamgenre[parquet]" in done.stderr) == (1, True)
    picture = tmp_path / "x.png"
    done = streamgenre(
        *("report", "--history", path, "--station", "hall", "--day", "2026-07-01"),
        *("--out", picture),
        env=env,
    )
    assert (done.returncode, "streamgenre[report]" in done.stderr) == (1, True)
    assert not out.exists()
    assert not picture.exists()


def test_queries_change_nothing(path: Path) -> None:
    before = rows(path, "SELECT count(*) FROM segments")
    stamp = path.stat().st_mtime_ns
    for listing in LISTINGS:
        ask(path, listing, *DAY)
    assert path.stat().st_mtime_ns == stamp
    assert rows(path, "SELECT count(*) FROM segments") == before
