"""A web server for tests whose answers may change, and which remembers what it was asked."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class WebServer:
    """Serves ``pages``: bodies by path with query, each alone or with its type.

    Parameters
    ----------
    certificate
        File with certificate and key (PEM), for HTTPS; None for HTTP.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.pages: dict[str, bytes | str | tuple[bytes | str, str]] = {}
        self.asked: list[str] = []
        """Paths of all requests so far."""
        self.headers: list[dict[str, str]] = []
        self.honours_ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # the client has left

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, request: Any) -> None:
        page = self.pages.get(request.path)
        if page is None:
            request.send_error(404)
            return
        body, kind = page if isinstance(page, tuple) else (page, "application/octet-stream")
        data = body.encode() if isinstance(body, str) else body
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if span and self.honours_ranges:
            total = len(data)
            data = data[int(span[1]) : int(span[2]) + 1]
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {span[1]}-{span[2]}/{total}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.send_header("Content-Type", kind)
        request.end_headers()
        request.wfile.write(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def self_signed(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key, certificate, both = folder / "key.pem", folder / "ca.pem", folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both
