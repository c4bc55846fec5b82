"""Posts JSON objects to a URL in a thread of its own, with retries and back-off."""

from __future__ import annotations

import base64
import json
import random
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bridges.bodies import BodyFormat, body_format
from streamgenre.bridges.http_post import PostError, post
from streamgenre.bridges.http_target import parse_url
from streamgenre.history.spool import Spool, worth_a_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamgenre.history.spool_file import Post

TIMEOUT_S: Final = 10.0
"""Most seconds for one attempt, from the look-up of the name to the end of the answer."""
FIRST_PAUSE_S: Final = 1.0
"""Pause before the second attempt; it doubles up to :data:`LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S: Final = 300.0
LONGEST_ASKED_S: Final = 3600.0
"""Longest pause that a receiver gets by ``Retry-After``."""
PATIENCE_S: Final = 1.0
"""Seconds for what is being sent when the bridge ends."""
RETRIED: Final = frozenset({408, 425, 429})
"""Answers below 500 after which the same post may succeed later."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """How the receiver is asked."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers for the receiver's own host, such as ``Authorization``."""
    format: BodyFormat = field(default_factory=body_format)
    """How bodies are made."""
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    """Settings of TLS."""
    timeout_s: float = TIMEOUT_S
    """Most seconds for one attempt."""


def bearer(token: str) -> dict[str, str]:
    """Return the header that authorises by a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that authorises by a password.

    Parameters
    ----------
    user
        Name of the user.
    password
        Password.
    """
    text = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {text}"}


class Webhook:
    """Sends JSON objects in order, in a thread of its own.

    Parameters
    ----------
    url
        ``http://`` or ``https://``; may contain secrets and is never shown.
    warn
        Called with each line for the user.
    receiver
        Headers, body format, TLS and time limit.
    spool
        Where posts wait; by default in memory.
    first_pause
        Seconds before the second attempt.

    Raises
    ------
    SettingsError
        If the URL is invalid.
    """

    def __init__(
        self,
        url: str,
        warn: Callable[[str], None],
        *,
        receiver: Receiver | None = None,
        spool: Spool | None = None,
        first_pause: float = FIRST_PAUSE_S,
    ) -> None:
        self._target = parse_url(url)
        self.place = self._target.origin
        """Scheme and host of the URL, the part that may be shown."""
        self._warn = warn
        self._receiver = receiver or Receiver()
        self._spool = Spool(None, warn) if spool is None else spool
        self._first_pause = first_pause
        self._changed = threading.Condition()
        self._stopping = False
        self._sending = False
        self.sent = 0
        """Posts that the receiver accepted."""
        self.refused = 0
        """Posts that the receiver refused for good."""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    @property
    def given_up(self) -> int:
        """Posts that were refused or dropped."""
        return self.refused + self._spool.dropped

    def post(self, body: dict[str, Any], identifier: str) -> None:
        """Queue an object; waits for the disk at most.

        Parameters
        ----------
        body
            JSON object.
        identifier
            Value of the ``Idempotency-Key`` header.
        """
        encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        self._spool.add(encoded, identifier)
        with self._changed:
            self._changed.notify()

    def close(self, patience: float = PATIENCE_S) -> int:
        """Stop within ``patience`` seconds; return the number of posts left unsent.

        While the receiver answers, as many posts as possible are sent. While it does not, there is
        nothing to wait for.
        """
        ends = time.monotonic() + patience
        with self._changed:
            self._changed.wait_for(
                lambda: not self._sending and (not len(self._spool) or self._pausing),
                timeout=patience,
            )
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(max(0.0, ends - time.monotonic()))
        left = len(self._spool)
        self._spool.close()
        return left

    def farewell(self) -> list[str]:
        """Return what became of the posts, in lines for the user; call after :meth:`close`."""
        lines = []
        waiting, kept = len(self._spool), self._spool.on_disk
        if kept:
            lines.append(
                f"{_events(kept)} not delivered: kept in {self._spool.path} and sent at the next "
                "start"
            )
        if waiting - kept:
            lines.append(f"{_events(waiting - kept)} not delivered and lost: no spool on disk")
        if self.given_up:
            lines.append(f"{_events(self.given_up)} given up: refused, too old or too many")
        return lines

    # ---- the thread -----------------------------------------------------------------------------

    _pausing = False

    def _run(self) -> None:
        pause = self._first_pause
        while True:
            with self._changed:
                self._sending = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: len(self._spool) or self._stopping)
                if self._stopping:
                    return
                self._sending = True
            found = self._spool.first()
            if found is None:
                continue
            asked = self._attempt(*found)
            if asked is None:
                pause = self._first_pause
                self._spool.done(found[0])
                continue
            # At least half of the pause: full jitter could make a long pause short.
            wait = max(min(asked, LONGEST_ASKED_S), pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_S)
            with self._changed:
                self._sending, self._pausing = False, True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._stopping, timeout=wait)
                self._pausing = False
                if self._stopping:
                    return

    def _attempt(self, waiting: Post, stored: bytes) -> float | None:
        """Send once; return None if the post is finished, else the seconds to wait at least."""
        form = self._receiver.format
        try:
            body = form.body(json.loads(stored))
        except (ValueError, AttributeError, RecursionError):
            self._refuse("it is damaged in the spool")
            return None
        headers = {
            "Content-Type": form.content_type,
            "User-Agent": "streamgenre",
            "Idempotency-Key": "".join(c if "!" <= c <= "~" else "?" for c in waiting.id[:200]),
        }
        try:
            answer = post(
                self._target,
                body,
                headers,
                self._receiver.headers,
                timeout_s=self._receiver.timeout_s,
                context=self._receiver.context,
            )
        except PostError as error:
            self._warn(f"{self.place}: {error}; retrying")
            return 0.0
        if 200 <= answer.status < 300:
            self.sent += 1
            return None
        if answer.status >= 500 or answer.status in RETRIED:
            self._warn(f"{self.place} answered {answer.status}; retrying")
            return answer.retry_after or 0.0
        to = f", a redirection to {answer.leads_to}" if answer.leads_to else ""
        self._refuse(f"answered {answer.status}{to}{_advice(answer.status)}")
        return None

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if worth_a_line(self.refused):
            self._warn(f"{self.place}: one event dropped: {why}; {self.refused} refused so far")


def checked(url: str) -> str:
    """Return the part of a URL that may be shown.

    Parameters
    ----------
    url
        The URL.

    Raises
    ------
    SettingsError
        If nothing can be posted to the URL.
    """
    return parse_url(url).origin


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count} events were"


def _advice(status: int) -> str:
    """Return what the user can do about a refusal."""
    if status in (401, 403):
        return " (check the token or password)"
    if status in (404, 405, 410):
        return " (check the URL)"
    if status in (400, 415, 422):
        return " (check --format)"
    if 300 <= status < 400:
        return " (only 307 and 308 are followed: give the new URL)"
    return ""
