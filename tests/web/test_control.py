"""Changes of the daemon by the page, with and without ``--allow-control``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser import tab
from support.commands import free_endpoint
from support.live import until
from support.web_site import EventReader, LiveDaemon, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def page(daemon: LiveDaemon) -> Iterator[Site]:
    site = serve("--connect", daemon.endpoint, "--control", daemon.control, "--allow-control")
    site.ready()
    try:
        yield site
    finally:
        site.close()


def token(site: Site) -> dict[str, str]:
    return {"X-CSRF-Token": site.get("/api/session").json()["csrf"]}


def test_a_station_is_reset(page: Site) -> None:
    assert page.get("/api/session").json()["control"] is True
    reader = EventReader(page.url, "/api/events?station=demo&types=segment")
    done = page.post("/api/control/reset", json={"station": "demo"}, headers=token(page))
    assert done.status_code == 200, done.text
    assert done.json()["ok"] is True
    reader.close()


def test_the_configuration_is_read_again(page: Site) -> None:
    done = page.post("/api/control/reload", json={}, headers=token(page))
    assert done.status_code == 200, done.text
    assert "config" in done.json()["result"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"station": "nobody"}', "application/json", 502),
        (b'{"station": 3}', "application/json", 400),
        (b'{"station": "demo", "more": 1}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"station": "demo"}', "text/plain", 400),
        (b'{"station": "' + b"x" * 100_000 + b'"}', "application/json", 413),
    ],
)
def test_wrong_bodies_are_refused_in_words(page: Site, body: bytes, kind: str, status: int) -> None:
    headers = token(page) | {"Content-Type": kind}
    answer = page.post("/api/control/reset", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_the_menu_of_the_page_changes_the_daemon(page: Site, browser: Browser) -> None:
    with tab(browser, f"{page.url}/?station=demo") as seen:
        seen.ready()
        for button, words in (("reset", "The station was reset."), ("reload", "configuration")):
            seen.page.click(".menu summary")
            seen.page.click(f"[data-control={button}]")
            seen.until(f"() => document.querySelector('#notices').innerText.includes('{words}')")
            seen.page.click("#notices button")
        seen.check()
    with tab(browser, f"{page.url}/?station=nobody") as seen:
        seen.page.click(".menu summary")
        seen.page.click("[data-control=reset]")
        seen.until("() => document.querySelector('#notices').innerText.includes('Nothing was')")


def test_without_the_token_of_the_page_nothing_is_changed(page: Site) -> None:
    for headers in ({}, {"X-CSRF-Token": "0" * 64}):
        answer = page.post("/api/control/reset", json={"station": "demo"}, headers=headers)
        assert answer.status_code == 403


def test_a_page_is_read_only_unless_told_otherwise(site: Site) -> None:
    answer = site.post("/api/control/reset", json={"station": "demo"}, headers=token(site))
    assert answer.status_code == 403
    assert "data-control" not in site.get("/?station=demo").text
    assert "--allow-control" in answer.json()["error"]["message"]


def test_a_daemon_without_a_control_endpoint_is_reported(daemon: LiveDaemon) -> None:
    more = ("--control", free_endpoint(), "--allow-control")
    site = serve("--connect", daemon.endpoint, *more)
    try:
        site.ready()
        answer = site.post("/api/control/reload", json={}, headers=token(site))
        assert answer.status_code == 502
        assert "no answer from" in answer.json()["error"]["message"]
        until(lambda: site.get("/readyz").status_code == 200)
    finally:
        site.close()
