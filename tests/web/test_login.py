"""Login, sessions, tokens, CSRF: every promise of docs/security.md about the page."""

from __future__ import annotations

import os
import pty
import re
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from support.commands import COMMAND, free_endpoint, streamgenre
from support.live import bus, until
from support.web_site import EventReader, Site, serve

from streamgenre.web import auth
from streamgenre.web.auth import SESSION_S
from streamgenre.web.logins import add_token, read_logins, set_password

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct horse 12"


@pytest.fixture(scope="module")
def login_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("login") / "login.json"
    done = streamgenre("web", "passwd", "--login-file", path, stdin=f"{PASSWORD}\n".encode())
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def guarded(login_file: Path) -> Iterator[Site]:
    """Yield a page with a password that other machines can reach."""
    with bus() as endpoint:
        site = serve(
            *("--connect", endpoint, "--login-file", login_file, "--allow-control"),
            *("--listen", "0.0.0.0:0", "--control", free_endpoint()),
        )
        try:
            yield site
        finally:
            site.close()


def fresh(site: Site) -> httpx.Client:
    return httpx.Client(base_url=site.url, timeout=60)


def logged_in(site: Site) -> httpx.Client:
    client = fresh(site)
    answer = client.post("/login", data={"password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def test_the_file_is_for_its_owner_only_and_holds_no_password(login_file: Path) -> None:
    assert stat.S_IMODE(login_file.stat().st_mode) == 0o600
    assert PASSWORD not in login_file.read_text("utf-8")
    assert "scrypt:" in login_file.read_text("utf-8")


@pytest.mark.parametrize(
    "path", ["/api/stations", "/api/events", "/api/openapi.json", "/metrics", "/api/session", "/x"]
)
def test_nothing_is_shown_without_a_login(guarded: Site, path: str) -> None:
    answer = fresh(guarded).get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "kitchen" not in answer.text


def test_people_are_sent_to_the_login_page_and_back(guarded: Site) -> None:
    client = fresh(guarded)
    answer = client.get("/?view=big&station=a%20b", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    shown = client.get(answer.headers["location"])
    assert shown.status_code == 200
    after = re.search(r'name="next" value="([^"]+)"', shown.text)
    assert after is not None
    path = after[1].replace("&amp;", "&")
    done = client.post("/login", data={"password": PASSWORD, "next": path})
    assert done.status_code == 303
    assert done.headers["location"] == "/?view=big&station=a%20b"
    assert client.get("/").status_code == 200


def test_a_session_is_in_a_cookie_that_scripts_and_other_sites_do_not_get(guarded: Site) -> None:
    answer = fresh(guarded).post("/login", data={"password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_leads_to_no_other_site(guarded: Site, target: str) -> None:
    answer = fresh(guarded).post("/login", data={"password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


def test_a_forged_or_old_session_is_refused(guarded: Site) -> None:
    client = logged_in(guarded)
    value = client.cookies["streamgenre"]
    ends, name, signature = value.split(".")
    wrong = [
        f"{int(ends) + 1}.{name}.{signature}",
        f"{ends}.x{name}.{signature}",
        f"{ends}.{name}.{'0' * 64}",
        f"0.{name}.{signature}",
        *("", ".", "..", "é.é.é", f"{ends}.{name}", "9" * 400 + "." + name),
    ]
    for each in wrong:
        cookie = f"streamgenre={each}".encode()
        answer = fresh(guarded).get("/api/stations", headers=[(b"Cookie", cookie)])
        assert answer.status_code == 401


def test_the_cookie_of_another_page_on_this_host_ends_no_session(guarded: Site) -> None:
    """One at ``/`` is sent to a page with a prefix too."""
    mine = f"streamgenre={logged_in(guarded).cookies['streamgenre']}"
    for cookie in (f"{mine}; streamgenre=1.x.y", f"streamgenre=1.x.y; a=b;{mine}"):
        answer = fresh(guarded).get("/api/stations", headers={"Cookie": cookie})
        assert answer.status_code == 200
    many = "; ".join(["streamgenre=1.x.y"] * 1000)
    answer = fresh(guarded).get("/api/stations", headers={"Cookie": f"{many}; {mine}"})
    assert answer.status_code == 401


def test_logging_out_ends_the_session_everywhere(guarded: Site) -> None:
    client = logged_in(guarded)
    cookie = {"Cookie": f"streamgenre={client.cookies['streamgenre']}"}
    token = client.get("/api/session").json()["csrf"]
    assert client.post("/logout", data={"csrf": "wrong"}).status_code == 403
    assert client.get("/api/stations").status_code == 200
    assert client.post("/logout", data={"csrf": token}).status_code == 303
    assert fresh(guarded).get("/api/stations", headers=cookie).status_code == 401


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link.json", tmp_path / "login.json"
    link.symlink_to(path)
    set_password(link, PASSWORD)
    add_token(link, "kitchen")
    assert link.is_symlink()
    logins = read_logins(path)
    assert logins is not None
    assert logins.accepts(PASSWORD)
    assert set(logins.tokens) == {"kitchen"}


def test_logging_out_of_an_old_session_ends_it(guarded: Site, login_file: Path) -> None:
    """Using a session in its second half renews it; leaving it must not."""
    logins = read_logins(login_file)
    assert logins is not None
    ends = int(time.time()) + SESSION_S // 3
    client = fresh(guarded)
    value = f"{ends}.old.{auth._signature(logins, ends, 'old')}"
    old = {"Cookie": f"streamgenre={value}"}
    answer = client.get("/api/session", headers=old)
    assert answer.headers["set-cookie"].startswith("streamgenre=")
    client.cookies.clear()
    csrf = {"csrf": answer.json()["csrf"]}
    left = client.post("/logout", data=csrf, headers=old)
    assert left.status_code == 303
    [cookie] = left.headers.get_list("set-cookie")
    assert "Max-Age=0" in cookie
    assert fresh(guarded).get("/api/stations", headers=old).status_code == 401


def test_a_page_without_a_password_says_how_to_set_one(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    done = streamgenre("web", "token", "new", "kitchen", "--login-file", path)
    assert done.returncode == 0, done.stderr
    site = serve("--no-live", "--history", tmp_path / "none", "--login-file", path)
    try:
        assert "streamgenre web passwd" in site.get("/login").text
        assert "streamgenre web passwd" in site.log_in("anything").text
    finally:
        site.close()


def test_health_is_public_but_says_nothing_about_stations(guarded: Site) -> None:
    assert fresh(guarded).get("/healthz").json()["status"] == "ok"
    assert set(fresh(guarded).get("/readyz").json()) == {"ready"}


def test_a_token_lets_a_program_in_until_it_is_revoked(guarded: Site, login_file: Path) -> None:
    made = streamgenre("web", "token", "new", "script", "--login-file", login_file)
    token = made.stdout.strip()
    assert token not in login_file.read_text("utf-8")
    headers = {"Authorization": f"Bearer {token}"}
    assert fresh(guarded).get("/api/stations", headers=headers).status_code == 200
    reader = EventReader(guarded.url, "/api/events", headers)
    until(lambda: reader.of("update"))
    listed = streamgenre("web", "token", "list", "--json", "--login-file", login_file)
    assert '"script"' in listed.stdout
    assert streamgenre("web", "token", "revoke", "scrip", "--login-file", login_file).returncode
    done = streamgenre("web", "token", "revoke", "script", "--login-file", login_file)
    assert done.returncode == 0
    assert fresh(guarded).get("/api/stations", headers=headers).status_code == 401
    until(reader.ended.is_set)  # an open stream ends too
    reader.close()


def test_a_change_needs_the_csrf_token_of_the_session(guarded: Site) -> None:
    client, other = logged_in(guarded), logged_in(guarded)
    session = client.get("/api/session").json()
    assert session["login"] == "session"
    foreign = other.get("/api/session").json()["csrf"]
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "é"}, {"X-CSRF-Token": foreign}):
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = client.post("/api/control/reload", json={}, headers=sent)
        assert answer.status_code == 403, headers
        assert "CSRF" in answer.json()["error"]["message"]
    page = client.get("/")
    assert f'<meta name="csrf" content="{session["csrf"]}">' in page.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 303),
    ],
)
def test_other_sites_cannot_log_anyone_in(
    guarded: Site, headers: dict[str, str], status: int
) -> None:
    answer = fresh(guarded).post("/login", data={"password": PASSWORD}, headers=headers)
    assert answer.status_code == status


def test_a_new_password_ends_all_sessions(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    set_password = ("web", "passwd", "--login-file", path)
    streamgenre(*set_password, stdin=b"first password\n")
    site = serve("--no-live", "--login-file", path)
    try:
        assert site.log_in("first password").status_code == 303
        assert site.get("/api/stations").status_code == 200
        streamgenre(*set_password, stdin=b"second password\n")
        assert site.get("/api/stations").status_code == 401
        assert site.log_in("first password").status_code == 401
        assert site.log_in("second password").status_code == 303
        path.chmod(0o644)
        assert site.get("/api/stations").status_code == 401
    finally:
        site.close()


def test_attempts_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    streamgenre("web", "passwd", "--login-file", path, stdin=f"{PASSWORD}\n".encode())
    site = serve("--no-live", "--login-file", path)
    try:
        answers = [site.log_in(f"wrong password {number}") for number in range(5)]
        assert [each.status_code for each in answers] == [401] * 5
        while answers[-1].status_code != 429:  # a slow machine grants one more now and then
            answers.append(site.log_in("wrong password"))
            assert len(answers) < 20
        assert int(answers[-1].headers["retry-after"]) >= 1
        # The right password does not help either, whatever a client says about its address.
        refused = site.log_in(PASSWORD, headers={"X-Forwarded-For": "203.0.113.7"})
        assert refused.status_code == 429
    finally:
        site.close()


def test_the_password_is_asked_for_twice_in_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    for second, code in (("another one", 2), (PASSWORD, 0)):
        child, terminal = pty.fork()
        if child == 0:  # pragma: no cover - the other process
            os.execv(COMMAND[0], [*COMMAND, "web", "passwd", "--login-file", str(path)])
        shown = b""
        answers = {b"password: ": PASSWORD, b"again: ": second}
        with suppress(OSError):  # the terminal closes with its process
            while part := os.read(terminal, 1000):
                shown += part
                for question in list(answers):
                    if shown.endswith(question):
                        os.write(terminal, f"{answers.pop(question)}\n".encode())
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code, shown
        assert PASSWORD.encode() not in shown
        assert path.exists() == (code == 0)


# ---- refusals in words --------------------------------------------------------------------------


def test_a_language_without_texts_is_refused() -> None:
    done = streamgenre("web", "--no-live", "--listen", "127.0.0.1:0", "--language", "tlh")
    assert done.returncode == 2
    assert "--language tlh: expected one of de, en" in done.stderr


def test_other_machines_are_not_served_without_a_login(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    for where in (
        ["--listen", "0.0.0.0:0"],
        ["--listen", "[::]:0"],
        ["--public-url", "https://studio.example/radio"],
    ):
        done = streamgenre("web", "--login-file", path, "--no-live", *where)
        assert done.returncode == 2
        assert "streamgenre web passwd" in done.stderr
    done = streamgenre("web", "--no-live", "--listen", "0.0.0.0:0", "--login", "proxy")
    assert done.returncode == 2
    assert "around the proxy" in done.stderr


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("{}", 0o600, "is damaged"),
        ("[" * 100_000, 0o600, "is damaged"),
        ('{"password": "plain", "tokens": {}, "secret": "' + "x" * 40 + '"}', 0o600, "is damaged"),
        ('{"password": null, "tokens": {}, "secret": "' + "x" * 40 + '"}', 0o640, "has mode 640"),
    ],
)
def test_a_login_file_that_cannot_be_trusted_is_refused(
    tmp_path: Path, content: str, mode: int, words: str
) -> None:
    path = tmp_path / "login.json"
    path.write_text(content, "utf-8")
    path.chmod(mode)
    done = streamgenre("web", "--no-live", "--listen", "127.0.0.1:0", "--login-file", path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["passwd"], b"short\n", "expected 8 to 1000"),
        (["passwd"], b"", "no password on standard input"),
        (["passwd"], b"x" * 5000, "expected 8 to 1000"),
        (["passwd", "--remove"], b"", "there is no password"),
        (["token", "new", "a b"], b"", "is not a name for a token"),
        (["token", "revoke", "x"], b"", "there is no token 'x'"),
    ],
)
def test_wrong_input_is_refused_in_words(
    tmp_path: Path, arguments: list[str], stdin: bytes, words: str
) -> None:
    path = tmp_path / "login.json"
    done = streamgenre("web", *arguments, "--login-file", path, stdin=stdin)
    assert done.returncode == 2
    assert words in done.stderr
    assert not path.exists()
