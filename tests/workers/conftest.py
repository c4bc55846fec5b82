"""A radio server that all tests of workers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.paced_radio import paced_radio

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def radio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with paced_radio(tmp_path_factory.mktemp("radio"), seconds=20) as url:
        yield url
