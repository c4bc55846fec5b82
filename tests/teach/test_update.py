"""``teach --update``: learning from labelled clips, compared, swapped, and taken back."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.clips import new_clip
from support.commands import free_endpoint, start
from support.live import until
from support.small_disk import small_disk
from support.train_tones import GENRES, tone, write_wav
from support.train_tunes import RATE

from streamgenre.bus.control import request
from streamgenre.cli import main
from streamgenre.clips.adding import add
from streamgenre.clips.flac import to_int16
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore
from streamgenre.errors import InputError
from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.library.hearing import file_hash
from streamgenre.paths import cache_dir
from streamgenre.teach.lesson import read_lesson, write_lesson
from streamgenre.teach.versions import keep_version, only_update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = tuple(GENRES)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the data and the state of a user who has taught a model."""
    top = tmp_path_factory.mktemp("user")
    for g, (genre, hertz) in enumerate(GENRES.items()):
        for n in range(6):
            samples = tone(hertz, 3.2, seed=10 * g + n)
            write_wav(top / "music" / genre / f"{genre} band {n} - song.wav", samples)
    with pytest.MonkeyPatch.context() as patch:
        _live_in(patch, top)
        assert main(["teach", "mine", "--base", "lite", "--from", str(top / "music")]) == 0
    return top


def _live_in(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("CACHE", "DATA", "STATE", "CONFIG"):
        patch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))


@pytest.fixture
def user(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a user with a model, and no clips yet."""
    for part in ("cache", "data", "state"):
        shutil.copytree(taught / part, tmp_path / part)
    _live_in(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture
def store(user: Path) -> Iterator[ClipStore]:
    with closing(ClipStore(user / "state" / "streamgenre" / "clips", create=True)) as store:
        yield store


def label(store: ClipStore, sound: str, genre: str, count: int, first: int = 0) -> None:
    """Keep clips that sound like a genre, and label them."""
    for n in range(first, first + count):
        samples = tone(GENRES[sound], 4.0, seed=1000 + 50 * NAMES.index(sound) + n)
        new = new_clip(0.9, name=f"clip-{n}-{NAMES.index(sound):08x}.flac")
        facts = replace(new.facts, artist=f"radio {sound} {n}")
        audio = to_int16(samples.astype(np.float32))
        add(store, replace(new, facts=facts, samples=audio, rate=RATE), ClipSettings(seconds=4.0))
    for clip in store.clips():
        if clip.label is None:
            store.set_label(clip.id, genre)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["teach", *map(str, arguments), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {"error": said.err}


def sha() -> str:
    return read_manifest(find_model("mine")).sha256


def test_labels_are_learnt_and_taken_back(
    store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sha()
    for name in NAMES:
        label(store, name, name, 2)
    code, found = run(capsys, "--update")  # the only model needs no name
    assert (code, found["outcome"]) == (0, "updated"), found
    assert (found["recordings"], found["clips"], found["new_clips"]) == (18, 6, 6)
    assert found["right_after"] >= found["right_before"]
    assert set(found["genres"]) == set(NAMES)
    assert found["swapped"] is False
    assert "listen --model mine" in found["why"]
    after = sha()
    assert after != before
    taught = read_manifest(find_model("mine")).raw["taught"]
    assert (taught["updates"], taught["clips"]) == (1, 6)
    code, again = run(capsys, "--update", "mine")
    assert (code, again["outcome"]) == (3, "nothing new")
    assert sha() == after
    for expected in (before, after, before):
        assert run(capsys, "--rollback")[0] == 0
        assert sha() == expected
    assert len(read_lesson("mine").recordings) == 18
    # What it learns again is new again.
    assert run(capsys, "--update")[1]["new_clips"] == 6


def test_a_worse_model_is_not_written(store: ClipStore, capsys: pytest.CaptureFixture[str]) -> None:
    before = sha()
    for sound in NAMES[:2]:  # half of them the wrong way round
        label(store, sound, NAMES[0], 8)
        label(store, sound, NAMES[1], 8, first=8)
    code, found = run(capsys, "--update")
    assert (code, found["outcome"]) == (4, "worse")
    assert "points" in found["why"] or "right" in found["why"]
    assert sha() == before
    capsys.readouterr()
    assert main(["teach", "--rollback", "mine"]) == 1
    assert "no earlier version is kept" in capsys.readouterr().err


def test_too_few_labels_and_a_genre_with_too_few(
    store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    label(store, NAMES[0], NAMES[0], 3)
    label(store, NAMES[2], "polka", 3)
    code, found = run(capsys, "--update")
    assert (code, found.get("outcome")) == (3, "nothing new"), found
    assert "polka: 3 labels; a new genre needs 5" in found["why"]


def test_a_new_genre_deleted_and_damaged_clips_and_a_replaced_base(
    store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    for n in range(6):
        new = new_clip(0.9, name=f"clip-{n}-000000ff.flac", seed=n)
        noise = rng.normal(0, 3000, 4 * RATE).astype(np.int16)
        add(store, replace(new, samples=noise, rate=RATE), ClipSettings(seconds=4.0))
    for clip in store.clips():
        store.set_label(clip.id, "noise rock")
    label(store, NAMES[0], NAMES[0].upper(), 2)  # the same genre, written otherwise
    (store.folder / "clip-0-00000000.flac").unlink()
    label(store, NAMES[1], NAMES[1], 1)
    (store.folder / "clip-0-00000001.flac").write_bytes(b"damaged")
    write_lesson("mine", replace(read_lesson("mine"), graph_sha256="0" * 64))
    code, found = run(capsys, "--update", "--max-loss", "100")
    assert code == 0, found
    assert found["new_genres"] == ["noise rock"]
    assert find_model("mine")
    assert set(read_manifest(find_model("mine")).labels) == {*NAMES, "noise rock"}
    notes = "\n".join(found["notes"])
    assert "1 labelled clips are no longer there" in notes
    assert "clip-0-00000001.flac" in notes
    assert "the base model lite was replaced by another version" in notes


def test_a_running_daemon_takes_the_new_version(
    user: Path, store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    control = free_endpoint()
    config = user / "config.toml"
    config.write_text(
        f'model = "mine"\n[bus]\npublish = "{free_endpoint()}"\ncontrol = "{control}"\n'
        '[history]\nkeep = "none"\n[[station]]\nname = "a"\ninput = "demo"\n'
    )
    for name in NAMES:
        label(store, name, name, 2)
    with start("listen", "--config", config, "--json", stderr=None) as daemon:
        hashes: list[str] = []

        def read() -> None:
            assert daemon.stdout is not None
            for line in daemon.stdout:
                event = json.loads(line)
                if event["type"] == "status":
                    hashes.append(event["model_sha256"])

        threading.Thread(target=read, daemon=True).start()
        until(lambda: hashes)
        assert hashes[-1] == sha()
        code, found = run(capsys, "--update", "--config", config)
        assert code == 0, found
        assert found["swapped"] is True, found["why"]
        until(lambda: hashes[-1] == sha())
        code, found = run(capsys, "--rollback", "--config", config)
        assert found["swapped"] is True
        until(lambda: hashes[-1] == sha())
        assert request(control, {"request": "status"})["ok"]
        daemon.terminate()


def test_a_disk_that_is_full_changes_nothing(
    user: Path, store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NAMES:
        label(store, name, name, 2)
    before = sha()
    with small_disk(user / "disk", "40m") as disk, pytest.MonkeyPatch.context() as patch:
        for part in ("data", "state"):
            shutil.copytree(user / part, disk.folder / part)
            patch.setenv(f"XDG_{part.upper()}_HOME", str(disk.folder / part))
        disk.fill()
        capsys.readouterr()
        assert main(["teach", "--update", "mine"]) == 1
        said = capsys.readouterr().err
        assert "cannot be" in said
        assert "Traceback" not in said
        assert sha() == before
        disk.free()
        assert main(["teach", "--update", "mine"]) == 0
        assert sha() != before


def test_an_interrupted_exchange_of_versions_leaves_the_model_whole(user: Path) -> None:
    out = find_model("mine")
    before = sha()
    staged = user / "state" / "streamgenre" / "teach" / ".mine.staged"
    (staged / "model").mkdir(parents=True)
    (staged / "model" / "half").write_text("half")  # of a run that was killed
    with keep_version("mine", out):
        (out / "manifest.json").write_bytes((out / "manifest.json").read_bytes() + b" ")
    assert sha() == before
    kept = user / "state" / "streamgenre" / "teach" / "mine.previous"
    assert read_manifest(kept / "model").sha256 == before


def test_an_update_that_cannot_be_written_keeps_the_version_to_go_back_to(user: Path) -> None:
    out = find_model("mine")
    kept = user / "state" / "streamgenre" / "teach" / "mine.previous"
    (kept / "model").mkdir(parents=True)
    (kept / "model" / "older").write_text("older")
    with pytest.raises(OSError, match="full"), keep_version("mine", out):
        raise OSError("full")
    assert (kept / "model" / "older").exists()
    assert {path.name for path in kept.parent.iterdir()} == {"mine.json", "mine.previous"}


def test_an_update_that_is_killed_leaves_the_old_or_the_new_model(
    user: Path, store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed as soon as each of the files that it writes appears."""
    for name in NAMES:
        label(store, name, name, 2)
    before = sha()
    state = user / "state" / "streamgenre" / "teach"
    models = find_model("mine").parent
    marks = (
        (state, ".mine.lock"),
        (state, ".mine.staged"),
        (state, "mine.previous"),
        (models, ".mine.part-*"),
    )
    for folder, mark in marks:
        with start("teach", "--update", "mine") as process:
            until(lambda: [*folder.glob(mark)] or process.poll() is not None)  # noqa: B023
            process.kill()
        assert read_manifest(find_model("mine"))
        assert read_lesson("mine").recordings
    if sha() == before:
        assert run(capsys, "--update", "mine")[0] == 0
    assert sha() != before
    assert run(capsys, "--rollback", "mine")[0] == 0
    assert read_manifest(find_model("mine"))


def test_one_update_at_a_time(
    user: Path, store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    del user, store
    with only_update("mine"), pytest.raises(InputError, match="another run"), only_update("mine"):
        pass
    with only_update("mine"):
        assert main(["teach", "--update", "mine"]) == 1
    assert "another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--update", "nobody"), "no model of your own 'nobody'"),
        (("--update", "--replace"), "no further flags"),
        (("--update", "--max-loss", "-1"), "expected 0 to 100 points"),
        (("--update", "--max-loss", "nan"), "expected 0 to 100 points"),
    ],
)
def test_wrong_usage_is_explained(
    user: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    del user
    assert main(["teach", *arguments]) in (1, 2)
    assert words in capsys.readouterr().err


def test_forgetting_names_the_models_that_learnt_from_clips(
    store: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NAMES:
        label(store, name, name, 2)
    assert run(capsys, "--update")[0] == 0
    shas = [r.sha256 for r in read_lesson("mine").recordings if r.path.parent == store.folder]
    assert len(shas) == 6
    assert all(list(cache_dir().glob(f"teach/{each[:32]}-*")) for each in shas)
    store.close()
    capsys.readouterr()
    assert main(["label", "--folder", str(store.folder), "--forget-all"]) == 0
    assert "the model mine learnt from 6 clips" in capsys.readouterr().out
    assert len(read_lesson("mine").recordings) == 18
    assert not any(list(cache_dir().glob(f"teach/{each[:32]}-*")) for each in shas)
    assert main(["teach", "mine", "--again"]) == 0


def test_forgetting_leaves_no_trace_of_clips_that_were_heard_only(
    store: ClipStore, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not learnt after all, learnt and rolled back, and by another path to the folder."""
    heard = cache_dir() / "teach"
    before = set(heard.iterdir())
    for name in NAMES:
        label(store, name, name, 2)
    assert run(capsys, "--update")[0] == 0
    assert run(capsys, "--rollback")[0] == 0
    label(store, NAMES[0], NAMES[0], 1, first=10)
    kept = store.path(store.clips()[0])
    (heard / f"{file_hash(kept)[:32]}-of-an-interrupted-update.npz").write_bytes(b"")
    assert set(heard.iterdir()) > before
    store.close()
    (user / "link").symlink_to(store.folder)
    capsys.readouterr()
    assert main(["label", "--folder", str(user / "link"), "--forget-all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted_versions"] == ["mine"]
    assert set(heard.iterdir()) <= before
    assert all(each.path.parent != store.folder for each in read_lesson("mine").recordings)
    assert main(["teach", "--rollback"]) == 1
    assert "no earlier version" in capsys.readouterr().err
