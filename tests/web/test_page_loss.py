"""The live page with made-up stations: loss and return, many stations, hostile text, own genres."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from support.browser import tab
from support.commands import free_endpoint, start
from support.live import bus, end, until
from support.web_site import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FEEDER: Final = Path(__file__).resolve().parents[1] / "support" / "made_up_stations.py"
HOSTILE: Final = (
    "<img src=x onerror=alert(1)>",
    "</script><script>document.title='owned'</script>",
    "{{ 7 * 7 }} ${7 * 7}",
    "__proto__",
    "constructor",
    "a/b?c=d&e=f#g%20h",
    "\"quotes' `and` \\back",
    "right-to-left \u202eevil\u202c",
    "zalgo " + "e\u0301\u0302\u0303\u0304\u0305\u0306\u0307" * 8,
    "long " + "x" * 300,
    "日本語ラジオ 📻",
    "javascript:alert(1)",
    "\u200b",
)


@contextmanager
def feed(endpoint: str, *flags: str | Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(FEEDER), endpoint, *map(str, flags)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip()
    try:
        yield process
    finally:
        end(process)


def shows(site: Site, count: int) -> None:
    """Wait until the web process knows so many stations."""
    until(
        lambda: (
            [
                "update" in one for one in site.get("/api/stations?limit=1000").json()["stations"]
            ].count(True)
            >= count
        )
    )


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a web process with 100 stations, the first of them with hostile names."""
    names = tmp_path_factory.mktemp("names") / "names.json"
    names.write_text(json.dumps(HOSTILE))
    endpoint = free_endpoint()
    with feed(endpoint, "--stations", "100", "--names", names):
        site = serve("--connect", endpoint)
        try:
            shows(site, 100)
            yield site
        finally:
            site.close()


def test_a_hundred_stations_are_shown_and_found(hundred: Site, browser: Browser) -> None:
    with tab(browser, hundred.url) as found:
        found.ready()
        found.until("() => document.querySelectorAll('.card').length === 100")
        found.until("() => document.querySelector('#summary').innerText.includes('100 live')")
        found.page.fill("#filter", "Station 77")
        # Titles match too, and some made-up ones name a station.
        names = "[...document.querySelectorAll('.card h2')].map((name) => name.innerText)"
        found.until(f"() => {names}.includes('Station 77') && {names}.length < 20")
        found.page.fill("#filter", "no such thing")
        found.until("() => !document.querySelector('#nothing-found').hidden")
        found.page.fill("#filter", "")
        found.until("() => document.querySelectorAll('.card').length === 100")
        # Cards out of sight are not drawn; frames are shared by all the others.
        drawn = found.value("""() => new Promise((done) => {
          let records = 0;
          const watch = new MutationObserver((list) => {
            records += list.filter((one) => one.target.closest('.card')).length;
          });
          watch.observe(document.body, { subtree: true, childList: true, attributes: true });
          setTimeout(() => done(records), 2000);
        })""")
        seen = found.value(
            "() => [...document.querySelectorAll('.card')].filter(c => c.card.visible).length"
        )
        assert 0 < seen < 60
        # At most: level, meter, confidence, song, genre, letter, and the ribbon's words.
        assert drawn < 2.5 * seen * 10
        found.check()


def test_hostile_names_and_titles_are_text(hundred: Site, browser: Browser) -> None:
    with tab(browser, hundred.url) as found:
        found.ready()
        found.until("() => document.querySelectorAll('.card').length === 100")
        names = found.value(
            "() => [...document.querySelectorAll('.card h2')].map(h => h.textContent)"
        )
        for name in HOSTILE[:7]:
            assert name in names
        assert "right-to-left evil" in names
        assert not any(char in "".join(names) for char in "\u202e\u202c\u200b")
        assert found.value("() => document.querySelectorAll('main img, main script').length") == 0
        found.until("() => document.querySelector('.tags:not([hidden])').innerText.includes('<i>')")
        songs = "[...document.querySelectorAll('.card .song')].map((one) => one.textContent).join()"
        found.until(f"() => /by <img|by <.script>|by {{{{ 7|by __proto__/.test({songs})")
        assert "49" not in next(name for name in names if "7 * 7" in name)
        found.check()
        # The link of each leads to its station.
        for name in HOSTILE:
            link = found.value(
                "(name) => [...document.querySelectorAll('.card')]"
                ".find((card) => card.card.station.name === name).querySelector('a').href",
                name,
            )
            assert link.startswith(hundred.url)
    for name in (HOSTILE[1], HOSTILE[3], HOSTILE[5], HOSTILE[12]):
        with tab(browser, f"{hundred.url}/") as found:
            found.ready()
            found.until("() => document.querySelectorAll('.card').length === 100")
            found.value(
                "(name) => [...document.querySelectorAll('.card')]"
                ".find((card) => card.card.station.name === name).querySelector('a').click()",
                name,
            )
            found.until("() => document.body.dataset.scope === 'one'")
            found.ready()
            found.until("() => document.querySelectorAll('.bar-row').length >= 10")
            assert found.page.title() != "owned"
            found.check()


def test_the_daemon_goes_and_returns(browser: Browser) -> None:
    endpoint = free_endpoint()
    site = serve("--connect", endpoint)
    try:
        with tab(browser, site.url) as found:
            found.ready()
            assert "Waiting for events" in found.text("#waiting")
            with feed(endpoint, "--stations", "3"):
                found.until("() => document.querySelectorAll('.card').length === 3")
                found.until("() => /\\d+%/.test(document.querySelector('.card .sure').innerText)")
            found.until(
                "() => document.querySelector('#notices').innerText.includes('has been away')"
            )
            found.until(
                "() => document.querySelector('.card .state').innerText.includes('no update')"
            )
            assert found.text(".card .sure") == ""
            with feed(endpoint, "--stations", "3") as feeder:
                found.until(
                    "() => document.querySelector('#notices').innerText.includes('is back')"
                )
                found.until(
                    "() => document.querySelector('.card .state').innerText.includes('live')"
                )
                assert "been away since" not in found.text("#notices")
                found.until("() => /\\d+%/.test(document.querySelector('.card .sure').innerText)")
                feeder.send_signal(signal.SIGUSR1)  # one station is removed
                found.until("() => document.querySelectorAll('.card').length === 2")
            found.check()
    finally:
        site.close()


def test_lost_events_are_counted_in_words(browser: Browser) -> None:
    session = ("--session", "s", "--hop", "0.2")
    with bus("tcp://127.0.0.1:*", *session) as endpoint:
        site = serve("--connect", endpoint)
        shows(site, 1)
    try:
        with tab(browser, site.url) as found:
            found.ready()
            with bus(endpoint, *session, "--first", "500000"):
                found.until(
                    "() => /[\\d,]+ events did not arrive/.test("
                    "document.querySelector('#notices').innerText)"
                )
                found.until("() => document.querySelector('.decision .sure').innerText !== ''")
            found.check()
    finally:
        site.close()


def test_the_server_goes_and_returns(browser: Browser) -> None:
    endpoint = free_endpoint()
    with feed(endpoint, "--stations", "2"):
        site = serve("--connect", endpoint)
        port = site.url.rpartition(":")[2]
        try:
            shows(site, 2)
            with tab(browser, site.url) as found:
                found.ready()
                found.until("() => document.querySelector('#link').dataset.tone === 'good'")
                site.process.send_signal(signal.SIGKILL)
                site.process.communicate(timeout=60)
                found.until("() => document.querySelector('#link').dataset.tone === 'bad'")
                assert "No connection to the server since" in found.text("#notices")
                site.client.close()
                site = serve("--connect", endpoint, "--listen", f"127.0.0.1:{port}")
                found.until("() => document.querySelector('#link').dataset.tone === 'good'")
                found.until(
                    "() => document.querySelector('#notices').innerText.includes('was away from')"
                )
                found.until(
                    "() => document.querySelector('.card .state').innerText.includes('live')"
                )
                found.check(
                    "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET"
                )
        finally:
            site.close()


def test_troubles_are_shown_with_reason_and_first(browser: Browser) -> None:
    endpoint = free_endpoint()
    site = serve("--connect", endpoint)
    try:
        with feed(endpoint, "--stations", "14", "--troubles", "--past", "20") as feeder:
            until(lambda: site.get("/readyz").status_code == 200)
            assert feeder.stdin is not None
            feeder.stdin.write("go\n")
            feeder.stdin.flush()
            shows(site, 14)
            with tab(browser, site.url) as found:
                found.ready()
                found.until("() => document.querySelector('#summary').innerText.includes('1 lost')")
                found.page.check("#trouble-first")
                found.until(
                    "() => [...document.querySelectorAll('.card .state')].slice(0, 3)"
                    ".every((one) => !one.innerText.includes('live'))"
                )
                words = found.value(
                    "() => [...document.querySelectorAll('.card')].map(c => c.innerText)"
                )
                assert any("the server refused the connection" in text for text in words[:3])
                assert any("dead air" in text and "since" in text for text in words[:3])
                found.check()
    finally:
        site.close()


def test_genres_of_another_model_get_their_colours(browser: Browser, tmp_path: Path) -> None:
    endpoint = free_endpoint()
    labels = ["Hip-Hop", "techno", "folk <b>", "ambient"]
    genres = tmp_path / "genres.json"
    genres.write_text(json.dumps(labels))
    with feed(endpoint, "--stations", "1", "--genres", genres):
        site = serve("--connect", endpoint)
        try:
            shows(site, 1)
            wanted = site.get("/api/genres?station=Studio+1").json()["genres"]
            assert [*wanted] == labels
            assert wanted["Hip-Hop"] == {"color": "#EEE372", "ink": "#000000", "letter": "H"}
            assert len({look["letter"] for look in wanted.values()}) == 4
            with tab(browser, site.url) as found:  # the only station is shown large
                found.ready()
                found.until("() => document.querySelectorAll('.bar-row').length === 5")
                shown = """() => [...document.querySelectorAll('.bar-row')].map((row) => [
                  row.querySelector('[data-field=letter]').textContent,
                  row.style.getPropertyValue('--genre'),
                ]).slice(0, 4)"""
                until(
                    lambda: (
                        found.value(shown) == [[w["letter"], w["color"]] for w in wanted.values()]
                    )
                )
                names = found.value(
                    "() => [...document.querySelectorAll('.bar-row .name')].map(n => n.innerText)"
                )
                assert names == ["Hip-hop", "techno", "folk <b>", "ambient", "Speech"]
                found.check()
            assert site.get("/api/genres?station=nobody").status_code == 404
        finally:
            site.close()


def test_a_session_that_ends_leads_to_the_login(browser: Browser, tmp_path: Path) -> None:
    login = tmp_path / "login.json"

    def set_password(word: str) -> None:
        process = start("web", "passwd", "--login-file", login, stdin=subprocess.PIPE)
        process.communicate(f"{word}\n{word}\n", timeout=60)
        assert process.returncode == 0

    set_password("a first password")
    with bus() as endpoint:
        site = serve("--connect", endpoint, "--login-file", login)
        try:
            with tab(browser, site.url) as found:
                found.page.fill("#password", "a first password")
                found.page.click("form button")
                found.ready()
                set_password("another password")
                found.until("() => document.querySelector('#password')")
                found.check("401 (Unauthorized)")
        finally:
            site.close()
