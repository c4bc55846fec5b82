"""Free music is fetched from a real repository of packages, made here, and credited."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.requirements import require_programs

from train.cli import main
from train.corpora.attribution import UNSTATED, UNSTRUCTURED, Credit, credits_of
from train.corpora.free_music import HELD_OUT, HELD_OUT_SOUNDS, ROLES, packages_of, read_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001, The Team
License: GPL-2+

Files: base/music/jig.wav
Copyright: 2009, Ann *Fiddler*
License: CC-BY-3.0

Files: sounds/*.wav
Copyright: 2010, Bob
License: public-domain

License: CC-BY-3.0
 text

License: GPL-2+
 text

License: public-domain
 text
"""
TABLE = """\
package,path,seconds,role
tune-data,usr/share/games/tune/music/reel.wav,60,music
tune-data,UNZ_pack.pk3/music/jig.wav,30.5,music
tune-data,usr/share/games/tune/music/gone.wav,3,music
tune-data,usr/share/games/tune/rain.wav,20,ambience
other-data,usr/share/other.wav,10,music
"""


def build(folder: Path, package: str, files: Mapping[str, bytes], version: str) -> Path:
    """Build a package and return its file."""
    root = folder / f"{package}-root"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.c>\n"
        f"Homepage: https://tune.example\nDescription: tunes\n"
    )
    deb = folder / f"repository/{package}_{version}_all.deb"
    deb.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--build", root, deb], check=True, capture_output=True)
    return deb


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An apt repository with two packages, the only one that apt knows."""
    require_programs("apt-get", "dpkg-deb")
    folder = tmp_path_factory.mktemp("apt")
    pack = folder / "pack.pk3"
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("music/jig.wav", b"jig")
        archive.writestr("readme.txt", b"text")
    debs = [
        build(
            folder,
            "tune-data",
            {
                "usr/share/games/tune/music/reel.wav": b"reel",
                "usr/share/games/tune/pack.pk3": pack.read_bytes(),
                "usr/share/games/tune/rain.wav": b"rain",
                "usr/share/games/tune/sounds/ping.wav": b"ping",
                "usr/share/games/tune/sounds/long.wav": bytes(2_000_001),
                "usr/share/games/tune/picture.png": b"png",
                "usr/share/doc/tune-data/copyright": COPYRIGHT.encode(),
            },
            "1.5-2",
        ),
        build(folder, "other-data", {"usr/share/other.wav": b"other"}, "7"),
    ]
    index = "".join(
        subprocess.run(
            ["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True
        ).stdout
        + f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\n"
        + f"SHA256: {hashlib.sha256(deb.read_bytes()).hexdigest()}\n\n"
        for deb in debs
    )
    (folder / "repository/Packages.gz").write_bytes(gzip.compress(index.encode()))
    (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder}/repository ./\n")
    (folder / "state/lists/partial").mkdir(parents=True)
    (folder / "cache/archives/partial").mkdir(parents=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\nAPT::Sandbox::User "root";\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APT_CONFIG", str(folder / "apt.conf"))
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)
        yield folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def fetched(folder: Path) -> dict[str, bytes]:
    """Return the audio in a folder by role and package."""
    return {
        path.relative_to(folder).as_posix().rpartition("-")[0]: path.read_bytes()
        for role in ROLES
        for path in sorted((folder / role).rglob("*.*"))
    }


def test_tracks_in_packages_and_their_archives_are_fetched_by_role(
    repository: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "free"
    arguments = ["--table", str(table), "--folder", str(folder)]
    assert main(["music", "fetch", *arguments, "--role", "music", "--json"]) == 0
    shown = capsys.readouterr()
    rows = {row["package"]: row for row in json.loads(shown.out)["packages"]}
    assert fetched(folder) == {
        "music/other-data/other": b"other",
        "music/tune-data/UNZ_pack.pk3__music__jig": b"jig",
        "music/tune-data/games__tune__music__reel": b"reel",
    }
    assert rows["tune-data"]["missing"] == ["usr/share/games/tune/music/gone.wav"]
    assert "lacks usr/share/games/tune/music/gone.wav" in shown.err
    assert rows["tune-data"]["licences"] == ["CC-BY-3.0", "GPL-2+"]
    credits_file = (folder / "ATTRIBUTION.md").read_text()
    assert "## tune-data 1.5-2, https://tune.example" in credits_file
    assert "- CC-BY-3.0: 2009, Ann \\*Fiddler\\*" in credits_file
    assert f"## other-data 7, https://tune.example\n\n- {UNSTATED}" in credits_file

    assert main(["music", "fetch", *arguments, "--package", "tune-data"]) == 0
    here = fetched(folder)
    assert here["ambience/tune-data/games__tune__rain"] == b"rain"
    assert here["effects/tune-data/games__tune__sounds__ping"] == b"ping"
    assert len(here) == 5, "what was there stays; a long sound and a picture are left out"


def test_a_package_that_is_complete_is_not_downloaded_again(
    repository: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "free"
    arguments = ["--table", str(table), "--folder", str(folder), "--quiet"]
    assert main(["music", "fetch", *arguments, "--package", "tune-data"]) == 0
    jig = next((folder / "music/tune-data").glob("*jig*"))
    monkeypatch.setenv("APT_CONFIG", "/dev/null")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for tool in ("apt-get", "dpkg-deb"):  # any use of them would fail
        (tmp_path / "bin" / tool).write_text("#!/bin/false\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    assert main(["music", "fetch", *arguments, "--package", "tune-data"]) == 0
    jig.unlink()
    assert main(["music", "fetch", *arguments, "--package", "tune-data"]) == 1


def test_one_package_that_fails_does_not_keep_back_the_others(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE.replace("other-data", "absent-data"))
    arguments = ["--table", str(table), "--folder", str(tmp_path / "free"), "--role", "music"]
    assert main(["music", "fetch", *arguments]) == 1
    error = capsys.readouterr().err
    assert "error: absent-data: apt-get cannot download it (Unable to locate package" in error
    assert "apt-get update" in error
    assert len(fetched(tmp_path / "free")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--package", "marsshooter-data"], "never trained on"),
        (["--package", "no-such-data"], "has nothing of these roles"),
        (["--table", "/nonexistent.csv"], "cannot be read as CSV"),
    ],
)
def test_wrong_arguments_are_refused_in_words(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["music", "list", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("row", ["a,b,long,music", "a,b,nan,music", "a,b,3,song", ",b,3,music"])
def test_a_row_that_is_not_valid_is_named(
    row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text(f"package,path,seconds,role\n{row}\n")
    assert main(["music", "list", "--table", str(tmp_path / "t.csv")]) == 1
    assert "t.csv, line 2: expected a package" in capsys.readouterr().err


def test_the_shipped_list_holds_back_what_measures_finished_models() -> None:
    tracks = read_tracks()
    assert sum(track.seconds for track in tracks if track.role == "music") > 35 * 3600
    assert not {track.package for track in tracks} & HELD_OUT
    assert all(t.role == "music" for t in tracks if t.package in HELD_OUT_SOUNDS)
    assert "fillets-ng-data-nl" in packages_of(tracks, frozenset({"speech"}))
    assert not HELD_OUT_SOUNDS & set(packages_of(tracks, frozenset({"effects"})))


def test_the_longest_end_of_a_pattern_decides_on_the_licence(tmp_path: Path) -> None:
    path = tmp_path / "copyright"
    path.write_text(COPYRIGHT)
    jig, bob = Credit("CC-BY-3.0", "2009, Ann *Fiddler*"), Credit("public-domain", "2010, Bob")
    team = Credit("GPL-2+", "2001, The Team")
    assert credits_of(path, ["UNZ_pack.pk3/music/jig.wav"]) == [jig]
    assert credits_of(path, ["usr/share/games/tune/sounds/deep/er.wav"]) == [bob]
    assert credits_of(path, ["usr/share/tune/music/reel.wav"]) == [team]
    path.write_text("This package was made by somebody in 1999.\n")
    assert credits_of(path, ["x.wav"]) == [Credit(UNSTRUCTURED, "")]
