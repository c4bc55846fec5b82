"""Programs that tests need."""

from __future__ import annotations

import os
import shutil

import pytest


def require_programs(*programs: str) -> None:
    """Skip the test if a program is missing; fail if STREAMGENRE_TEST_ALL is set."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("STREAMGENRE_TEST_ALL"):
        pytest.fail(f"missing: {', '.join(missing)}; `make test` installs what tests need")
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (`make test` installs them)")
