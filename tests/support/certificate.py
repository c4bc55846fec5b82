"""A self-signed certificate for servers on loopback."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

from support.requirements import require_programs

if TYPE_CHECKING:
    from pathlib import Path

_REQUEST = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x "
    "-addext subjectAltName=IP:127.0.0.1,DNS:localhost"
)


def new_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Write a certificate; return its file, and what a server with it needs."""
    require_programs("openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*_REQUEST.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
