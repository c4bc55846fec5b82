"""A radio station in its own process, which no other server in a test can delay.

Usage: ``python tests/support/paced_station.py FILE BYTES_PER_SECOND``; prints its URL, then sends
two seconds of the file at once and the rest in real time, repeatedly.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: Final = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"


def send(connection: socket.socket, audio: bytes, per_second: int) -> None:
    """Answer a request, then send until the client leaves."""
    with connection:
        try:
            connection.recv(65_536)
            connection.sendall(HEAD)
            sent, began = 0, time.monotonic() - 2
            while True:
                due = int(per_second * (time.monotonic() - began))
                while sent < due:
                    start = sent % len(audio)
                    piece = audio[start : start + due - sent]
                    connection.sendall(piece)
                    sent += len(piece)
                time.sleep(0.05)
        except OSError:
            return


@contextmanager
def paced_station(file: Path, per_second: int) -> Iterator[str]:
    """Run this station and yield its URL."""
    command = [sys.executable, str(Path(__file__).resolve()), str(file), str(per_second)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def main() -> None:
    audio, per_second = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(f"http://127.0.0.1:{server.getsockname()[1]}/live", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=send, args=(connection, audio, per_second), daemon=True).start()


if __name__ == "__main__":
    main()
