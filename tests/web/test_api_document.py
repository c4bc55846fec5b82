"""The API against its own OpenAPI document, with requests that schemathesis makes up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from support.commands import streamgenre
from support.fuzzing import examples
from support.histories import record
from support.history_programme import Programme
from support.live import bus
from support.web_site import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis.schemas import BaseSchema

ENDLESS = r"/api/(events|spectrum)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a page that needs a token; its client and the headers below have one."""
    folder: Path = tmp_path_factory.mktemp("api")
    path = folder / "login.json"
    token = streamgenre("web", "token", "new", "test", "--login-file", path).stdout.strip()
    record(folder / "history.sqlite3", Programme("kitchen", start=time.time() - 900).day(600))
    with bus("tcp://127.0.0.1:*", "--stations", "kitchen,a/b") as endpoint:
        found = serve(
            *("--connect", endpoint, "--login-file", path, "--allow-control"),
            *("--history", folder / "history.sqlite3"),
        )
        found.ready()
        found.client.headers["Authorization"] = f"Bearer {token}"
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def api(site: Site) -> BaseSchema:
    document = site.get("/api/openapi.json").json()
    return schemathesis.openapi.from_dict(document).exclude(path_regex=ENDLESS)


@given(data=st.data())
@examples(150)
def test_the_api_keeps_to_its_document(data: st.DataObject, api: BaseSchema, site: Site) -> None:
    """Status codes, media types and schemas of answers; wrong requests are refused."""
    operations = [each.ok() for each in api.get_all_operations() if isinstance(each, Ok)]
    operation = data.draw(st.sampled_from(operations))
    mode = data.draw(st.sampled_from(list(GenerationMode)))
    try:
        case = data.draw(operation.as_strategy(generation_mode=mode))
    except Unsatisfiable:  # nothing about it can be wrong
        return
    headers = {"Authorization": site.client.headers["Authorization"]}
    # 502 and 503 are in the document, 500 is not.
    excluded = [schemathesis.checks.not_a_server_error]
    if operation.path.startswith("/api/history/"):  # a schema cannot say which texts are times
        excluded.append(positive_data_acceptance)
    case.call_and_validate(base_url=site.url, headers=headers, timeout=60, excluded_checks=excluded)


def test_the_document_names_what_is_served(site: Site) -> None:
    paths = set(site.get("/api/openapi.json").json()["paths"])
    assert {"/api/stations", "/api/stations/{station}", "/api/events", "/healthz"} <= paths
    assert all(
        path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics") for path in paths
    )


def test_every_operation_needs_the_token(site: Site) -> None:
    paths = site.get("/api/openapi.json").json()["paths"]
    with httpx.Client(base_url=site.url, timeout=60) as anyone:
        for path, operations in paths.items():
            for method in operations:
                status = anyone.request(method, path.replace("{station}", "kitchen")).status_code
                assert status == 401 or path in ("/healthz", "/readyz"), (method, path)
