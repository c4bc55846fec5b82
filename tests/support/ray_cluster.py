"""A Ray cluster of several nodes on this machine."""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def ray_cluster(nodes: int = 3) -> Iterator[Any]:
    """Run nodes with one CPU each; the first is the head, and ``others`` has the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        ray: Any = importlib.import_module("ray")
        from ray.cluster_utils import Cluster

        made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        try:
            made.others = [made.add_node(num_cpus=1) for _ in range(nodes - 1)]
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
