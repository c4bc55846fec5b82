"""Retention: the oldest rows are deleted, by age and by size, without blocking anyone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme

from streamgenre.errors import SettingsError
from streamgenre.history import retention as retention_module
from streamgenre.history.places import Server
from streamgenre.history.retention import Retention
from streamgenre.history.settings import HistorySettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.history.places import Place

DAY = 86_400.0
COUNTED = ("segments", "titles", "gaps", "dead_air", "source_changes", "shares", "details")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of each of four days, two stations."""
    path = tmp_path_factory.mktemp("kept") / "h.sqlite3"
    for day in range(4):
        for station in ("kitchen", "hall"):
            maker = Programme(station, f"{station}{day}", T0 + day * DAY, seed=day)
            record(path, maker.day(6 * 3600), every=4000)
    return path


@pytest.fixture(scope="module")
def four_days(recorded: Path, new_place: Callable[..., Place]) -> Place:
    return new_place(recorded)


@pytest.fixture
def path(four_days: Place, new_place: Callable[..., Place]) -> Place:
    return new_place(four_days)


@pytest.fixture
def file(path: Place) -> Path:
    """The history, where it is a file: a server's size is not limited."""
    if isinstance(path, Server):
        pytest.skip("of a file only")
    return path


def keep(path: Place, *, now: float, **limits: Any) -> int:
    """Apply limits until nothing is left to do; return the number of steps."""
    writer = HistoryWriter(path)
    retention = Retention(writer.store.connection, HistorySettings(path, **limits))
    steps = 0
    while retention.step(now):
        steps += 1
        assert steps < 10_000
    writer.vanish()
    return steps


def counts(path: Place) -> dict[str, int]:
    return {table: rows(path, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


def test_nothing_is_deleted_early(path: Place) -> None:
    before = counts(path)
    assert keep(path, now=T0 + 4 * DAY, detail_days=5, keep_days=5) == 0
    assert counts(path) == before


def test_old_rows_are_deleted_by_age(path: Place) -> None:
    now = T0 + 3.5 * DAY
    keep(path, now=now, detail_days=1, keep_days=2)
    oldest = now - 2 * DAY
    for table, column in (
        ("segments", "end_time"),
        ("titles", "end_time"),
        ("gaps", "end_time"),
        ("dead_air", "end_time"),
        ("source_changes", "time"),
        ("sessions", "end_time"),
        ("shares", "3600.0 * (hour + 1)"),
        ("details", "60.0 * (minute + 1) + 86400"),
    ):
        (found,) = rows(path, f"SELECT min({column}) FROM {table}")[0]
        assert found is None or found >= oldest - 60, table
    assert rows(path, "SELECT count(DISTINCT session) FROM segments") == [(4,)]
    assert counts(path)["details"] > 0
    check_whole(path)


def test_without_detail_days_no_detail_remains(path: Place) -> None:
    keep(path, now=T0 + 4 * DAY, detail_days=0, keep_days=30)
    assert counts(path)["details"] == 0
    assert counts(path)["segments"] > 0


def test_the_size_limit_deletes_detail_first_and_shrinks_the_file(file: Path) -> None:
    path = file
    size, before = path.stat().st_size, counts(path)
    assert size > 2.2e6
    keep(path, now=T0 + 4 * DAY, max_mb=2.0)
    after = counts(path)
    assert after["segments"] == before["segments"]
    assert 0 < after["details"] < before["details"]
    assert path.stat().st_size < 2.0e6 + 512 * 4096
    first = rows(path, "SELECT min(minute) FROM details")[0][0]
    assert first * 60 > T0 + 3600  # the oldest were deleted
    check_whole(path)


def test_freed_pages_return_to_the_disk_a_few_at_a_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file
    monkeypatch.setattr(retention_module, "SPARE_PAGES", 16)
    monkeypatch.setattr(retention_module, "STEP_PAGES", 20)
    size = path.stat().st_size
    steps = keep(path, now=T0 + 4 * DAY, detail_days=0)
    assert path.stat().st_size < size / 2
    assert steps > (size - path.stat().st_size) / 4096 / 20
    assert rows(path, "PRAGMA freelist_count")[0][0] <= 16
    check_whole(path)


def test_the_size_limit_never_deletes_new_rows(file: Path) -> None:
    path = file
    keep(path, now=T0 + 3 * DAY + 6 * 3600, max_mb=1.0)
    kept = rows(path, "SELECT min(end_time), max(end_time) FROM segments")[0]
    assert kept[1] > T0 + 3 * DAY
    check_whole(path)


def test_no_step_takes_long(path: Place) -> None:
    """A daemon that flushes every five seconds does not notice a step of some milliseconds."""
    writer = HistoryWriter(path)
    settings = HistorySettings(path, detail_days=0, keep_days=1)
    retention = Retention(writer.store.connection, settings)
    slowest, steps = 0.0, 0
    while True:
        start = time.thread_time()
        more = retention.step(T0 + 30 * DAY)
        slowest = max(slowest, time.thread_time() - start)
        if not more:
            break
        steps += 1
    assert steps > 8
    assert slowest < 0.1
    assert counts(path)["segments"] == 0
    writer.vanish()


def test_unused_titles_go_with_their_last_mention(path: Place) -> None:
    keep(path, now=T0 + 40 * DAY, keep_days=5)
    assert rows(path, "SELECT count(*) FROM tracks") == [(0,)]
    assert rows(path, "SELECT count(*) FROM runs") == [(0,)]
    assert rows(path, "SELECT count(*) FROM sessions") == [(0,)]


def test_the_whole_file_is_never_vacuumed() -> None:
    import streamgenre.history

    source = Path(streamgenre.history.__file__).parent
    for module in source.glob("*.py"):
        assert '"VACUUM' not in module.read_text()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"detail_days": -1}, "detail_days"),
        ({"keep_days": 0}, "keep_days"),
        ({"keep_days": float("nan")}, "keep_days"),
        ({"max_mb": 0}, "max_mb"),
        ({"flush_s": 0}, "flush_s"),
    ],
)
def test_invalid_limits_are_rejected(limits: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{message}.*expected"):
        HistorySettings(tmp_path / "h.sqlite3", **limits)
