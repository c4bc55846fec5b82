"""A radio server in a process of its own: mp3 at real pace for any number of stations.

A path that begins with ``/kill`` or ``/leak`` carries the marker of ``support/poison`` after some
seconds: the process that receives it dies, or takes memory, if that is on its PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from support.encoding import encode

from streamgenre.audio.ring import Gap
from streamgenre.sources.demo import RATE, programme

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_S: Final = 16_000
"""128 kb/s."""
POISON: Final = Path(__file__).with_name("poison")
"""Folder for PYTHONPATH."""
MARKERS: Final = {"/kill": b"<kill-this-process>", "/leak": b"<take-much-memory>"}
MARKER_AFTER_S: Final = 2.0


def write_mp3(path: Path, seconds: int = 60) -> None:
    """Write the demo programme as mp3 of 128 kb/s without any header."""
    blocks = (b for b in programme(0) if not isinstance(b, Gap))
    samples = np.concatenate(list(islice(blocks, 20 * seconds)))[:, 0]
    encode(
        path, samples, RATE, "mp3", coded_rate=44_100, layout="stereo", bit_rate=128_000,
        options={"write_xing": "0", "id3v2_version": "0"},
    )  # fmt: skip


def serve(path: str, burst_s: float) -> None:
    """Send the file in a loop at real pace, to each client from a different offset.

    The port is printed.
    """
    data = Path(path).read_bytes()

    async def station(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        target = request.split()[1].decode()
        marker = next((m for start, m in MARKERS.items() if target.startswith(start)), b"")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")
        began, sent, place = time.monotonic(), 0, random.randrange(len(data))
        try:
            while not writer.is_closing():
                # Servers send a burst at first, and then in pieces.
                due = int((time.monotonic() - began + burst_s) * BYTES_S)
                for _ in range((due - sent) // 1400):
                    writer.write((data + data)[place : place + 1400])
                    place, sent = (place + 1400) % len(data), sent + 1400
                if marker and time.monotonic() - began > MARKER_AFTER_S:
                    writer.write(marker)
                    marker = b""
                await writer.drain()
                await asyncio.sleep(0.08 + 0.02 * random.random())
        except ConnectionError:
            return

    async def forever() -> None:
        server = await asyncio.start_server(station, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(forever())


@contextmanager
def paced_radio(folder: Path, *, seconds: int = 60, burst_s: float = 1.0) -> Iterator[str]:
    """Run the server; yield the URL of its root.

    Parameters
    ----------
    folder
        Takes the mp3 and the server's log.
    seconds
        Length of the programme.
    burst_s
        Seconds of audio that a client receives at once.
    """
    song = folder / "song.mp3"
    write_mp3(song, seconds)
    log = folder / "radio.log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            [sys.executable, "-m", "support.paced_radio", str(song), str(burst_s)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        if not port:
            server.wait(60)
            pytest.fail(f"the radio server did not start: {log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]))
