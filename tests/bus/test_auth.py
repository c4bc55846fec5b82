"""Encryption and its failures: each success has a failing counterpart; real sockets throughout."""

from __future__ import annotations

import socket as sockets
import time
from typing import TYPE_CHECKING

import pytest
import zmq
from support.commands import free_endpoint, start, streamgenre
from support.live import KeyRing, bus, until
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.auth import Authenticator
from streamgenre.bus.keys import CLIENTS, KeyPair, allow, new_pair, revoke
from streamgenre.bus.publisher import Publisher
from streamgenre.errors import BusError, KeysError

if TYPE_CHECKING:
    from pathlib import Path

ANY = "tcp://127.0.0.1:*"
"""Longer than the daemon's handshake interval: a client not accepted by then is rejected."""


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path)


def gets_data(endpoint: str, seconds: float, **keys: object) -> bool:
    with Subscriber(endpoint, **keys) as subscriber:  # type: ignore[arg-type]
        return subscriber.receive(seconds) is not None


def refused(subscriber: Subscriber, words: str) -> None:
    """Wait until a subscriber gets the reason for its rejection, and no data."""
    got: list[object] = []
    until(
        lambda: words in subscriber.link.detail, pump=lambda: got.append(subscriber.receive(0.05))
    )
    assert not any(got)


def test_an_allowed_client_gets_data(ring: KeyRing) -> None:
    with bus(ANY, "--keys", ring.daemon) as endpoint:
        assert gets_data(endpoint, 10, server_key=ring.server_key, keys=ring.alice)
        assert gets_data(endpoint, 10, server_key=ring.server_key, keys=ring.alices)  # by folder
        # The daemon's own user is allowed without being asked.
        assert gets_data(endpoint, 10, server_key=ring.server_key, keys=ring.daemon)


def test_an_unknown_client_gets_no_data_and_the_reason(ring: KeyRing) -> None:
    with (
        bus(ANY, "--keys", ring.daemon) as endpoint,
        Subscriber(endpoint, server_key=ring.server_key, keys=ring.mallory) as subscriber,
    ):
        refused(subscriber, "not allowed")
        assert ring.mallory.secret.decode() not in subscriber.link.detail


def test_a_wrong_server_key_gets_no_data_and_the_reason(ring: KeyRing) -> None:
    with (
        bus(ANY, "--keys", ring.daemon) as endpoint,
        Subscriber(
            endpoint, server_key=ring.mallory.public.decode(), keys=ring.alice
        ) as subscriber,
    ):
        refused(subscriber, "--server-key is not that daemon's key")


def test_a_plain_client_gets_no_data_and_the_reason(ring: KeyRing) -> None:
    with (
        bus(ANY, "--keys", ring.daemon) as endpoint,
        Subscriber(endpoint) as subscriber,
    ):
        refused(subscriber, "--server-key")


def test_an_encrypted_client_gets_no_data_from_a_plain_daemon(ring: KeyRing) -> None:
    """Otherwise anyone who takes the daemon's place could send it anything."""
    with bus(ANY) as endpoint:
        assert not gets_data(endpoint, 2, server_key=ring.server_key, keys=ring.alice)
        assert gets_data(endpoint, 10)


def test_a_client_with_half_a_key_pair_gets_no_data(ring: KeyRing) -> None:
    forged = KeyPair(public=ring.alice.public, secret=ring.mallory.secret)
    with bus(ANY, "--keys", ring.daemon) as endpoint:
        assert not gets_data(endpoint, 1.5, server_key=ring.server_key, keys=forged)


def test_events_on_the_wire_are_unreadable(ring: KeyRing) -> None:
    """With keys the bytes on the wire contain nothing of the events; without keys they do."""

    def wire(*flags: str | Path, **keys: object) -> bytes:
        with bus(ANY, *flags) as endpoint, sockets.create_server(("127.0.0.1", 0)) as tap:
            via = f"tcp://127.0.0.1:{tap.getsockname()[1]}"
            host, port = endpoint.removeprefix("tcp://").split(":")
            seen = bytearray()
            with Subscriber(via, **keys) as subscriber:  # type: ignore[arg-type]
                client, _ = tap.accept()
                with client, sockets.create_connection((host, int(port))) as daemon:
                    for end in (client, daemon):
                        end.settimeout(0.01)

                    def relay() -> None:
                        for here, there in ((client, daemon), (daemon, client)):
                            try:
                                chunk = here.recv(65_536)
                            except TimeoutError:
                                continue
                            seen.extend(chunk)
                            there.sendall(chunk)

                    until(lambda: subscriber.receive(0) is not None, pump=relay)
            return bytes(seen)

    assert b"kitchen" in wire()
    assert b"kitchen" not in wire(
        "--keys", ring.daemon, server_key=ring.server_key, keys=ring.alice
    )


def test_allow_takes_effect_without_any_restart(ring: KeyRing) -> None:
    with (
        bus(ANY, "--keys", ring.daemon) as endpoint,
        Subscriber(endpoint, server_key=ring.server_key, keys=ring.mallory) as subscriber,
    ):
        assert subscriber.receive(2.5) is None
        allow(ring.daemon, "mallory", ring.mallory.public.decode())
        assert subscriber.receive(60) is not None


def test_allow_does_not_disturb_other_clients(ring: KeyRing) -> None:
    with Publisher(ANY, auth=Authenticator(ring.daemon, print)) as publisher:
        with Subscriber(publisher.endpoint, server_key=ring.server_key, keys=ring.alice) as there:
            until(lambda: there.link.state == "live", pump=lambda: there.receive(0.05))
            allow(ring.daemon, "mallory", ring.mallory.public.decode())
            with Subscriber(
                publisher.endpoint, server_key=ring.server_key, keys=ring.mallory
            ) as new:
                until(lambda: new.link.state == "live", pump=lambda: new.receive(0.05))
                assert new.link.detail == ""
            there.receive(1)
            assert there.link.state == "live"
            assert there._links.losses == 0
        assert publisher.stats.connections_refused == 0


def test_revoke_closes_an_open_connection_and_keeps_the_others(ring: KeyRing) -> None:
    allow(ring.daemon, "mallory", ring.mallory.public.decode())
    with (
        bus(ANY, "--keys", ring.daemon) as endpoint,
        Subscriber(endpoint, server_key=ring.server_key, keys=ring.mallory) as revoked,
        Subscriber(endpoint, server_key=ring.server_key, keys=ring.alice) as spared,
    ):
        assert revoked.receive(60) is not None
        assert spared.receive(60) is not None
        revoke(ring.daemon, "mallory")
        until(lambda: revoked.link.state == "lost", pump=lambda: revoked.receive(0.1))
        assert revoked.receive(2.5) is None
        assert revoked.link.state == "lost"
        for _ in range(20):
            assert spared.receive(60) is not None
        assert spared.missed == 0
        assert spared.link.state == "live"
        allow(ring.daemon, "mallory", ring.mallory.public.decode())
        assert revoked.receive(60) is not None


@pytest.mark.parametrize("dropped", [True, False])
def test_a_revoked_client_that_subscribes_later_gets_no_data(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    """Keys are checked at the handshake; a connection idle then must not be accepted later."""
    with Publisher(ANY, auth=Authenticator(ring.daemon, print)) as publisher:
        idle: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        with idle:
            idle.set(zmq.CURVE_SERVERKEY, ring.server.public)
            idle.set(zmq.CURVE_PUBLICKEY, ring.alice.public)
            idle.set(zmq.CURVE_SECRETKEY, ring.alice.secret)
            idle.set(zmq.RECONNECT_IVL, -1)
            idle.connect(publisher.endpoint)
            time.sleep(0.5)  # the handshake
            if not dropped:  # as in the moment before its connection is dropped
                monkeypatch.setattr(publisher._connections, "drop_disallowed", lambda allows: None)
            revoke(ring.daemon, "alice")
            name = f"1 {ring.alice.public.decode()}"
            until(lambda: not publisher._auth.allows(name))
            time.sleep(0.2)
            idle.subscribe("")
            made_up = SampleStation()
            for _ in range(10):
                publisher.send(made_up.update())
                assert not idle.poll(50)


def test_a_client_list_open_to_others_locks_everyone_out(ring: KeyRing) -> None:
    warned: list[str] = []
    with (
        Publisher(ANY, auth=Authenticator(ring.daemon, warned.append)) as publisher,
        Subscriber(publisher.endpoint, server_key=ring.server_key, keys=ring.alice) as subscriber,
    ):
        made_up = SampleStation()
        send = lambda: publisher.send(made_up.update())  # noqa: E731
        until(lambda: subscriber.receive(0.05) is not None, pump=send)
        (ring.daemon / CLIENTS).chmod(0o666)
        until(lambda: subscriber.link.state == "lost", pump=lambda: subscriber.receive(0.1))
        assert "chmod 600" in warned[0]
        (ring.daemon / CLIENTS).chmod(0o600)
        until(lambda: subscriber.receive(0.05) is not None, pump=send)


def test_an_exposed_endpoint_needs_keys(ring: KeyRing, tmp_path: Path) -> None:
    with pytest.raises(BusError, match=r"refusing.*streamgenre keys new.*keys allow"):
        Publisher("tcp://0.0.0.0:*")
    with pytest.raises(KeysError, match=r"streamgenre keys new"):
        Authenticator(tmp_path / "none", print)
    with Publisher("tcp://0.0.0.0:*", auth=Authenticator(ring.daemon, print)) as publisher:
        port = publisher.endpoint.rpartition(":")[2]
        made_up = SampleStation()
        publisher.send(made_up.update())
        here = f"tcp://127.0.0.1:{port}"
        assert gets_data(here, 5, server_key=ring.server_key, keys=ring.alice)
        assert not gets_data(here, 1)


def test_a_subscriber_without_its_own_keys_gets_advice(tmp_path: Path) -> None:
    key = new_pair(tmp_path / "a").public.decode()
    with pytest.raises(KeysError, match="streamgenre keys new"):
        Subscriber(server_key=key, keys=tmp_path / "none")
    with pytest.raises(KeysError, match="not a public key"):
        Subscriber(server_key="nonsense", keys=tmp_path / "a")
    with pytest.raises(BusError, match="3 server keys for 1 endpoints"):
        Subscriber(server_key=[key] * 3, keys=tmp_path / "a")


def test_the_commands_work_across_two_machines(
    ring: KeyRing, stateful_folder: Path, tmp_path: Path
) -> None:
    endpoint = free_endpoint()
    port = endpoint.rpartition(":")[2]
    exposed = f"tcp://0.0.0.0:{port}"
    listen = ("listen", "--model", stateful_folder, "--input", "demo", "-q", "--publish", exposed)
    refused = streamgenre(*listen, "--keys", tmp_path / "nothing")
    assert refused.returncode == 1
    assert "refusing to bind" in refused.stderr
    assert "streamgenre keys new" in refused.stderr
    read = ("subscribe", "--connect", endpoint, "--count", "2")
    known = ("--server-key", ring.server_key, "--keys", ring.alices)
    with start(*listen, "--keys", ring.daemon) as daemon:
        done = streamgenre(*read, *known, "--timeout", "60")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 2
        plain = streamgenre(*read, "--timeout", "2")
        assert plain.returncode == 1
        assert plain.stdout == ""
        assert "--server-key" in plain.stderr
        daemon.terminate()
        assert daemon.wait(60) == 0
        assert daemon.stderr is not None
        assert daemon.stderr.read() == ""
