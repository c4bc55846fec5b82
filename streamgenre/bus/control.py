"""Requests to a running daemon: JSON in, JSON out, over a ROUTER socket.

A request is one JSON object, ``{"request": "reset", "station": "kitchen"}``; its ``id``, if any, is
returned with the answer. An answer is ``{"ok": true, "result": …}`` or
``{"ok": false, "error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import zmq

from streamgenre.bus.auth import Authenticator
from streamgenre.bus.control_json import INTERNAL, encoded, error_answer, failure, parsed
from streamgenre.bus.control_json import MAX_REQUEST as MAX_REQUEST
from streamgenre.bus.endpoints import bind, check_endpoint, connect
from streamgenre.bus.mishaps import Mishaps
from streamgenre.bus.peers import Peers
from streamgenre.errors import BusError, ControlError, StreamgenreError
from streamgenre.events.json_text import cleaned, parse, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.auth import OpenAuthenticator
    from streamgenre.bus.inflow import Inflow

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a message; a longer one ends the connection."""
MAX_PARTS: Final = 3
"""Parts of a message: the routing identifier, an empty one from a REQ socket, and the request."""
PATIENCE_S: Final = 5.0
"""Seconds after which an unfinished request is answered with ``timeout``."""
MAX_PENDING: Final = 32
"""Most unfinished requests; further ones are answered with ``busy``."""
MAX_CLIENTS: Final = 256
"""Most connections at the same time."""
UNREAD_S: Final = 5.0
"""Seconds after which a client that does not read its answers is dropped."""
_ROUND: Final = 100
"""Most requests handled before the bus continues."""
_UNREAD: Final = 16
"""Most requests of one connection that ZeroMQ reads ahead."""
_RECEIVE_BUFFER: Final = 16 * 1024
"""Bytes that the system keeps of what a client has sent."""
_SURPLUS: Final = 10_000
"""Most surplus parts that are discarded before the bus continues."""


class Answer(Protocol):
    """Callback that takes the result or error of a request; any thread may call it, once."""

    def __call__(self, result: object = None, error: StreamgenreError | None = None) -> None:
        """Answer the request with ``result``, or with ``error`` if it is given."""


class RequestHandler(Protocol):
    """Carries out requests without blocking the bus's thread."""

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        """Start a request.

        Parameters
        ----------
        request
            The JSON object without its ``id``.
        answer
            To be called when the request is done.

        Raises
        ------
        ControlError
            If the request is not valid or cannot be carried out.
        """


@dataclass(frozen=True, slots=True)
class _Pending:
    envelope: list[bytes]
    """Routing frames for the answer."""
    id: object
    deadline: float
    """Monotonic seconds."""


class ControlSocket:
    """Receives requests, limits them and sends the answers, in the bus's thread.

    Parameters
    ----------
    endpoint
        ZeroMQ endpoint to bind; beyond loopback only with keys.
    handler
        Carries out the requests.
    patience
        Seconds after which a request is answered with ``timeout``.
    """

    def __init__(
        self, endpoint: str, handler: RequestHandler, *, patience: float = PATIENCE_S
    ) -> None:
        self.endpoint = endpoint
        self._handler = handler
        self._patience = patience
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._answers: deque[tuple[int, dict[str, Any]]] = deque()
        self._wake: Callable[[], None] = lambda: None
        self._mishaps = Mishaps()
        self._in_surplus = False  # the message being read has too many parts

    def open(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        auth: OpenAuthenticator,
        ipc_mode: int,
        wake: Callable[[], None],
        inflow: Inflow,
    ) -> None:
        """Bind the socket.

        Parameters
        ----------
        context
            Context of the bus, whose authenticator is bound.
        auth
            That authenticator.
        ipc_mode
            File mode of an ``ipc://`` endpoint.
        wake
            Wakes the thread that calls :meth:`serve`.
        inflow
            Watches what the clients send.

        Raises
        ------
        BusError
            If the endpoint is malformed, in use, or would be open to other machines.
        """
        check_endpoint(self.endpoint, keys=isinstance(auth, Authenticator))
        self._wake = wake
        self.socket: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 200)
        self.socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.set(zmq.RCVHWM, _UNREAD)
        self.socket.set(zmq.RCVBUF, _RECEIVE_BUFFER)
        self.socket.set(zmq.SNDHWM, _ROUND)
        self.socket.set(zmq.HANDSHAKE_IVL, 2000)
        self.socket.set(zmq.HEARTBEAT_IVL, 2500)
        self.socket.set(zmq.HEARTBEAT_TIMEOUT, 7500)
        self._auth = auth
        auth.secure(self.socket)
        self.connections = Peers(self.socket, inflow, MAX_CLIENTS, named=lambda: auth.named)
        """The socket's connections."""
        self.endpoint = bind(self.socket, self.endpoint, flag="--control", mode=ipc_mode)

    def serve(self) -> None:
        """Handle the received requests and send finished answers; never waits."""
        for _ in range(_ROUND):
            try:
                frames = self._receive()
            except zmq.Again:
                break
            if frames is None:
                continue
            with self._mishaps.confined("a request"):
                self._take(frames)
        while self._answers:
            number, answer = self._answers.popleft()
            pending = self._pending.pop(number, None)
            if pending is not None:  # else it has timed out
                self._answer(pending, answer)
        now = time.monotonic()
        for number, pending in list(self._pending.items()):
            if now >= pending.deadline:
                del self._pending[number]
                text = f"not done within {self._patience:g} s; it may still be; see `status`"
                self._reply(pending.envelope, pending.id, error_answer("timeout", text))

    def check(self) -> None:
        """Drop clients that do not read their answers, which are kept for them meanwhile."""
        self.connections.check_flow()
        self.connections.drop_blocked(UNREAD_S)

    def close(self) -> None:
        """Close the socket."""
        self.connections.close()
        self.socket.close(linger=200)

    def _receive(self) -> list[zmq.Frame] | None:
        """Return the parts of the next message; None for one with too many.

        Raises
        ------
        zmq.Again
            If there is no complete message.
        """
        frames: list[zmq.Frame] = []
        for _ in range(_SURPLUS):
            frame = self.socket.recv(zmq.NOBLOCK, copy=False)
            if not self._in_surplus:
                frames.append(frame)
            if not frame.more:
                whole, self._in_surplus = not self._in_surplus, False
                return frames if whole else None
            if len(frames) == MAX_PARTS:
                # No client that expects an answer sends this.
                self._in_surplus = True
                peer = self.connections.sender(frame)
                if peer is not None:
                    self.connections.drop(peer.handle)
                frames.clear()
        return None

    def _take(self, frames: list[zmq.Frame]) -> None:
        envelope, body = [frame.bytes for frame in frames[:-1]], frames[-1]
        self.connections.sender(body)
        if len(envelope) > 2 or (len(envelope) == 2 and envelope[1]):
            return  # from neither a REQ nor a DEALER: it cannot be answered
        if not self._known(body):
            # The key was revoked after the client had connected.
            self._reply(envelope, None, error_answer("refused", "this client's key is not allowed"))
            return
        identifier: object = None
        try:
            request = parsed(body.buffer)
            identifier = request.pop("id", None)
            if len(self._pending) >= MAX_PENDING:
                raise ControlError(f"{MAX_PENDING} requests are pending; try again later", "busy")
            self._number += 1
            number = self._number
            self._pending[number] = _Pending(
                envelope, identifier, time.monotonic() + self._patience
            )
            try:
                self._handler.handle(request, self._answer_to(number))
            except BaseException:
                self._pending.pop(number, None)
                raise
        except StreamgenreError as error:
            self._reply(envelope, identifier, failure(error))
        except Exception:
            self._reply(envelope, identifier, INTERNAL)
            raise

    def _known(self, body: zmq.Frame) -> bool:
        try:
            return self._auth.allows(str(body.get("User-Id")))
        except zmq.ZMQError:
            return False

    def _answer_to(self, number: int) -> Answer:
        def answer(result: object = None, error: StreamgenreError | None = None) -> None:
            done = {"ok": True, "result": result} if error is None else failure(error)
            self._answers.append((number, done))
            self._wake()

        return answer

    def _answer(self, pending: _Pending, answer: dict[str, Any]) -> None:
        with self._mishaps.confined("an answer"):
            try:
                self._reply(pending.envelope, pending.id, answer)
            except (TypeError, ValueError, RecursionError):  # not JSON
                self._reply(pending.envelope, pending.id, INTERNAL)
                raise

    def _reply(self, envelope: list[bytes], identifier: object, answer: dict[str, Any]) -> None:
        if identifier is not None:
            answer = {"id": identifier, **answer}
        try:
            self.socket.send_multipart([*envelope, encoded(answer)], zmq.NOBLOCK)
        except zmq.Again:
            return  # the client does not read its answers


def request(
    endpoint: str,
    body: dict[str, Any],
    *,
    configure: Callable[[zmq.Socket[bytes]], None] = lambda socket: None,
    timeout: float = PATIENCE_S + 3,
) -> dict[str, Any]:
    """Send one request to a daemon and return the answer as it came.

    Parameters
    ----------
    endpoint
        Control endpoint of the daemon.
    body
        The request.
    configure
        Called with the socket before it connects, to set keys.
    timeout
        Seconds to wait for the answer.

    Raises
    ------
    BusError
        If the endpoint is malformed, or no answer comes.
    """
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, 16 * MAX_MESSAGE)
    configure(socket)
    try:
        connect(socket, endpoint)
        socket.send_multipart([b"", json.dumps(body).encode()])
        if not socket.poll(round(1000 * timeout)):
            raise BusError(
                f"no answer from {endpoint} for {timeout:g} s; is a daemon running there with "
                "--control, and does it allow this client's key?"
            )
        try:
            answer = cleaned(parse(socket.recv_multipart()[-1]))
        except (ValueError, RecursionError) as error:
            raise BusError(f"the answer from {endpoint} is not JSON: {error}") from error
        if not isinstance(answer, dict):
            raise BusError(f"the answer from {endpoint} is {quoted(answer)}; expected an object")
        return answer
    finally:
        socket.close(linger=0)
