"""The page on which clips are labelled: who may, and with which keys."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import tab
from support.clips import new_clip
from support.commands import streamgenre
from support.web_site import Site, serve

from streamgenre.clips.adding import add
from streamgenre.clips.forgetting import forget_all
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

PASSWORD = "correct horse 12"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "config.toml").write_text(f'[clips]\nfolder = "{folder / "clips"}"\n')
    done = streamgenre(
        *("web", "passwd", "--login-file", folder / "login.json"), stdin=f"{PASSWORD}\n".encode()
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[Site]:
    """Yield a page of clips, logged in."""
    flags = ("--no-live", "--config", place / "config.toml", "--allow-control")
    found = serve(*flags, "--login-file", place / "login.json")
    assert found.log_in(PASSWORD).status_code == 303
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def store(place: Path) -> Iterator[ClipStore]:
    with closing(ClipStore(place / "clips", create=True)) as store:
        forget_all(store.folder)
        for uncertainty in (0.9, 0.8, 0.7, 0.6):
            clip = new_clip(uncertainty, station="<b>kitchen</b>")
            add(store, clip, ClipSettings(seconds=3.0))
        yield store


def labels(store: ClipStore) -> dict[float, str | None]:
    return {clip.facts.uncertainty: clip.label for clip in store.clips()}


def change(site: Site, **body: Any) -> Any:
    token = {"X-CSRF-Token": site.get("/api/session").json().get("csrf", "")}
    return site.post("/api/clips/change", json=body, headers=token)


def test_only_those_who_log_in_where_changes_are_allowed_hear_clips(
    place: Path, store: ClipStore, site: Site
) -> None:
    number = store.clips()[0].id
    paths = ("/clips", "/api/clips", f"/api/clips/audio?id={number}")
    assert [site.get(path).status_code for path in paths] == [200, 200, 200]
    part = site.get(paths[2], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    assert part.headers["content-type"] == "audio/flac"
    assert 'href="/clips"' in site.get("/clips").text
    config = ("--no-live", "--config", place / "config.toml")
    for flags, expected in (
        (("--login-file", place / "login.json", "--allow-control"), 401),  # not logged in
        (("--login-file", place / "none.json", "--allow-control"), 403),  # no login at all
        (("--login-file", place / "none.json"), 403),
    ):
        other = serve(*config, *flags)
        try:
            assert {other.get(path).status_code for path in paths} == {expected}, flags
            assert change(other, id=number, do="delete").status_code in (401, 403)
            if expected == 403:
                assert 'href="/clips"' not in other.get("/").text
        finally:
            other.close()
    assert len(store.clips()) == 4


def test_a_change_needs_the_token_of_the_session(store: ClipStore, site: Site) -> None:
    body = {"id": store.clips()[0].id, "do": "label", "label": "jazz"}
    assert site.post("/api/clips/change", json=body).status_code == 403
    assert labels(store)[0.9] is None


def test_clips_are_labelled_skipped_and_deleted(store: ClipStore, site: Site) -> None:
    first, second, third, _ = (clip.id for clip in store.clips())
    assert change(site, id=first, do="label", label="JAZZ").status_code == 200
    assert change(site, id=first, do="label", label="rock").status_code == 409
    refused = change(site, id=second, do="label", label="k-pop")
    assert refused.status_code == 400
    assert "is not a genre" in refused.json()["error"]["message"]
    assert change(site, id=second, do="label", label="k-pop", new=True).status_code == 200
    assert change(site, id=third, do="delete").status_code == 200
    assert labels(store) == {0.9: "jazz", 0.8: "k-pop", 0.6: None}
    assert change(site, id=first, do="unlabel").status_code == 200
    assert labels(store)[0.9] is None
    assert site.get(f"/api/clips/audio?id={third}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "1", "do": "skip"},
        {"id": True, "do": "skip"},
        {"id": 1, "do": "play"},
        {"id": 1, "do": "label"},
        {"id": 1, "do": "skip", "label": "jazz"},
        {"id": 1, "do": "skip", "more": 1},
        {"id": -1, "do": "delete"},
    ],
)
def test_wrong_bodies_are_refused_in_words(
    store: ClipStore, site: Site, body: dict[str, Any]
) -> None:
    answer = change(site, **body)
    assert answer.status_code == 400, answer.text
    assert "expected" in answer.json()["error"]["message"]


def test_keys_label_clip_after_clip(store: ClipStore, site: Site, browser: Browser) -> None:
    with tab(browser, f"{site.url}/login?next=/clips") as seen:
        page = seen.page
        page.fill("#password", PASSWORD)
        page.click("form.login button")
        seen.until("() => document.querySelector('#waiting')?.textContent.startsWith('4')")
        assert "<b>kitchen</b>" in seen.text("#station")
        assert "Ella – Blue Moon" in seen.text("#title")
        seen.until("() => document.querySelector('#audio').duration > 2.9")
        for key, left in (("1", 3), ("n", 2), ("s", 1), ("u", 2), ("s", 1)):
            page.keyboard.press(key)
            seen.until(f"() => document.querySelector('#waiting').textContent.startsWith('{left}')")
        page.once("dialog", lambda dialog: dialog.accept())
        page.fill("#genre", "polka")
        page.keyboard.press("Enter")
        seen.until("() => !document.querySelector('#none').hidden")
        assert labels(store) == {0.9: "jazz", 0.8: "", 0.7: None, 0.6: "polka"}
        seen.check()
