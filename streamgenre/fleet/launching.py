"""Starts the workers of a daemon on a Ray cluster."""

from __future__ import annotations

import re
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

import streamgenre
from streamgenre.ending import has_ended
from streamgenre.fleet.actor import Worker
from streamgenre.fleet.hub import FleetHub
from streamgenre.fleet.machines import Machines
from streamgenre.logger import get_logger
from streamgenre.system.cluster import LOCAL, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.fleet.hub import ClusterDaemonLink
    from streamgenre.supervisor.launching import Handle
    from streamgenre.worker.link import DaemonLink

_LOOK_S: Final = 0.5
"""Seconds between two looks at the machines of the cluster."""
_LEAVE_S: Final = 10.0
"""Seconds that the cluster has for its last answer."""
_NODE_GONE: Final = re.compile(
    r"node (?:has died|was terminated|is dead|is terminated)|dead node", re.I
)

_log = get_logger(__name__)


class ClusterHandle:
    """A worker on a machine of the cluster.

    Parameters
    ----------
    launcher
        What started it.
    name
        Its name.
    link
        The daemon's end of its link.
    """

    def __init__(self, launcher: ClusterLauncher, name: str, link: ClusterDaemonLink) -> None:
        self.name = name
        self.actor: Any = None
        """Its Ray actor."""
        self.extra = False
        """Whether it has no CPU of its own, because there was none."""
        self.link: DaemonLink = link
        self.ours = link
        """The same, with what the launcher needs of it."""
        self.pid: int | None = None
        self.node: str | None = None
        self.node_id: str | None = None
        """Ray's identifier of the machine that it was meant for, then of the one that it is on."""
        self.innocent = False
        self.how = ""
        """In words how it ended; empty while it works."""
        self._launcher = launcher

    def rss_bytes(self) -> int | None:
        """See :meth:`streamgenre.supervisor.launching.Handle.rss_bytes`."""
        return None

    def end(self) -> str:
        """See :meth:`streamgenre.supervisor.launching.Handle.end`."""
        self._launcher.end(self)
        self.ours.finish()
        return self.how or "was ended"


class ClusterLauncher:
    """Starts workers as Ray actors; use it as a context manager.

    A worker takes CPUs of a machine. Ray restarts it elsewhere when its process or its machine is
    lost (``max_restarts``); it then gets its stations again over a new link. Where no CPU is free
    for that, another one is started beside the workers of the machines that are left.

    Parameters
    ----------
    address
        Address of the cluster, such as ``auto`` or ``HOST:6379``; ``local`` starts one here.
    link
        Endpoint at which the workers reach this machine; None for its address in the cluster, at
        any port.
    cpus
        CPUs that one worker takes, greater than 0.
    most
        Returns the largest number of workers that is of use.

    Raises
    ------
    SettingsError
        On entering, if the cluster cannot be reached.
    """

    def __init__(
        self,
        address: str,
        *,
        link: str | None = None,
        cpus: float = 1.0,
        most: Callable[[], int] = lambda: 1 << 20,
    ) -> None:
        self._address = address
        self._link = link
        self._cpus = cpus
        self._most = most
        self._machines = Machines(cpus)
        self._last: dict[str, ClusterHandle] = {}  # of workers that have ended, by their name
        self._beginning: dict[Any, ClusterHandle] = {}
        self._working: dict[Any, ClusterHandle] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._ray: Any = import_module("ray")
        connect(self._address)
        self._hub = FleetHub(self._link or self._own_endpoint())
        try:
            self._hub.__enter__()
        except BaseException:
            self._ray.shutdown()
            raise
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        has_ended(self._thread, _LEAVE_S)
        for handle in (*self._beginning.values(), *self._working.values(), *self._last.values()):
            self._kill(handle.actor)
        self._hub.__exit__()
        self._ray.shutdown()

    def _own_endpoint(self) -> str:
        if self._address == LOCAL:
            return "tcp://127.0.0.1:*"
        host: str = self._ray.util.get_node_ip_address()
        return f"tcp://[{host}]:*" if ":" in host else f"tcp://{host}:*"

    # ---- what the supervisor calls ---------------------------------------------------------------

    def start(self, name: str) -> Handle:
        """See :meth:`streamgenre.supervisor.launching.Launcher.start`."""
        with self._lock:
            before = self._last.pop(name, None)
            handle = ClusterHandle(self, name, self._hub.link())
            if before is not None and not self._machines.is_avoided(before.node_id):
                # Ray has restarted it, or does so now.
                handle.actor, handle.node_id, handle.extra = (
                    *(before.actor, before.node_id, before.extra),
                )
                self._begin(handle)
            else:
                self._place(handle)
        return handle

    def _place(self, handle: ClusterHandle) -> None:
        """Start a new actor for a worker, on the machine with most room."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if handle.actor is not None:
            self._kill(handle.actor)
        node, room = self._machines.emptiest(self._places())
        handle.node_id, handle.extra = node, not room
        handle.actor = self._ray.remote(
            num_cpus=self._cpus if room else 0,
            max_restarts=-1,
            max_task_retries=0,
            scheduling_strategy="SPREAD"
            if node is None
            else NodeAffinitySchedulingStrategy(node, soft=True),
        )(Worker).remote()
        self._begin(handle)

    def _begin(self, handle: ClusterHandle) -> None:
        self._beginning[handle.actor.begin.remote()] = handle

    def _places(self) -> list[str | None]:
        return [each.node_id for each in (*self._beginning.values(), *self._working.values())]

    def capacity(self) -> int | None:
        """See :meth:`streamgenre.supervisor.launching.Launcher.capacity`."""
        return max(1, min(self._machines.workers, self._most()))

    def end(self, handle: ClusterHandle) -> None:
        """Make sure that a worker has ended: its process is killed unless it is gone already."""
        with self._lock:
            if self._drop(handle):
                # It gave no sign of life, or was too large: another machine is a better place.
                self._machines.avoid(handle.node_id)
                self._kill(handle.actor)
            elif handle.how == _DONE or handle.extra:
                self._kill(handle.actor)
            else:
                self._last[handle.name] = handle

    def _drop(self, handle: ClusterHandle) -> bool:
        """Forget a worker that begins or works; return whether it did."""
        both = self._beginning, self._working
        found = [(d, key) for d in both for key, each in d.items() if each is handle]
        for where, key in found:
            del where[key]
        return bool(found)

    def _kill(self, actor: Any) -> None:
        try:
            self._ray.kill(actor)
        except Exception as error:  # noqa: BLE001 - Ray's errors have no common base; it is gone
            _log.debug("a worker could not be ended", exc_info=error)

    # ---- the thread -----------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                self._look()
                self._follow()
            except Exception as error:  # noqa: BLE001 - the cluster may be away for a while
                _log.warning("the cluster does not answer: %s", _first_line(error))

    def _look(self) -> None:
        """Look at the machines; move a worker without a CPU to one that has some."""
        nodes = self._ray.nodes()
        with self._lock:
            self._machines.look(nodes)
            node, room = self._machines.emptiest(self._places())
            extra = [handle for handle in self._working.values() if handle.extra]
            if not (room and extra):
                return
            handle = extra[0]
            self._drop(handle)
            handle.innocent = True
            handle.how = f"moves to machine {self._machines.name(node)}, which has a CPU for it"
            self._kill(handle.actor)
        handle.ours.finish()

    def _follow(self) -> None:
        """Take what the workers' actors have answered."""
        with self._lock:
            references = [*self._beginning, *self._working]
        if not references:
            return
        done, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in done:
            try:
                answer, failure = self._ray.get(reference), None
            except Exception as error:  # noqa: BLE001 - see above
                answer, failure = None, error
            with self._lock:
                beginning = self._beginning.pop(reference, None)
                handle = beginning or self._working.pop(reference, None)
            if handle is None:
                continue  # ended meanwhile
            if beginning is not None and _is_gone(failure):
                with self._lock:  # the machine was lost, and Ray did not know it yet
                    self._machines.avoid(handle.node_id)
                    self._place(handle)
            elif failure is not None:
                handle.how = _how(failure, handle.node)
                handle.innocent = bool(_NODE_GONE.search(str(failure)))
                handle.ours.finish()
            elif beginning is None:
                handle.how = handle.how or _DONE
                handle.ours.finish()
            else:
                self._admit(handle, answer)

    def _admit(self, handle: ClusterHandle, answer: dict[str, Any]) -> None:
        handle.node, handle.pid = answer["node"], answer["pid"]
        handle.node_id = answer["node_id"]
        if answer["version"] != streamgenre.__version__:
            handle.how = (
                f"has streamgenre {answer['version']} on machine {handle.node}, and this one has "
                f"{streamgenre.__version__}: expected the same on all machines"
            )
            handle.ours.finish()
            return
        self._hub.admit(answer["key"], handle.ours)
        with self._lock:
            work = handle.actor.work.remote(self._hub.endpoint, self._hub.public_key)
            self._working[work] = handle
        _log.info("worker %s runs on machine %s", handle.name, handle.node)


_DONE: Final = "ended with exit code 0"


def _is_gone(error: Exception | None) -> bool:
    """Whether an error means that the process of an actor is gone."""
    return type(error).__name__ in ("ActorDiedError", "ActorUnavailableError", "RayActorError")


def _how(error: Exception, node: str | None) -> str:
    """Return in words how a worker ended."""
    if _NODE_GONE.search(str(error)):
        return f"was on machine {node or '?'}, which has left the cluster"
    if _is_gone(error):
        return (
            f"has ended on machine {node or '?'}: it crashed, was killed, ran out of memory, or "
            "the machine was lost"
        )
    return f"failed on machine {node or '?'}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else ''}"[:300]
