"""The folder of the clips: limits, privacy, damage, and several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.clips import RATE, new_clip
from support.small_disk import small_disk

from streamgenre.clips.adding import add, expire, tidy
from streamgenre.clips.clip import NO_MUSIC
from streamgenre.clips.flac import decode, encode, to_int16
from streamgenre.clips.folder import INDEX
from streamgenre.clips.forgetting import forget_all
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore
from streamgenre.errors import ClipError, InputError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClipStore]:
    with closing(ClipStore(tmp_path / "clips", create=True)) as store:
        yield store


def limits(**more: float) -> ClipSettings:
    return ClipSettings(seconds=3.0, **more)  # type: ignore[arg-type]


def kept(store: ClipStore) -> list[float]:
    return sorted(clip.facts.uncertainty for clip in store.clips())


def files(store: ClipStore) -> set[str]:
    return {path.name for path in store.folder.glob("*.flac")}


def test_clips_are_private_lossless_and_come_back_as_they_were(store: ClipStore) -> None:
    new = new_clip()
    assert add(store, new, limits())
    (clip,) = store.clips()
    assert clip.facts == new.facts
    samples, rate = decode(store.path(clip))
    assert rate == RATE
    assert np.array_equal(to_int16(samples), new.samples)
    assert clip.bytes == store.path(clip).stat().st_size
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for path in store.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_surest_clips_are_deleted_first(store: ClipStore) -> None:
    few = limits(max_clips=3)
    for uncertainty in (0.6, 0.9, 0.5, 0.8, 0.7):
        add(store, new_clip(uncertainty), few)
    assert kept(store) == [0.7, 0.8, 0.9]
    assert not add(store, new_clip(0.65), few)
    assert files(store) == {clip.name for clip in store.clips()}


def test_the_size_is_limited_too(store: ClipStore) -> None:
    size = len(encode(new_clip().samples, RATE))
    room = limits(max_mb=max(1.0, 2.5 * size / 1e6))
    many = int(1e6 * room.max_mb // size)
    for i in range(many + 4):
        add(store, new_clip(0.5 + i / 100, seed=i), room)
    assert len(kept(store)) == many
    assert sum(path.stat().st_size for path in store.folder.glob("*.flac")) <= 1e6 * room.max_mb


def test_labelled_clips_stay_and_old_ones_go(store: ClipStore) -> None:
    now = time.time()
    old, no_music, labelled = (
        new_clip(0.5 + i / 10, start=now - 40 * DAY_S, seed=i) for i in range(3)
    )
    for clip in (old, no_music, labelled):
        add(store, clip, limits(), now=now - 39 * DAY_S)
    by_name = {clip.name: clip.id for clip in store.clips()}
    store.set_label(by_name[labelled.name], "jazz")
    store.set_label(by_name[no_music.name], NO_MUSIC)
    assert expire(store, 30, now) == 2
    assert files(store) == {labelled.name}
    # Nothing can be deleted for a new one when all others have labels.
    assert not add(store, new_clip(1.0, seed=9), limits(max_clips=1))


def test_a_clip_takes_the_place_of_a_surer_one(store: ClipStore) -> None:
    add(store, new_clip(0.6, name="a.flac"), limits())
    add(store, new_clip(0.7, name="b.flac", replaces="a.flac"), limits())
    assert files(store) == {"b.flac"}
    store.set_label(store.clips()[0].id, "rock")
    add(store, new_clip(0.8, name="c.flac", replaces="b.flac"), limits())
    assert files(store) == {"b.flac", "c.flac"}  # the label of the first is not lost


def test_a_label_is_given_once_and_can_be_removed(store: ClipStore) -> None:
    add(store, new_clip(), limits())
    (clip,) = store.clips()
    assert store.set_label(clip.id, "jazz")
    assert not store.set_label(clip.id, "rock")
    assert store.genres() == ["jazz"]
    assert store.unlabelled() is None
    assert store.remove_label(clip.id)
    assert store.unlabelled() == clip
    assert not store.set_label(clip.id + 1, "jazz")


def _add_some(folder: Path, first: int) -> None:
    with closing(ClipStore(folder, create=True)) as store:
        for i in range(first, first + 10):
            add(store, new_clip(0.5 + i / 100, seed=i), limits(max_clips=8))


def test_several_processes_keep_the_limits_together(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_some, args=(folder, 10 * i)) for i in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with closing(ClipStore(folder)) as store:
        assert kept(store) == pytest.approx([0.5 + i / 100 for i in range(22, 30)])
        assert files(store) == {clip.name for clip in store.clips()}


def test_forgetting_leaves_no_audio_and_no_text(store: ClipStore) -> None:
    add(store, new_clip(0.7, name="a.flac", station="the-secret-station"), limits())
    add(store, new_clip(0.8, name="b.flac"), limits())
    store.set_label(store.clips()[0].id, "jazz")
    for name in ("clip-1-00000000.part", "clip-1-00000001.flac", "mine.flac"):
        (store.folder / name).write_bytes(b"half a clip")
    clips, labels, size = forget_all(store.folder)
    assert (clips, labels) == (2, 1)
    assert size > 0
    assert {path.name for path in store.folder.iterdir()} == {INDEX, "mine.flac"}
    assert b"secret" not in (store.folder / INDEX).read_bytes()


@pytest.mark.parametrize("damage", ["missing", "noise", "cut"])
def test_forgetting_needs_no_index(tmp_path: Path, damage: str) -> None:
    with closing(ClipStore(tmp_path / "clips", create=True)) as store:
        for i in range(3):
            add(store, new_clip(0.7 + i / 10, name=f"clip-1-0000000{i}.flac"), limits())
    index = tmp_path / "clips" / INDEX
    data = index.read_bytes()
    if damage == "missing":
        index.unlink()
    else:
        cut = data[: len(data) // 2]
        index.write_bytes(b"not a database" * 500 if damage == "noise" else cut)
    assert forget_all(index.parent).clips == 3
    assert {path.name for path in index.parent.iterdir()} <= {INDEX}
    assert forget_all(index.parent).clips == 0


def test_what_a_killed_process_left_is_deleted_and_nothing_of_the_user(store: ClipStore) -> None:
    """Somebody may name the folder of a music collection."""
    old = {"clip-1700000000-0123abcd.flac", "clip-1700000000-0123abcd.part"}
    others = {
        "clip-1700000000-0123abce.part",
        "01 song.flac",
        "song.part",
        "1700000000-0123abcd.flac",
    }
    for name in old | others:
        (store.folder / name).write_bytes(b"x")
        os.utime(store.folder / name, (0, 0))
    os.utime(store.folder / "clip-1700000000-0123abce.part")
    ClipStore(store.folder).close()
    assert {path.name for path in store.folder.iterdir()} == {INDEX, *others}


def test_limits_that_are_lowered_hold_at_once(store: ClipStore) -> None:
    for i in range(6):
        add(store, new_clip(0.4 + i / 10, seed=i), limits())
    store.set_label(next(c.id for c in store.clips() if c.facts.uncertainty == 0.4), "jazz")
    # A clip that is surer than all others is not kept, but the limits hold all the same.
    assert not add(store, new_clip(0.3), limits(max_clips=3))
    assert kept(store) == [0.4, 0.8, 0.9]
    tidy(store, limits(max_clips=1))
    assert kept(store) == [0.4]
    assert files(store) == {clip.name for clip in store.clips()}


def test_old_clips_go_even_if_no_new_one_is_kept(store: ClipStore) -> None:
    now = time.time()
    add(store, new_clip(0.5, start=now - 20 * DAY_S), limits(), now - 20 * DAY_S)
    add(store, new_clip(0.9), limits())
    assert kept(store) == [0.5, 0.9]
    tight = limits(max_clips=1, keep_days=10)
    assert not add(store, new_clip(0.4), tight)
    assert kept(store) == [0.9]


def test_a_clock_that_was_wrong_keeps_nothing_for_years(store: ClipStore) -> None:
    now = time.time()
    add(store, new_clip(0.9, start=now + 4000 * DAY_S), limits(), now + 4000 * DAY_S)
    add(store, new_clip(0.8, start=now), limits(), now + 4000 * DAY_S)
    assert expire(store, 30, 1000.0) == 0  # a clock that has not been set yet
    assert expire(store, 30, now) == 1
    assert kept(store) == [0.8]


def test_a_folder_is_private_or_refused(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        with closing(ClipStore(tmp_path / "new", create=True)) as store:
            add(store, new_clip(), limits())
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()} == {0o600}
    store.folder.chmod(0o755)
    ClipStore(store.folder, create=True).close()
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    shared = tmp_path / "music"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    (shared / "song.flac").write_bytes(b"x")
    with pytest.raises(ClipError, match=r"other users may read it.*\[clips\]"):
        ClipStore(shared, create=True)
    assert {path.name for path in shared.iterdir()} == {"song.flac"}
    with pytest.raises(ClipError, match="expected a folder, found a file"):
        ClipStore(shared / "song.flac", create=True)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "missing", "folder"])
def test_a_damaged_clip_is_explained(store: ClipStore, damage: str) -> None:
    add(store, new_clip(), limits())
    path = store.path(store.clips()[0])
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"cut": data[:30], "noise": bytes(5000), "empty": b""}[damage])
    with pytest.raises(InputError, match="deleted meanwhile" if damage == "missing" else "damaged"):
        decode(path)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"other"])
def test_an_index_that_is_none_is_refused_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / INDEX
    if content == b"other":
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE songs (name TEXT)")
            other.execute("PRAGMA user_version = 7")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ClipError, match=INDEX):
        ClipStore(tmp_path)
    assert path.read_bytes() == before


def test_no_clips_yet_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"no clips yet.*--keep-uncertain"):
        ClipStore(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        closing(ClipStore(disk.folder / "clips", create=True)) as store,
    ):
        add(store, new_clip(0.7), limits())
        disk.fill()
        with pytest.raises(ClipError, match=r"space|full"):
            add(store, new_clip(0.8), limits())
        assert kept(store) == [0.7]
        disk.free()
        assert add(store, new_clip(0.8), limits())
        assert kept(store) == [0.7, 0.8]
        assert files(store) == {clip.name for clip in store.clips()}


@pytest.mark.parametrize("seconds", [0.5, 2.9, 61, -1, float("nan"), float("inf")])
def test_a_length_out_of_range_is_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="3 to 60 seconds, or 0"):
        ClipSettings(seconds=seconds)
