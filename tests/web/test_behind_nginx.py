"""The page behind Debian's nginx: a prefix, TLS, and the client's address."""

from __future__ import annotations

import re
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from support.certificate import new_certificate
from support.commands import streamgenre
from support.live import bus, until
from support.radio_server import free_port
from support.requirements import require_programs
from support.web_site import EventReader, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse 12"
CONTEXTS: dict[str, ssl.SSLContext] = {}
_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
{location}
    }}
}}
"""


@pytest.fixture(scope="module", params=["/radio", ""])
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Yield a page with a password behind nginx, below a prefix and at the root."""
    require_programs("nginx")
    folder: Path = tmp_path_factory.mktemp("nginx")
    certificate, _ = new_certificate(folder)
    login = folder / "login.json"
    streamgenre("web", "passwd", "--login-file", login, stdin=f"{PASSWORD}\n".encode())
    port, page_port, prefix = free_port(), free_port(), request.param
    # The lines that users copy are those that are tested.
    shown = (Path(__file__).parents[2] / "docs/web.md").read_text("utf-8")
    match = re.search(r"```nginx\n(.*?)```", shown, re.DOTALL)
    assert match is not None
    location = match[1].replace("/radio/", f"{prefix}/").replace("8757", str(page_port))
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, location=location), "utf-8")
    url = f"https://localhost:{port}{prefix}"
    with bus() as endpoint:
        site = serve(
            *("--connect", endpoint, "--login-file", login, "--allow-control"),
            *("--listen", f"127.0.0.1:{page_port}", "--public-url", url),
            url=url,
        )
        CONTEXTS[url] = ssl.create_default_context(cafile=certificate)
        site.client = httpx.Client(base_url=url, timeout=60, verify=CONTEXTS[url])
        nginx = subprocess.Popen(["nginx", "-c", config, "-p", folder])
        try:
            until(lambda: _answers(site))
            yield site
        finally:
            nginx.terminate()
            nginx.wait()
            site.close()


def _answers(site: Site) -> bool:
    try:
        return site.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def test_the_login_works_with_the_prefix_and_over_tls(proxied: Site) -> None:
    prefix = httpx.URL(proxied.url).path.rstrip("/")
    sent_to = proxied.get("/", headers={"Accept": "text/html"})
    assert sent_to.status_code == 303
    assert sent_to.headers["location"].startswith(f"{prefix}/login")
    form = proxied.get("/login")
    assert f'action="{prefix}/login"' in form.text
    origin = proxied.url.removesuffix(prefix)
    answer = proxied.log_in(PASSWORD, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"{prefix}/"
    cookie = answer.headers["set-cookie"].lower()
    assert "secure" in cookie
    assert f"path={prefix or '/'};" in f"{cookie};"
    assert "strict-transport-security" in answer.headers
    page = proxied.get("/")
    assert page.status_code == 200
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
    assert links
    for link in links:
        assert link.startswith(f"{prefix}/")
        assert proxied.client.get(origin + link.replace("&amp;", "&")).status_code != 404, link
    reader = EventReader(
        proxied.url,
        "/api/events?station=kitchen",
        {"Cookie": f"streamgenre={proxied.client.cookies['streamgenre']}"},
        verify=CONTEXTS[proxied.url],
    )
    until(lambda: len(reader.of("update")) > 3)
    reader.close()
    evil = {"Origin": "https://evil.example"}
    assert proxied.post("/logout", data={}, headers=evil).status_code == 403


def test_attempts_are_limited_for_each_client_of_the_proxy(proxied: Site) -> None:
    """nginx adds the true address at the end; what the client says before it counts nothing."""
    answers: list[int] = []
    while not answers or answers[-1] != 429:
        forged = {"X-Forwarded-For": f"203.0.113.{len(answers)}"}
        answers.append(proxied.log_in("wrong password", headers=forged).status_code)
        assert len(answers) < 20
    assert len(answers) >= 5
