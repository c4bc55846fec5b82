"""One BLAS thread while the engine runs.

The products of one hop are too small to share out: a second OpenBLAS thread brings nothing, but
spins for some 20 ms after each product. With the larger models this doubles the CPU time. The
command avoids it with ``OPENBLAS_NUM_THREADS=1``; a program that imports the engine may have loaded
NumPy already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit NumPy's BLAS to one thread in this process, until the context ends."""
    limits: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limits


_controller = lru_cache(maxsize=1)(ThreadpoolController)  # it looks at every loaded library
