"""Responses of HTTP servers: their content, read with a deadline for each call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.sources.stream.connection import Connection
    from streamgenre.sources.stream.http_body import Body


class Response:
    """An open stream.

    Parameters
    ----------
    body
        Content of the response.
    headers
        Headers by lower-case name.
    url
        URL after redirects, without credentials.
    connection
        The connection; None if there is none to close.
    timeout_s
        Seconds that a read may take.
    location
        URL after redirects with credentials, for relative addresses in the content. Never shown.
    """

    def __init__(
        self,
        body: Body,
        headers: Mapping[str, str],
        url: str,
        connection: Connection | None = None,
        timeout_s: float = 10.0,
        location: str = "",
    ) -> None:
        self.headers = headers
        self.url = url
        self.location = location or url
        self._body = body
        self._connection = connection
        self._timeout_s = timeout_s
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes as soon as there are some; none at the end.

        Raises
        ------
        TimeoutError
            If there is no content in time, whatever else arrives.
        OSError
            If the connection breaks.
        AnswerError
            If the content is not sent as the head says.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._read(size, time.monotonic() + self._timeout_s, self._timeout_s)

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end, which :meth:`read` returns again.

        Errors are those of :meth:`read`; the time limit is that of all bytes together.
        """
        until = time.monotonic() + self._timeout_s
        while len(self._ahead) < size:
            try:
                more = self._read(size - len(self._ahead), until, self._timeout_s)
            except ConnectionResetError:
                if not self._ahead:
                    raise
                break  # so some servers end
            if not more:
                break
            self._ahead += more
        return self._ahead[:size]

    @property
    def ahead(self) -> bytes:
        """The bytes that :meth:`peek` has received and :meth:`read` has not yet returned."""
        return self._ahead

    def data(self, longest: int, within_s: float) -> bytes:
        """Return the content and close the response.

        Parameters
        ----------
        longest
            Largest number of bytes that are read.
        within_s
            Seconds the whole content may take.

        Raises
        ------
        TimeoutError
            If the content does not arrive in time.
        """
        data = bytearray(self._ahead[:longest])
        until = time.monotonic() + within_s
        try:
            while len(data) < longest:
                try:
                    more = self._read(longest - len(data), until, within_s)
                except ConnectionResetError:
                    if not data:
                        raise
                    break  # so some servers end
                if not more:
                    break
                data += more
        finally:
            self.close()
        return bytes(data)

    def text(self, longest: int, within_s: float) -> str:
        """Return the content as text and close the response; otherwise as :meth:`data`."""
        return self.data(longest, within_s).decode("utf-8", errors="replace")

    def _read(self, size: int, until: float, within_s: float) -> bytes:
        try:
            return self._body.read(size, until)
        except TimeoutError:
            raise TimeoutError(f"nothing for {within_s:g} s") from None

    def abort(self) -> None:
        """Interrupt a read in another thread; that thread closes the response."""
        if self._connection is not None:
            self._connection.abort()

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        if self._connection is not None:
            self._connection.close()
