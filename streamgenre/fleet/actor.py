"""The Ray actor around a worker. Nothing secret passes through Ray: it carries public keys."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import suppress
from typing import Any, Final

import zmq

import streamgenre
from streamgenre.fleet.link import ClusterLink
from streamgenre.system.quiet_libraries import quiet_libraries

_M_ARENA_MAX: Final = -8


class Worker:
    """One worker of a fleet, in a process of its own on a machine of the cluster."""

    def begin(self) -> dict[str, Any]:
        """Make a pair of keys; return the public one, and what this machine has."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        with suppress(AttributeError, OSError):
            # Few memory arenas: a decoder's thread would have one of its own.
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
        import ray

        self._pair = zmq.curve_keypair()
        return {
            "node_id": ray.get_runtime_context().get_node_id(),
            "key": self._pair[0],
            "version": streamgenre.__version__,
            "node": platform.node(),
            "pid": os.getpid(),
        }

    def work(self, endpoint: str, server_key: str) -> None:
        """Work for a daemon until it says stop, or is gone.

        Parameters
        ----------
        endpoint
            Where it listens.
        server_key
            Its public key in Z85.
        """
        from streamgenre.worker.serve import serve

        # What FFmpeg prints may name a stream with its password, and Ray would keep it.
        with quiet_libraries():
            serve(ClusterLink(endpoint, server_key, self._pair))
