"""The helper process: PortAudio lives here, lists the devices and captures one of them.

A program of its own that imports nothing of the package, so that it is small and starts quickly::

    python -P helper.py FD

FD is a Unix socket that keeps messages whole. Each begins with a byte that says what it is: the
helper sends ``D`` with its PortAudio and the list of devices, is answered with the choice (JSON:
index, rates to try, channels, length of a block in seconds), sends ``O`` with the rate that it was
opened at, and then an ``A`` a block: a header and the samples. A choice without a length of blocks
is a question only: ``R`` tells at which of the rates the device opens, and it may choose again.
``E`` says in words why it ends. It ends at once when the socket is closed, without closing the
stream: that may hang, and the system does it better.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any, Final

HEADER: Final = struct.Struct("<c3xd?3xq")
"""Of a block: ``A``, monotonic seconds of its arrival, whether PortAudio says that samples are
missing before it, number of samples before it that the daemon was too slow to take. Padded, so that
the samples behind it are aligned."""
MISSING: Final = (
    "sound cards need the PortAudio library, which is not installed: "
    "`sudo apt install libportaudio2` (files and pipes work without it)"
)
_LOOK_S: Final = 0.1
"""Seconds between two looks at the stream."""


def main() -> None:
    """Serve one daemon until it closes the socket or the device is lost."""
    # A Ctrl-C reaches every process of the terminal; it is the daemon that says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # In a thread: the daemon may go while PortAudio hangs.
    threading.Thread(target=_hear, args=(connection, said), daemon=True).start()
    try:
        _say(connection, b"E", _serve(connection, said))
    finally:
        os._exit(0)


def _hear(connection: socket.socket, said: queue.SimpleQueue[bytes]) -> None:
    while True:
        try:
            message = connection.recv(65_536)
        except OSError:
            message = b""
        if not message:
            os._exit(0)
        said.put(message)


def _say(connection: socket.socket, kind: bytes, what: object) -> None:
    connection.send(kind + json.dumps(what).encode())


def _serve(connection: socket.socket, said: queue.SimpleQueue[bytes]) -> str:
    """Return why it is over."""
    try:
        import sounddevice
    except OSError:
        return MISSING
    try:
        _, library = sounddevice.get_portaudio_version()
        _say(connection, b"D", {"library": library, "devices": _devices(sounddevice)})
        while "block_s" not in (choice := json.loads(said.get())):
            _say(connection, b"R", _openable(sounddevice, choice))
        return _capture(connection, sounddevice, choice)
    except sounddevice.PortAudioError as error:
        return describe_error(error)


def _devices(sounddevice: Any) -> list[dict[str, Any]]:
    apis = sounddevice.query_hostapis()
    default = int(sounddevice.default.device[0])
    return [
        {
            "index": index,
            "name": info["name"],
            "host_api": apis[info["hostapi"]]["name"],
            "channels": int(info["max_input_channels"]),
            "rate": round(info["default_samplerate"]),
            "default": index == default,
        }
        for index, info in enumerate(sounddevice.query_devices())
        if info["max_input_channels"] > 0
    ]


def _openable(sounddevice: Any, choice: dict[str, Any]) -> dict[str, Any]:
    """Return the rates at which a device opens, and why it does not at the last of the others."""
    rates, refusal = [], ""
    for rate in choice["rates"]:
        try:
            sounddevice.check_input_settings(
                choice["index"], choice["channels"], "float32", None, rate
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            refusal = describe_error(error)
        else:
            rates.append(rate)
    return {"rates": rates, "refusal": refusal}


def _capture(connection: socket.socket, sounddevice: Any, choice: dict[str, Any]) -> str:
    errors: list[Exception] = []
    dropped = 0
    overflowed = False

    def callback(block: Any, frames: int, _times: Any, flags: Any) -> None:
        nonlocal dropped, overflowed
        try:
            overflowed = overflowed or bool(flags.input_overflow)
            header = HEADER.pack(b"A", time.monotonic(), overflowed, dropped)
            try:
                connection.sendmsg([header, block], (), socket.MSG_DONTWAIT)
            except BlockingIOError:
                dropped += frames
            else:
                dropped, overflowed = 0, False
        except Exception as error:  # PortAudio would go silent without a word
            errors.append(error)
            raise

    def opened(rate: int) -> Any:
        return sounddevice.RawInputStream(
            device=choice["index"],
            samplerate=rate,
            channels=choice["channels"],
            dtype="float32",
            blocksize=round(rate * choice["block_s"]),
            latency="high",
            callback=callback,
        )

    *preferred, last = choice["rates"]
    stream = None
    for rate in preferred:
        try:
            stream = opened(rate)
            break
        except sounddevice.PortAudioError:
            continue  # the device may have come back with other rates
    else:
        rate = last
        stream = opened(rate)
    _say(connection, b"O", rate)
    stream.start()
    while not errors and stream.active:
        time.sleep(_LOOK_S)
    return f"{type(errors[0]).__name__}: {errors[0]}" if errors else "stopped"


def describe_error(error: Exception) -> str:
    """Return what the sound system said to PortAudio where it told, else what PortAudio says."""
    match error.args:
        case (_, _, (_, _, str(cause))) if cause:
            return f"the sound system says: {cause}"
        case (str(words), *_):
            return words.removeprefix("Error opening RawInputStream: ")
    return str(error)


if __name__ == "__main__":
    main()
