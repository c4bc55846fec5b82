"""What a station's stream needs: headers, charset, and where the connection may lead."""

from __future__ import annotations

import codecs
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MAX_HEADERS: Final = 32
"""Most headers of one station."""
MAX_VALUE: Final = 4096
"""Most characters of a header's value."""
_MAX_CA_BYTES: Final = 4 << 20
_OWN: Final = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "host", "icy-metadata", "keep-alive"),
        *("range", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that this program sets itself, or that would change what the answer means."""
_ESCAPES: Final = frozenset(
    {"unicode-escape", "raw-unicode-escape", "utf-7", "punycode", "idna", "hz", "undefined"}
)
"""Codecs whose text is ASCII that stands for something else."""


class Headers(tuple[tuple[str, str], ...]):
    """Names and values of headers; a text of it has no values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self)})"

    __str__ = __repr__


NO_HEADERS: Final = Headers()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a station's stream is requested and read."""

    headers: Headers = NO_HEADERS
    """Headers of every request to the station's own server."""
    user_agent: str | None = None
    """Header ``User-Agent``; None for this program's name and version."""
    charset: str | None = None
    """Charset of titles and of the station's name; None to detect it."""
    allow_private: bool = True
    """Whether the connection may lead to loopback, private, link-local and multicast addresses."""
    ca_file: Path | None = None
    """Certificates (PEM) that servers are verified with; None for those of the system."""

    def __repr__(self) -> str:
        agent = None if self.user_agent is None else "…"
        return (
            f"StreamSettings({self.headers!r}, user_agent={agent}, charset={self.charset}, "
            f"allow_private={self.allow_private}, ca_file={self.ca_file})"
        )


DEFAULTS: Final = StreamSettings()


def headers_problem(headers: Headers) -> str:
    """Return why headers cannot be sent, without their values; an empty text if they can."""
    if len(headers) > MAX_HEADERS:
        return f"expected at most {MAX_HEADERS} headers"
    names = [name.lower() for name, _ in headers]
    for name, value in headers:
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
            return "expected names of letters, digits and - for headers, for example X-Token"
        if name.lower() in _OWN:
            return f"{name} is set by streamgenre itself; expected other headers"
        if name.lower() == "user-agent":
            return "expected the user agent as user_agent"
        if names.count(name.lower()) > 1:
            return f"{name} is given twice; expected each header once"
        if not isinstance(value, str):
            return f'{name}: expected its value as text in quotes: {name} = "…"'
        if problem := value_problem(value):
            return f"{name}: {problem}"
    return ""


def value_problem(value: str) -> str:
    """Return why a text cannot be the value of a header; an empty text if it can."""
    if len(value) > MAX_VALUE:
        return f"expected at most {MAX_VALUE} characters"
    if not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", value):
        return (
            "expected printable ASCII characters on one line, without spaces at its start and end"
        )
    return ""


def charset_problem(name: str) -> str:
    """Return why a name is not a charset of titles; an empty text if it is one."""
    ascii_text = bytes({*range(32, 127)} - {*b"\\~"})
    try:
        codec = codecs.lookup(name)
        usable = codec.name.replace("_", "-") not in _ESCAPES and ascii_text.decode(
            codec.name
        ) == ascii_text.decode("ascii")
    except (LookupError, ValueError):  # ValueError: of the name or of the text
        usable = False
    return "" if usable else "expected a charset such as utf-8, cp1251, koi8-r, cp1252 or shift_jis"


def ca_problem(path: Path) -> str:
    """Return why a file holds no certificates to verify servers with; empty if it does."""
    import ssl

    expected = "expected a readable file with certificates in PEM format"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_CA_BYTES:
            return expected
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return expected
    except OSError as error:
        return f"{expected}: {error.strerror}"
    return "" if context.get_ca_certs() or context.cert_store_stats()["x509"] else expected
