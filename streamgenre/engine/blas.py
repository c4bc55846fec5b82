"""One BLAS thread while the engine runs.

The products of one hop are too small to share out: a second OpenBLAS thread brings nothing, but
spins for some 20 ms after each product. With the larger models this doubles the CPU time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit NumPy's BLAS to one thread in this process, until the context ends.

    Nothing is limited where threadpoolctl is not installed: the engine works as well, but may use
    twice the CPU time unless ``OPENBLAS_NUM_THREADS=1`` was set before NumPy was imported.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits
