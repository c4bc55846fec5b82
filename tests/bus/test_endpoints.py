from __future__ import annotations

from pathlib import Path

import pytest

from streamgenre.bus.endpoints import address_problem, http_address
from streamgenre.bus.publisher import Publisher


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9757", ("127.0.0.1", 9757)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("pi.local:0", ("pi.local", 0)),
        (":65536", None),
        ("9757", None),
        ("host:", None),
        ("a:b:1", None),
    ],
)
def test_http_addresses_are_parsed(text: str, address: tuple[str, int] | None) -> None:
    assert http_address(text) == address
    assert bool(address_problem(text)) == (address is None)


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_an_ipc_endpoint_is_never_open_before_its_mode_is_set(
    mode: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even between bind and chmod; the chmod is left out here."""
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)
    with Publisher(f"ipc://{tmp_path / 'bus'}", ipc_mode=mode):
        assert (tmp_path / "bus").stat().st_mode & 0o777 == 0o600
