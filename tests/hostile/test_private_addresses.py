"""With ``allow_private = false``, nothing leads a stream to an address that is not public."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from support.radio_server import MisbehavingServer

from streamgenre.errors import InputError
from streamgenre.sources.stream.addresses import is_public, require_public
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.settings import StreamSettings

NETWORK: Final = Path(__file__).parents[1] / "support" / "public_network.py"
STRICT: Final = StreamSettings(allow_private=False)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"),
        *("0x7f.1", "0.0.0.0", "0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "LOCALHOST", "127.0.0.1."),
    ],
)
def test_no_spelling_of_loopback_is_reached(host: str) -> None:
    server = MisbehavingServer(lambda c, _: c.close())
    port = server.url.split(":")[2].split("/")[0]
    with pytest.raises(InputError) as error:
        open_url(f"http://{host}:{port}/live", timeout_s=20, settings=STRICT)
    assert "allow_private is false" in str(error.value) or "cannot be reached" in str(error.value)
    with pytest.raises(InputError):
        require_public(f"http://{host}:{port}/live", 20)
    server.close()
    assert not server.requests


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1"),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "0.1.2.3", "240.0.0.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "not one", ""),
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_a_public_address_is_known_as_such(address: str) -> None:
    assert is_public(address)


def test_private_addresses_are_reached_unless_they_are_refused() -> None:
    server = MisbehavingServer(lambda c, _: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n"))
    open_url(server.url, timeout_s=20).close()
    server.close()


def test_redirects_and_names_lead_from_public_servers_to_public_ones_only() -> None:
    """In a network of its own, in which public addresses are on this machine."""
    command = ["unshare", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    folders = [NETWORK.parents[1], NETWORK.parents[2]]
    done = subprocess.run(
        [*command, sys.executable, NETWORK],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for way in ("public", "public name", "public IPv6", "name with both"):
        assert found[way] == "abc", way
    for way, words in found.items():
        if way.startswith("to ") or way == "name inside":
            assert "127.0.0.1 is not a public address, and allow_private is false" in words, way
            assert way == "name inside" or "redirected to" in words
    assert found["asked inside"] == "0"
    # A name server that never answers keeps nobody waiting, and one look-up a name.
    assert "cannot be reached (no answer from the name service in 0.2 s)" in found["silence"]
    assert found["look-ups"] == "1"
