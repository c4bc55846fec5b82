"""The event stream and the API of a live daemon."""

from __future__ import annotations

from urllib.parse import quote

from support.live import until
from support.web_site import STATIONS, EventReader, Site


def test_a_viewer_gets_a_snapshot_and_then_the_events_of_the_bus(site: Site) -> None:
    reader = EventReader(site.url, "/api/events")
    try:
        until(lambda: len(reader.of("update")) >= 6)
        assert reader.messages[0][0] == "snapshot"
        snapshot = reader.of("snapshot")[0]
        assert set(snapshot["stations"]) == set(STATIONS)
        assert snapshot["bus"]["state"] == "live"
        demo = snapshot["stations"]["demo"]
        assert demo["update"]["type"] == "update"
        assert demo["status"]["source_state"] == "live"
        assert demo["recent"]
        assert all(update["v"] == 1 for update in reader.of("update"))
    finally:
        reader.close()


def test_stations_are_listed_and_found_by_any_name(site: Site) -> None:
    found = site.get("/api/stations").json()
    assert [each["station"] for each in found["stations"]] == sorted(STATIONS)
    for name in STATIONS:
        answer = site.get("/api/stations/" + quote(name, safe=""))
        assert answer.status_code == 200
        assert answer.json()["station"] == name


def test_the_page_lists_the_stations(site: Site) -> None:
    page = site.get("/")
    assert page.status_code == 200
    assert "demo" in page.text
    assert "<b>&amp; /" not in page.text


def test_the_connection_of_a_stream_is_for_nothing_else(site: Site) -> None:
    """Chromium sends a request on the connection of an answer that it has stopped reading."""
    with site.client.stream("GET", "/api/events") as answer:
        assert answer.headers["connection"] == "close"
