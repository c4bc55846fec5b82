"""Places of histories: what holds for a file holds for a database."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.history.places import Place


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Place]:
    """Makes a place for a history: an empty one, or a copy of a file or a database."""

    def make(like: Place | None = None) -> Place:
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            return server.copy_of(like) if isinstance(like, Path) else server.database(like)
        file = tmp_path_factory.mktemp("kept") / "h.sqlite3"
        return file if like is None else Path(shutil.copy(str(like), file))

    return make


@pytest.fixture
def path(new_place: Callable[..., Place]) -> Place:
    """An empty place."""
    return new_place()
