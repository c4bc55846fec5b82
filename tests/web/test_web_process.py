"""``listen --web``: the page beside the daemon, in a process of its own."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from support.commands import free_endpoint, start, streamgenre
from support.live import KeyRing, bus, end, spawn_bus, until
from support.radio_server import free_port
from support.web_site import serve

from streamgenre.client.subscriber import Subscriber

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@contextmanager
def listening(*flags: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run ``listen --web`` on the demo; yield the process, the page's URL and the bus."""
    port, endpoint = free_port(), free_endpoint()
    process = start(
        *("listen", "--input", "demo", "--no-dashboard", "--quiet", "--log-level", "warning"),
        *("--web", f":{port}", "--publish", endpoint, *flags),
    )
    try:
        yield process, f"http://127.0.0.1:{port}", endpoint
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def get(url: str) -> httpx.Response | None:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=60)
    return None


def is_ready(url: str) -> bool:
    answer = get(f"{url}/readyz")
    return answer is not None and answer.status_code == 200


def web_process(daemon: subprocess.Popen[str]) -> psutil.Process:
    """Return the web process of a daemon."""

    def found() -> psutil.Process | None:
        for each in psutil.Process(daemon.pid).children():
            with suppress(psutil.Error):
                if "--supervised" in each.cmdline():
                    return each
        return None

    process: psutil.Process = until(found)
    return process


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Yield a daemon with its page for the tests that do not end it."""
    with listening() as found:
        yield found


def test_the_page_is_restarted_and_listening_does_not_notice(
    shared: tuple[subprocess.Popen[str], str, str],
) -> None:
    daemon, url, endpoint = shared
    with Subscriber(endpoint, types=["update"]) as events:
        until(lambda: is_ready(url))
        first = web_process(daemon)
        heard: list[Any] = []

        def pump() -> None:
            while (event := events.receive(timeout=0)) is not None:
                heard.append(event)

        until(lambda: len(heard) >= 2, pump=pump)
        for _ in range(2):
            web_process(daemon).send_signal(signal.SIGKILL)
            until(lambda: is_ready(url), pump=pump)
        assert web_process(daemon).pid != first.pid
        count = len(heard)
        until(lambda: len(heard) > count + 2, pump=pump)
        assert events.missed == 0
        sequence = [event.seq for event in heard]
        assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
        assert len({event.session for event in heard}) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_page_ends_with_the_daemon(number: signal.Signals) -> None:
    with listening() as (daemon, url, _):
        until(lambda: is_ready(url))
        page = web_process(daemon)
        if number == signal.SIGTERM:
            page.send_signal(signal.SIGKILL)
            until(lambda: is_ready(url))
            page = web_process(daemon)
        daemon.send_signal(number)
        until(lambda: not page.is_running() or page.status() == psutil.STATUS_ZOMBIE)
        _, errors = daemon.communicate(timeout=60)
        if number == signal.SIGTERM:
            assert "the web page has ended (killed by signal 9); it starts again" in errors
            assert daemon.returncode == 0


def test_the_daemon_serves_no_http_itself(
    shared: tuple[subprocess.Popen[str], str, str],
) -> None:
    daemon, url, _ = shared
    until(lambda: is_ready(url))
    maps = Path(f"/proc/{daemon.pid}/maps").read_text("utf-8")
    page = Path(f"/proc/{web_process(daemon).pid}/maps").read_text("utf-8")
    assert "numpy" in maps
    assert not re.search("numpy|onnxruntime|libav|libswresample", page)
    port = int(url.rpartition(":")[2])
    # Its only share in the page is the listening socket.
    assert [
        each.status
        for each in psutil.Process(daemon.pid).net_connections("tcp")
        if each.laddr.port == port
    ] == ["LISTEN"]


def test_an_encrypted_bus_admits_the_page(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    with listening("--encrypt", "--keys", keys.daemon) as (_, url, _endpoint):
        until(lambda: is_ready(url))


def test_a_page_of_its_own_reads_an_encrypted_bus(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    with bus("tcp://127.0.0.1:*", "--keys", keys.daemon) as endpoint:
        key = ("--server-key", keys.server_key)
        site = serve("--connect", endpoint, *key, "--keys", keys.alices)
        try:
            site.ready()
            assert "kitchen" in site.get("/").text
        finally:
            site.close()
        refused = serve("--connect", endpoint)
        try:
            until(lambda: "--server-key" in refused.get("/readyz").text)
        finally:
            refused.close()
    done = streamgenre("web", "--connect", endpoint, *key, "--keys", tmp_path / "none")
    assert done.returncode == 1
    assert "streamgenre keys new" in done.stderr


def test_an_address_in_use_is_found_at_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = streamgenre(
            *("listen", "--input", "demo", "--duration", "1", "--publish", "tcp://127.0.0.1:*"),
            *("--web", f":{port}"),
        )
        alone = streamgenre("web", "--no-live", "--listen", f":{port}")
    for each in (done, alone):
        assert each.returncode == 2
        assert "address already in use; take another port" in each.stderr
        assert "Traceback" not in each.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--web", "0.0.0.0:0"], "streamgenre web passwd"),
        (["--web", "nonsense"], "expected :PORT or HOST:PORT"),
        (["--web", "127.0.0.1:99999"], "65535"),
    ],
)
def test_listen_refuses_a_wrong_address_in_words(
    flags: list[str], words: str, tmp_path: Path
) -> None:
    done = streamgenre(
        *("listen", "--input", "demo", "--duration", "1", "--publish", "tcp://127.0.0.1:*"),
        *flags,
        env={"XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_the_configuration_starts_the_page(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.toml"
    config.write_text(
        f"""
bus.publish = "{free_endpoint()}"
[web]
listen = "127.0.0.1:{port}"
language = "de"
public_url = "http://127.0.0.1:{port}/radio"
login = "proxy"
[[station]]
name = "demo"
input = "demo"
""",
        "utf-8",
    )
    process = start("listen", "--config", config, "--quiet")
    try:
        url = f"http://127.0.0.1:{port}/radio"
        until(lambda: is_ready(url))
        page = httpx.get(url, timeout=60)
        assert 'lang="de"' in page.text
        assert 'href="/radio/static/style.css"' in page.text
        assert httpx.get(f"{url}/static/style.css", timeout=60).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[web]\nlisten = 8757", "web.listen"),
        ('[web]\nport = "x"', "unknown key 'port' in [web]"),
        ('[web]\npublic_url = "ftp://x"', "expected https://HOST"),
        ('[web]\npublic_url = "https://müller.example/x"', "send it: xn--mller-kva.example"),
        ('[web]\nlanguage = "tlh"', "expected one of de, en"),
        ('[web]\nhosts = "a b, c"', "is not a host name"),
        ('[web]\nproxies = "studio"', "is not an IP address"),
        ('[web]\nlogin = "none"', "expected one of auto, proxy"),
        ('web = "x"', "expected a table"),
        ("[web\n", "not valid TOML"),
    ],
)
def test_a_broken_configuration_is_explained(table: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"{table}\n", "utf-8")
    commands = [["web", "--no-live"], ["listen", "--input", "demo", "--duration", "1"]]
    for command in commands if re.search("port|tlh", table) else commands[:1]:
        done = streamgenre(*command, "--config", config)
        assert done.returncode == 2, done.stderr
        assert re.search(re.escape(words.partition(".")[2] or words), done.stderr), done.stderr
        assert "Traceback" not in done.stderr


# ---- readiness ----------------------------------------------------------------------------------


def test_a_stalled_engine_is_not_ready(
    shared: tuple[subprocess.Popen[str], str, str],
) -> None:
    daemon, url, _ = shared
    until(lambda: is_ready(url))
    daemon.send_signal(signal.SIGSTOP)
    try:
        until(lambda: not is_ready(url))
        answer = httpx.get(f"{url}/readyz", timeout=60)
        assert answer.status_code == 503
        assert "the daemon is away: nothing received for" in answer.json()["reasons"][0]
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
    finally:
        daemon.send_signal(signal.SIGCONT)
    until(lambda: is_ready(url))


def test_a_page_without_its_daemon_says_so_and_recovers() -> None:
    endpoint = free_endpoint()
    site = serve("--connect", endpoint)
    try:
        answer = site.get("/readyz")
        assert answer.status_code == 503
        assert "no connection to the daemon yet" in answer.json()["reasons"][0]
        assert site.get("/").status_code == 200
        process, _ = spawn_bus(endpoint)
        site.ready()
        end(process)
        until(lambda: site.get("/readyz").status_code == 503)
        assert site.get("/api/stations").json()["bus"]["state"] == "lost"
        process, _ = spawn_bus(endpoint)
        try:
            site.ready()
        finally:
            end(process)
    finally:
        site.close()


def test_the_history_alone_needs_no_daemon(tmp_path: Path) -> None:
    site = serve("--no-live", "--history", tmp_path / "none.sqlite3")
    try:
        assert site.get("/readyz").status_code == 200
        assert site.get("/api/stations").json()["bus"]["state"] == "none"
    finally:
        site.close()
