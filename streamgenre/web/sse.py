"""``/api/events``: the events as server-sent events, with a bounded queue for each viewer."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from streamgenre.web.endpoints import Endpoint, Parameter, error
from streamgenre.web.feed import FEED_TYPES
from streamgenre.web.hub import MAX_VIEWERS
from streamgenre.web.viewer import Viewer, message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import AbstractContextManager

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from streamgenre.web.hub import Hub
    from streamgenre.web.site import Site

TICK_S: Final = 10.0
"""Seconds between two ``tick`` messages, by which a viewer notices a dead connection."""
_SLICE: Final = 32 * 1024
"""Bytes that are handed to the connection at once: what a viewer does not read is bounded."""


class EventStream(Response):
    """An endless answer of parts, until the client leaves or the process ends.

    Parameters
    ----------
    parts
        What to send.
    """

    media_type = "text/event-stream"

    def __init__(self, parts: AsyncGenerator[bytes, None]) -> None:
        self._parts = parts
        self.status_code = 200
        self.background = None
        # X-Accel-Buffering: nginx passes each message on at once.
        # Connection: when a page is left, Chromium may send its next request on the connection of
        # this answer, which never ends.
        self.init_headers(
            {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts; the client's leaving ends it."""
        if scope["method"] == "HEAD":
            await self._parts.aclose()
            await self._start(send)
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_until_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending

    async def _start(self, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": [each for each in self.raw_headers if each[0] != b"content-length"],
        }
        await send(start)

    async def _send(self, send: Send) -> None:
        await self._start(send)
        async with aclosing(self._parts):
            async for part in self._parts:
                for first in range(0, len(part), _SLICE):
                    body = part[first : first + _SLICE]
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def messages(
    request: Request,
    joined: AbstractContextManager[Viewer],
    *,
    retry_ms: int,
    snapshot: Callable[[Viewer], bytes] = lambda viewer: b"",
) -> AsyncGenerator[bytes, None]:
    """Yield what a viewer receives, until its login ends or the process does.

    Parameters
    ----------
    request
        The request of the viewer.
    joined
        Starts the viewer when it is entered, and ends it at the end.
    retry_ms
        Milliseconds after which a browser whose connection was lost connects again.
    snapshot
        Returns what a viewer needs at its start, and after messages were dropped.

    Yields
    ------
    bytes
        One message or more.
    """
    site: Site = request.app.state.site
    with joined as viewer:
        ticked = time.monotonic()
        yield f"retry: {retry_ms}\n\n".encode()
        while not site.hub.closed:
            if viewer.restarted is not None:
                lost, viewer.restarted = viewer.restarted, None
                if lost:
                    count = None if lost < 0 else lost
                    yield message("hole", {"by": "viewer", "count": count})
                yield snapshot(viewer)
            if found := viewer.pop_all():
                yield found
            now = time.monotonic()
            if now - ticked >= TICK_S:
                if site.auth.identify(request) is None:
                    return  # the session or token has ended
                ticked = now
                yield message("tick", {"now": round(time.time(), 3)})
            if viewer.restarted is None:
                await viewer.wait(ticked + TICK_S - now)


async def events(request: Request) -> Response:
    """Stream the events of the chosen stations and types."""
    site: Site = request.app.state.site
    hub = site.hub
    if len(hub.viewers) >= MAX_VIEWERS:
        raise error(503, f"{MAX_VIEWERS} viewers already watch; try again later")
    given = request.state.parameters
    types = None if given["types"] is None else frozenset(given["types"].split(","))
    if types is not None and (unknown := sorted(types - set(FEED_TYPES))):
        expected = ", ".join(FEED_TYPES)
        raise error(400, f"types: unknown {unknown[0]!r}; expected some of {expected}")
    viewer = Viewer(frozenset(given["station"]) or None, types)
    joined = _joined(hub, viewer, request.headers.get("last-event-id"))
    return EventStream(messages(request, joined, retry_ms=1000, snapshot=hub.snapshot))


@contextmanager
def _joined(hub: Hub, viewer: Viewer, last_id: str | None) -> Iterator[Viewer]:
    hub.join(viewer, last_id)
    try:
        yield viewer
    finally:
        hub.viewers.discard(viewer)


STATION: Final = Parameter(
    "station", "name of a station; may be repeated", {"type": "string", "minLength": 1}, many=True
)

ENDPOINTS: Final = (
    Endpoint(
        "/api/events",
        events,
        "Events as they happen, as server-sent events. The first message is a `snapshot` of all "
        "stations, then come the events of docs/events.md unchanged, `hole` where events were "
        "lost, `bus` where the daemon goes or returns, and `tick` every 10 s. With "
        "`Last-Event-ID`, missed messages come instead of the snapshot while they are kept.",
        parameters=(
            STATION,
            Parameter(
                "types",
                "types of events, separated by commas: " + ", ".join(FEED_TYPES),
                {"type": "string", "pattern": "^[a-z_]+(,[a-z_]+)*$"},
            ),
        ),
        media="text/event-stream",
        errors=(503,),
    ),
)
