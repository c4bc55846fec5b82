"""An archive from anybody ends in words: nothing is written elsewhere, and no more than a model."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.hostile_models import write_hostile
from support.taught_models import write_taught_model

from streamgenre.errors import ModelError
from streamgenre.inference.model_archive import export_model, import_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a taught model."""
    folder = write_taught_model(tmp_path_factory.mktemp("taught") / "mine")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def archive(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for header, content in members:
            if header.isreg():
                header.size = header.size or len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def ordinary(files: dict[str, bytes], folder: str = "mine/") -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(folder + name), content) for name, content in files.items()]


def refused(path: Path) -> str:
    """Import an archive that is refused; return the message. Nothing may be left."""
    into = path.parent / "own"
    with pytest.raises(ModelError) as caught:
        import_model(path, into)
    assert str(path) in str(caught.value)
    assert not into.exists() or list(into.iterdir()) == []
    assert {each.name for each in path.parent.iterdir()} <= {path.name, "own", "base", "elsewhere"}
    return str(caught.value)


def special(kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo("mine/head.f32")
    header.type, header.linkname = kind, target
    return header, b""


LINKS: Final = {
    "symbolic link": special(tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": special(tarfile.LNKTYPE, "mine/model.onnx"),
    "device": special(tarfile.CHRTYPE),
    "block device": special(tarfile.BLKTYPE),
    "FIFO": special(tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("kind", LINKS)
def test_only_regular_files_are_taken(tmp_path: Path, files: dict[str, bytes], kind: str) -> None:
    rest = {name: content for name, content in files.items() if name != "head.f32"}
    path = archive(tmp_path / "a.tar", [*ordinary(rest), LINKS[kind]])
    assert "expected regular files" in refused(path)


@pytest.mark.parametrize(
    "name",
    ["../manifest.json", "/etc/manifest.json", "mine/../../manifest.json", "a/b/manifest.json",
     "mine/../manifest.json"],
)  # fmt: skip
def test_no_name_leads_elsewhere(tmp_path: Path, files: dict[str, bytes], name: str) -> None:
    assert "leads elsewhere" in refused(
        archive(tmp_path / "a.tar", [(tarfile.TarInfo(name), files["manifest.json"])])
    )


def test_other_files_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Such as code, a second manifest, and more than one model."""
    for more, words in (
        ({"mine/__init__.py": b"print()"}, "unexpected file 'mine/__init__.py'"),
        ({"mine/weights.pkl": b""}, "unexpected file"),
        ({"mine/manifest.json": b"{}"}, "once each"),
        ({"other/README.md": b""}, "several folders"),
    ):
        extra = [(tarfile.TarInfo(name), content) for name, content in more.items()]
        assert words in refused(archive(tmp_path / "a.tar", [*ordinary(files), *extra]))
    many = [(tarfile.TarInfo(f"mine/{number}/"), b"") for number in range(40)]
    for header, _ in many:
        header.type = tarfile.DIRTYPE
    assert "more than 16 files" in refused(archive(tmp_path / "a.tar", [*many, *ordinary(files)]))


def test_what_is_missing_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, words in (
        ("manifest.json", "no manifest.json in it"),
        ("model.onnx", "no model.onnx in it"),
        ("head.f32", "do not belong together"),
    ):
        rest = {each: content for each, content in files.items() if each != name}
        assert words in refused(archive(tmp_path / "a.tar", ordinary(rest)))
    assert "no manifest.json in it" in refused(archive(tmp_path / "a.tar", []))


def test_bombs_are_refused_before_they_are_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(bytes(20_000_000)))
    assert "compressed" in refused(path)
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    assert "too large for a model" in refused(path)
    # A header that promises more than follows, and a sparse file of 64 MB in two blocks.
    large = tarfile.TarInfo("mine/manifest.json")
    large.size = 900_000
    path.write_bytes(large.tobuf() + b"{}")
    assert "not a whole tar file" in refused(path)
    large.size = 80_000_000_000
    path.write_bytes(large.tobuf(tarfile.GNU_FORMAT) + b"{}" + bytes(1022))
    assert "bytes" in refused(path)
    large.size, large.type = 0, tarfile.GNUTYPE_SPARSE
    path.write_bytes(large.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert refused(path)


def test_the_model_is_checked_as_any_model_folder(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, change, words in (
        ("head.f32", lambda content: content[:-1] + b"!", "head.f32: SHA-256 is"),
        ("model.onnx", lambda content: content[:-1] + b"!", "model.onnx: SHA-256 is"),
        ("manifest.json", lambda content: content[:-9], "manifest.json: not valid JSON"),
        ("manifest.json", _renamed("../../etc"), "give another one with --as NAME"),
        ("manifest.json", _renamed("lstm"), "the name of a shipped model"),
        ("manifest.json", _renamed("\x1b[2J"), "expected printable text"),
    ):
        changed = files | {name: change(files[name])}
        assert words in refused(archive(tmp_path / "a.tar", ordinary(changed)))


def _renamed(name: str) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | {"name": name}).encode()


def test_a_graph_that_wants_too_much_is_not_installed(tmp_path: Path) -> None:
    folder = write_hostile(tmp_path / "base", "expand")
    inside = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert "memory" in refused(archive(tmp_path / "a.tar", ordinary(inside)))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert "this is a directory" in refused(tmp_path / "elsewhere")
    assert "No such file" in refused(tmp_path / "none.tar")


@pytest.fixture(scope="module")
def whole(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole") / "mine"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with io.BytesIO() as file:
        export_model(folder, "mine", file)
        return file.getvalue()


@examples(30)
@given(seed=st.integers(0, 2**32))
def test_damaged_archives_always_end_in_words(
    seed: int, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    damaged = bytearray(whole)
    headers = [at for at in range(0, len(whole), 512) if whole[at : at + 5] == b"mine/"]
    for _ in range(rng.randint(1, 4)):
        damaged[rng.choice(headers) + rng.randrange(512)] = rng.randrange(256)
    if rng.random() < 0.3:
        del damaged[rng.randrange(len(damaged)) :]
    path = tmp_path_factory.mktemp("damaged") / "a.tar"
    path.write_bytes(damaged)
    try:
        import_model(path, path.parent / "own")
    except ModelError as error:
        assert str(path) in str(error)  # noqa: PT017 - most of them, not all, are refused
