"""The Python client: both kinds of iteration, filters, time-outs, and nothing heavy."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import zmq
from support.commands import streamgenre
from support.live import bus, until
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.publisher import Publisher
from streamgenre.errors import BusError
from streamgenre.events import Status, Update

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.client.sequence import Hole

ANY = "tcp://127.0.0.1:*"
BLOCKED = (
    *("numpy", "onnxruntime", "sounddevice", "soxr", "av", "rich", "psutil"),
    *("fastjsonschema", "paho", "prometheus_client"),
)
BLOCKER = (
    "import sys\n"
    "class Blocker:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    f"        if name.split('.')[0] in {BLOCKED!r}:\n"
    "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Blocker())\n"
)


def test_the_client_works_without_audio_and_model_packages(tmp_path: Path) -> None:
    """Import, receive, decode, keys and the commands around them."""
    code = BLOCKER + (
        "from streamgenre import Subscriber\n"
        "with Subscriber(sys.argv[1], types=['update'], timeout=60) as events:\n"
        "    print(next(iter(events)).genre)\n"
        "from streamgenre.cli import main\n"
        "assert main(['subscribe', '--connect', sys.argv[1], '--count', '1']) == 0\n"
        "assert main(['keys', 'new', '--keys', sys.argv[2]]) == 0\n"
        "assert main(['listen']) == 1\n"
    )
    with bus(ANY) as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", code, endpoint, str(tmp_path / "keys")],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rock\n")
    assert "pip install 'streamgenre[listen]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_base_install_suffices_for_the_client() -> None:
    """The declared dependencies suffice: the test above would pass with more installed."""
    import tomllib
    from pathlib import Path

    project = tomllib.loads(
        (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8")
    )["project"]
    assert [d.split(">")[0] for d in project["dependencies"]] == ["pyzmq"]
    assert project["optional-dependencies"]["client"] == []


def test_asyncio_receives_while_other_tasks_run() -> None:
    async def main(endpoint: str) -> tuple[int, int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        other = asyncio.create_task(beat())
        received = 0
        async with Subscriber(endpoint, types=["update"], timeout=60) as events:
            async for event in events:
                assert isinstance(event, Update)
                received += 1
                if received == 40:
                    break
            assert events.missed == 0
        other.cancel()
        return received, beats

    with bus(ANY) as endpoint:
        received, beats = asyncio.run(main(endpoint))
    assert received == 40
    assert beats > 20


def test_asyncio_loses_nothing_in_bursts() -> None:
    """A ZeroMQ descriptor signals changes, not messages that are left to read."""

    async def main(publisher: Publisher) -> int:
        made_up = SampleStation()
        async with Subscriber(publisher.endpoint, types=["update"]) as events:
            while publisher.stats.subscribers < 1:
                await events.receive_async(0.05)
            received = 0
            for burst in range(1, 30):
                for _ in range(burst):
                    publisher.send(made_up.update())
                for _ in range(burst):
                    assert await events.receive_async(60) is not None
                    received += 1
            assert await events.receive_async(0.1) is None
            return received

    with Publisher(ANY) as publisher:
        assert asyncio.run(main(publisher)) == sum(range(1, 30))


def test_a_timeout_ends_both_kinds_of_iteration() -> None:
    async def follow(endpoint: str) -> list[object]:
        async with Subscriber(endpoint, timeout=0.3) as events:
            return [event async for event in events]

    with Publisher(ANY) as publisher:
        started = time.monotonic()
        with Subscriber(publisher.endpoint, timeout=0.3) as events:
            assert list(events) == []
        assert asyncio.run(follow(publisher.endpoint)) == []
        assert time.monotonic() - started >= 0.6


def test_filters_hide_the_status_that_the_client_needs() -> None:
    """The client always reads status events, but returns them only if the filter includes them."""
    with bus(ANY, "--stations", "a,b") as endpoint:
        with Subscriber(endpoint, types=["segment"], stations=["b"], timeout=60) as events:
            for _, event in zip(range(3), events, strict=False):
                assert (event.TYPE, event.station) == ("segment", "b")
        with Subscriber(endpoint, types=["status"], timeout=60) as events:
            assert isinstance(next(iter(events)), Status)


def test_holes_are_reported_as_they_are_found() -> None:
    reported: list[Hole] = []
    with (
        Publisher(ANY) as publisher,
        Subscriber(publisher.endpoint, on_hole=reported.append) as events,
    ):
        made_up = SampleStation()
        until(lambda: publisher.stats.subscribers == 1)
        for n in range(6):
            event = made_up.update()
            if n not in (2, 3):
                publisher.send(event)
        for _ in range(4):
            assert events.receive(60) is not None
    assert [(h.first, h.count) for h in reported] == [(2, 2)]
    assert list(events.holes) == reported
    assert events.missed == 2


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"v": 2, "type": "update"}', b"\xff", b'{"v": 1, "type": "update"}']
)
def test_invalid_data_from_a_daemon_raises_a_clear_error(body: bytes) -> None:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
    with socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}") as events:
            until(lambda: events.link.state == "live", pump=lambda: events.receive(0.1))
            time.sleep(0.2)
            socket.send_multipart([b"update/a", body])
            with pytest.raises(BusError):
                events.receive(60)
            assert events.malformed == 1
            socket.send_multipart([b"update/a"])  # not two parts: not an event
            socket.send_multipart([b"update/a", SampleStation("a").update().to_json().encode()])
            assert events.receive(60) is not None


def test_closing_twice_is_allowed() -> None:
    events = Subscriber("tcp://127.0.0.1:1")
    assert events.link.state == "connecting"
    events.close()
    events.close()


def test_only_its_owner_can_use_an_ipc_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    with Publisher(f"ipc://{path}") as publisher:
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(BusError, match="in use"):
            Publisher(f"ipc://{path}")
        with Subscriber(publisher.endpoint) as events:
            publisher.send(SampleStation().update())
            assert events.receive(60) is not None
    with Publisher(f"ipc://{path}", ipc_mode=0o666):
        assert path.stat().st_mode & 0o777 == 0o666
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(BusError, match="not a socket"):
        Publisher(f"ipc://{other}")
    assert other.read_text() == "precious"
    for wrong in ("ipc://@open", "ipc://", f"ipc:///{'a' * 200}"):
        with pytest.raises(BusError, match="cannot bind"):
            Publisher(wrong)
    with pytest.raises(BusError, match="No such file"):
        Publisher(f"ipc://{tmp_path}/no/bus")


def test_subscribe_reports_why_it_waits() -> None:
    done = streamgenre("subscribe", "--connect", "tcp://127.0.0.1:9", "--timeout", "1")
    assert done.returncode == 1
    assert "is the daemon running" in done.stderr
    done = streamgenre("subscribe", "--server-key", "nonsense")
    assert done.returncode == 1
    assert "not a public key" in done.stderr
