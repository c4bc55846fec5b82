"""Files are heard on the machines of a real Ray cluster, and none is lost with a machine."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet
from support.audio import music, write_wav
from support.commands import streamgenre
from support.ray_cluster import ray_cluster

from streamgenre.library.classify import Library
from streamgenre.library.finding import Finder
from streamgenre.library.results import FileResult
from streamgenre.library.tables import ParquetShards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(30):
        write_wav(folder / f"{number}.wav", music(4, seed=number % 5))
    (folder / "empty.mp3").touch()
    return folder


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Three nodes with one core each."""
    with ray_cluster() as made:
        yield made


def test_a_machine_that_is_lost_loses_no_file_and_doubles_none(
    cluster: Any, songs: Path, tmp_path: Path
) -> None:
    library = Library(model="lite", cached=False, cluster=cluster.address, jobs=3)
    found: list[FileResult] = []
    with ParquetShards(tmp_path / "shards", rows=7) as shards:
        for result in library.results(Finder([songs]).files()):
            found.append(result)
            shards.write(result)
            if len(found) == 5:
                cluster.remove_node(cluster.others[0], allow_graceful=False)
    names = Counter(result.path.name for result in found)
    assert set(names.values()) == {1}
    assert len(names) == 31
    assert [r.path.name for r in found if r.problem is not None] == ["empty.mp3"]
    rows = parquet.read_table(tmp_path / "shards").to_pylist()
    assert Counter(row["uri"] for row in rows) == Counter(result.uri for result in found)
    assert len(list((tmp_path / "shards").iterdir())) == 5


def test_a_cluster_on_this_machine_gives_the_results_of_processes(
    songs: Path, tmp_path: Path
) -> None:
    urls = [(songs / f"{number}.wav").as_uri() for number in range(3)]
    options = ("--model", "lite", "--no-cache", "--json", "--parquet", f"{tmp_path}/shards/")
    done = streamgenre(
        "classify", *urls, *options, "--cluster", "local", "--jobs", "1", timeout=300
    )
    assert done.returncode == 0, done.stderr
    there = {each["uri"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert set(there) == set(urls)
    files = [songs / f"{number}.wav" for number in range(3)]
    here = streamgenre("classify", *files, "--model", "lite", "--json")
    for line in here.stdout.splitlines():
        result = json.loads(line)
        for name in ("probabilities", "segments", "sha256", "loudness_lufs"):
            assert there[result["uri"]][name] == result[name]
    again = streamgenre("classify", *files, *options)
    assert again.stdout == "", "their rows are there already"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s3://bucket/a.mp3"], "add --cluster"),
        (["file:///nonexistent", "--cluster", "local", "--sort-into", "/tmp/x"], "only listed"),
    ],
)
def test_what_does_not_fit_a_cluster_is_refused_in_words(
    arguments: list[str], message: str
) -> None:
    done = streamgenre("classify", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_shards_have_one_row_a_file_over_several_runs(tmp_path: Path) -> None:
    results = [FileResult(path=tmp_path / f"{n}.wav", problem="x") for n in range(5)]
    for part in (results[:3], results):
        with ParquetShards(tmp_path / "s", rows=2) as shards:
            for result in part:
                shards.write(result)
    rows = parquet.read_table(tmp_path / "s").to_pylist()
    assert sorted(row["path"] for row in rows) == [str(result.path) for result in results]
