"""Runs the web server of one process until a signal, or the end of its daemon."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from streamgenre.web.app import create_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from streamgenre.config.site import SiteSettings

_GRACE_S: Final = 1
"""Seconds that answers under way have at the end."""
_MAX_CONNECTIONS: Final = 1000


class Server(uvicorn.Server):
    """The server; SIGINT and SIGTERM end it in good order.

    Parameters
    ----------
    app
        The application.
    """

    def __init__(self, app: Starlette) -> None:
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
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._app = app

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
    failures: list[bool] = []

    def failed() -> None:
        failures.append(True)
        server.end()

    app = create_app(settings, on_failure=failed)
    server = Server(app)
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
