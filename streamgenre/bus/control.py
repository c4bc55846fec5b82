"""Requests to a running daemon: JSON in, JSON out, over a ROUTER socket.

A request is one JSON object, ``{"request": "reset", "station": "kitchen"}``; what it holds as
``id`` comes back with the answer. An answer is ``{"ok": true, "result": …}`` or
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
from streamgenre.bus.endpoints import bind, check_endpoint
from streamgenre.errors import BusError, ControlError, StreamgenreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.auth import OpenAuthenticator

MAX_REQUEST: Final = 4096
"""Bytes of a request; a longer one is refused."""
MAX_MESSAGE: Final = 1 << 20
"""Bytes of a message; a longer one ends the connection."""
PATIENCE_S: Final = 5.0
"""A request that is not done by then is answered with ``timeout``."""
MAX_PENDING: Final = 32
"""Requests under way; further ones are answered with ``busy``."""
_ROUND: Final = 100
"""Requests taken before the bus gets its turn again."""


class Answer(Protocol):
    """Takes the result of a request, or the error; may be called by any thread, once."""

    def __call__(self, result: object = None, error: StreamgenreError | None = None) -> None:
        """Give the answer."""


class RequestHandler(Protocol):
    """Does what is requested, without making the bus's thread wait."""

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        """Begin to do a request.

        Raises
        ------
        ControlError
            If it is none that can be done.
        """


@dataclass(frozen=True, slots=True)
class _Pending:
    envelope: list[bytes]
    """Frames that lead the answer back."""
    id: object
    deadline: float
    """Monotonic seconds."""


class ControlSocket:
    """Takes requests, bounds them, and sends the answers; served by the bus's thread.

    Parameters
    ----------
    endpoint
        As of the bus; beyond loopback only with keys.
    desk
        Does the requests.
    patience
        Seconds after which a request is answered with ``timeout``.
    """

    def __init__(
        self, endpoint: str, desk: RequestHandler, *, patience: float = PATIENCE_S
    ) -> None:
        self.endpoint = endpoint
        self._desk = desk
        self._patience = patience
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._answers: deque[tuple[int, dict[str, Any]]] = deque()
        self._wake: Callable[[], None] = lambda: None

    def open(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        gate: OpenAuthenticator,
        ipc_mode: int,
        wake: Callable[[], None],
    ) -> None:
        """Bind; ``wake`` makes the thread that serves look for answers."""
        check_endpoint(self.endpoint, keys=isinstance(gate, Authenticator))
        self._wake = wake
        self.socket: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 200)
        self.socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.set(zmq.RCVHWM, _ROUND)
        self.socket.set(zmq.SNDHWM, _ROUND)
        self.socket.set(zmq.HANDSHAKE_IVL, 2000)
        self.socket.set(zmq.HEARTBEAT_IVL, 2500)
        self.socket.set(zmq.HEARTBEAT_TIMEOUT, 7500)
        self.gate = gate
        gate.guard(self.socket)
        self.endpoint = bind(self.socket, self.endpoint, flag="--control", mode=ipc_mode)

    def serve(self) -> None:
        """Take what has come and send what is done; never waits."""
        for _ in range(_ROUND):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            self._take(frames)
        while self._answers:
            number, answer = self._answers.popleft()
            pending = self._pending.pop(number, None)
            if pending is not None:  # else it came too late
                self._reply(pending.envelope, pending.id, answer)
        now = time.monotonic()
        for number, pending in list(self._pending.items()):
            if now >= pending.deadline:
                del self._pending[number]
                text = f"not done within {self._patience:g} s; it may still be; ask for `status`"
                self._reply(pending.envelope, pending.id, _error("timeout", text))

    def close(self) -> None:
        """Close the socket."""
        self.socket.close(linger=200)

    def _take(self, frames: list[zmq.Frame]) -> None:
        envelope, body = [frame.bytes for frame in frames[:-1]], frames[-1]
        if len(envelope) > 2 or (len(envelope) == 2 and envelope[1]):
            return  # neither a REQ's nor a DEALER's; there is nobody to answer to
        if not self._known(body):
            # Its key was revoked after it had connected.
            self._reply(envelope, None, _error("refused", "this client's key is not allowed"))
            return
        identifier: object = None
        try:
            request = _parse(body.buffer)
            identifier = request.pop("id", None)
            if len(self._pending) >= MAX_PENDING:
                raise ControlError(f"{MAX_PENDING} requests are under way; ask again later", "busy")
            self._number += 1
            number = self._number
            self._pending[number] = _Pending(
                envelope, identifier, time.monotonic() + self._patience
            )
            try:
                self._desk.handle(request, self._answer_to(number))
            except StreamgenreError:
                del self._pending[number]
                raise
        except StreamgenreError as error:
            self._reply(envelope, identifier, _failure(error))

    def _known(self, body: zmq.Frame) -> bool:
        try:
            return self.gate.allows(str(body.get("User-Id")))
        except zmq.ZMQError:
            return False

    def _answer_to(self, number: int) -> Answer:
        def answer(result: object = None, error: StreamgenreError | None = None) -> None:
            done = {"ok": True, "result": result} if error is None else _failure(error)
            self._answers.append((number, done))
            self._wake()

        return answer

    def _reply(self, envelope: list[bytes], identifier: object, answer: dict[str, Any]) -> None:
        if identifier is not None:
            answer = {"id": identifier, **answer}
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
        try:
            self.socket.send_multipart([*envelope, text.encode()], zmq.NOBLOCK)
        except zmq.Again:
            return  # it does not read its answers


def _parse(body: memoryview | bytes) -> dict[str, Any]:
    if len(body) > MAX_REQUEST:
        raise ControlError(f"{len(body)} bytes; expected at most {MAX_REQUEST}", "oversize")
    try:
        request = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise ControlError(
            f'not JSON: {error}; expected an object such as {{"request": "status"}}'
        ) from error
    if not isinstance(request, dict):
        raise ControlError('expected a JSON object such as {"request": "status"}')
    if not isinstance(request.get("id"), str | int | None):
        raise ControlError("id: expected a string or a number")
    return request


def _failure(error: StreamgenreError) -> dict[str, Any]:
    return _error(error.code if isinstance(error, ControlError) else "failed", str(error))


def _error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


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
        What the daemon was given as ``--control``.
    body
        The request.
    configure
        Sets keys on the socket before it connects.
    timeout
        Seconds to wait for the answer.

    Raises
    ------
    BusError
        If no answer comes.
    """
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, 16 * MAX_MESSAGE)
    socket.set(zmq.IPV6, int("[" in endpoint))
    configure(socket)
    try:
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise BusError(
                f"cannot connect to {endpoint!r}: expected tcp://HOST:PORT or ipc://PATH "
                f"({error.strerror})"
            ) from error
        socket.send_multipart([b"", json.dumps(body, ensure_ascii=False).encode()])
        if not socket.poll(round(1000 * timeout)):
            raise BusError(
                f"no answer from {endpoint} for {timeout:g} s; is a daemon running there with "
                "--control, and does it allow this client's key?"
            )
        answer: dict[str, Any] = json.loads(socket.recv_multipart()[-1])
        return answer
    finally:
        socket.close(linger=0)
