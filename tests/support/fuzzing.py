"""How long property tests and fuzzers look: the same examples in every run, or longer by a flag.

``make test`` draws the same examples each time, so that no verdict depends on luck.
``pytest --fuzz N`` draws N times as many, different ones in each run; what it finds becomes a fixed
example (``@example``) beside the fix.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

_factor = 0


def configure(factor: int) -> None:
    """Set the profile of all property tests, before any test is imported.

    Parameters
    ----------
    factor
        How many times as many examples as usual; 0 for the usual ones, the same in every run.
    """
    global _factor
    _factor = factor
    # Machines are shared: the duration of an example means nothing.
    settings.register_profile(
        "streamgenre",
        deadline=None,
        derandomize=factor == 0,
        database=None,
        max_examples=100 * max(1, factor),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.load_profile("streamgenre")


def examples(count: int, **more: Any) -> settings:
    """Return the settings of a property test that usually draws ``count`` examples.

    Parameters
    ----------
    count
        Examples in ``make test``; ``--fuzz N`` draws N times as many.
    more
        Further settings of hypothesis.
    """
    return settings(max_examples=count * max(1, _factor), **more)
