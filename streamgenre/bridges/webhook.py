"""Posts JSON objects to a URL in a thread of its own, with retries and back-off."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE: Final = 1000
"""Most posts that wait; beyond it the oldest is dropped."""
TIMEOUT_S: Final = 10.0
"""Most seconds to wait for the receiver."""
FIRST_PAUSE_S: Final = 1.0
"""Pause before the second attempt; it doubles up to :data:`LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S: Final = 300.0
MAX_AGE_S: Final = 24 * 3600.0
"""Age in seconds at which an undelivered post is dropped."""


@dataclass(slots=True)
class _Post:
    body: bytes
    id: str
    """The same in every attempt, so that the receiver can drop repetitions."""
    made: float
    """Monotonic seconds."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirection as any other answer, without following it."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirection."""


class Webhook:
    """Sends JSON objects in order, in a thread of its own.

    Parameters
    ----------
    url
        ``http://`` or ``https://``; may contain secrets and is never shown.
    warn
        Called with each line for the user.
    first_pause
        Seconds before the second attempt.

    Raises
    ------
    SettingsError
        If the URL is invalid.
    """

    def __init__(
        self, url: str, warn: Callable[[str], None], *, first_pause: float = FIRST_PAUSE_S
    ) -> None:
        self.place = checked(url)
        """Scheme and host of the URL, the part that may be shown."""
        self._url = url
        self._warn = warn
        self._first_pause = first_pause
        self._queue: deque[_Post] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._opener = urllib.request.build_opener(_NoRedirect)
        self.sent = 0
        """Posts that the receiver accepted."""
        self.given_up = 0
        """Posts that were refused or dropped."""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def post(self, body: dict[str, Any], identifier: str) -> None:
        """Queue an object; returns at once.

        Parameters
        ----------
        body
            JSON object.
        identifier
            Value of the ``Idempotency-Key`` header.
        """
        encoded = json.dumps(body, ensure_ascii=False).encode()
        with self._changed:
            if len(self._queue) >= QUEUE:
                self._queue.popleft()
                self.given_up += 1
            self._queue.append(_Post(encoded, identifier, time.monotonic()))
            self._changed.notify()

    def close(self, patience: float = 2.0) -> int:
        """Stop within ``patience`` seconds; return the number of posts left unsent."""
        ends = time.monotonic() + patience
        with self._changed:
            self._changed.wait_for(lambda: not self._queue, timeout=patience)
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(max(0.0, ends - time.monotonic()))
        return len(self._queue)

    def _run(self) -> None:
        pause = self._first_pause
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping)
                if self._stopping:
                    return
                post = self._queue[0]
            asked = self._attempt(post)
            if asked is None:
                pause = self._first_pause
                with self._changed:
                    if self._queue and self._queue[0] is post:
                        self._queue.popleft()
                    self._changed.notify_all()
                continue
            # At least half of the pause: full jitter could make a long pause short.
            wait = max(asked, pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_S)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, timeout=wait)
                if self._stopping:
                    return

    def _attempt(self, post: _Post) -> float | None:
        """Send once; return None if the post is finished, else the seconds to wait."""
        if time.monotonic() - post.made > MAX_AGE_S:
            self._give_up("not accepted for a day")
            return None
        request = urllib.request.Request(
            self._url,
            data=post.body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "streamgenre",
                "Idempotency-Key": post.id,
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S):
                self.sent += 1
                return None
        except urllib.error.HTTPError as error:
            with error:
                if error.code < 500 and error.code not in (408, 425, 429):
                    self._give_up(f"answered {error.code}")
                    return None
                self._warn(f"{self.place} answered {error.code}; retrying")
                return _retry_after(error.headers.get("Retry-After"))
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "strerror", None) or type(error.reason).__name__
            self._warn(f"{self.place} cannot be reached ({reason}); retrying")
        except (OSError, http.client.HTTPException) as error:
            self._warn(f"{self.place} broke off ({type(error).__name__}); retrying")
        return 0.0

    def _give_up(self, why: str) -> None:
        self.given_up += 1
        self._warn(f"{self.place}: one event dropped: {why}")


def checked(url: str) -> str:
    """Return the part of a URL that may be shown.

    Raises
    ------
    SettingsError
        If nothing can be posted to the URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise SettingsError("the webhook's URL is malformed: expected https://HOST/…") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise SettingsError("the webhook's URL is malformed: expected https://HOST/…")
    if parts.username is not None:
        raise SettingsError(
            "the webhook's URL has a user name, which is not supported; use a secret path instead"
        )
    return f"{parts.scheme}://{parts.hostname}{port}"


def _retry_after(value: str | None) -> float:
    """Return the seconds to wait that an answer asks for."""
    return min(float(value), LONGEST_PAUSE_S) if value and value.isdigit() else 0.0
