"""Runs the web server of one process until a signal, or the end of its daemon."""

from __future__ import annotations

import asyncio
import resource
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from streamgenre.web.app import create_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from streamgenre.config.site import SiteSettings

_GRACE_S: Final = 1
"""Seconds that answers under way have at the end."""
_MAX_CONNECTIONS: Final = 3000
_CROWDED: Final = 800
"""Connections beyond which those without a request are closed at once, the oldest first: they keep
nobody out. Viewers of streams are fewer."""
_MAX_FILES: Final = 4096
_RESERVED: Final = 200
"""Open files that are left for everything else."""
IDLE_S: Final = 15.0
"""Seconds that a connection may stay without a complete request."""
_TICKS: Final = 10
"""What uvicorn counts in a second."""
_CHECK_TICKS: Final = 5 * _TICKS
"""Between two looks for such connections."""


class Server(uvicorn.Server):
    """The server; SIGINT and SIGTERM end it in good order.

    Parameters
    ----------
    app
        The application.
    connections
        Most connections at the same time; further ones get an error.
    """

    def __init__(self, app: Starlette, connections: int = _MAX_CONNECTIONS) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=connections,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._app = app
        self._crowded = min(_CROWDED, connections // 2)
        self._idle: dict[object, tuple[object, float]] = {}
        """Connections without a request, with the last one that they had, and since when."""
        self._woken = asyncio.Event()

    async def main_loop(self) -> None:
        """Look once a second whether to end, more often in a crowd; uvicorn looks ten times."""
        counter = 0
        while not await self.on_tick(counter):
            counter += _TICKS
            crowded = len(self.server_state.connections) > self._crowded // 2
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), 0.1 if crowded else 1.0)

    async def on_tick(self, counter: int) -> bool:
        """Also close connections that never complete a request, which uvicorn keeps for ever."""
        too_many = len(self.server_state.connections) - self._crowded
        if too_many > 0 or counter % _CHECK_TICKS == 0:
            self._close_idle(time.monotonic(), too_many)
        return await super().on_tick(counter)

    def _close_idle(self, now: float, too_many: int) -> None:
        idle: dict[Any, tuple[object, float]] = {}
        for each in self.server_state.connections:
            cycle, transport = getattr(each, "cycle", None), getattr(each, "transport", None)
            if transport is None or (cycle is not None and not cycle.response_complete):
                continue
            before, since = self._idle.get(each, (cycle, now))
            idle[each] = cycle, since if cycle is before else now
        oldest = sorted(idle, key=lambda each: idle[each][1])
        for number, each in enumerate(oldest):
            if number >= too_many and now - idle[each][1] <= IDLE_S:
                break
            del idle[each]
            each.transport.abort()
        self._idle = idle

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal; uvicorn's own way raises it again afterwards."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        caught = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]
        for number in caught:
            loop.add_signal_handler(number, self.end)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    def end(self) -> None:
        """End the server; a second call does not wait for answers under way."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._woken.set()
        self._app.state.site.hub.close()


def serve(
    settings: SiteSettings,
    listening: socket.socket,
    *,
    started: Callable[[], object] = lambda: None,
    until: Callable[[], object] | None = None,
) -> int:
    """Serve the page until a signal.

    Parameters
    ----------
    settings
        What to serve.
    listening
        The listening socket.
    started
        Called before serving, when nothing that the settings name is wrong.
    until
        Called in a thread of its own; when it returns, the server ends.

    Returns
    -------
    int
        Exit code: 0, or 1 if reading the daemon failed.

    Raises
    ------
    StreamgenreError
        If an endpoint, a key or a file cannot be used.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if most == resource.RLIM_INFINITY else min(_MAX_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    failures: list[bool] = []

    def failed() -> None:
        failures.append(True)
        server.end()

    app = create_app(settings, on_failure=failed)
    server = Server(app, min(_MAX_CONNECTIONS, wanted - _RESERVED))
    started()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        if until is not None:

            def wait() -> None:
                until()
                loop.call_soon_threadsafe(server.end)

            threading.Thread(target=wait, name="until", daemon=True).start()
        await server.serve([listening])

    asyncio.run(run())
    return 1 if failures else 0
