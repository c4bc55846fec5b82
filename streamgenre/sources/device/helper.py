"""The helper process: runs PortAudio, lists the devices and captures one of them.

It is a separate program that imports nothing from the package, so that it is small and starts
quickly::

    python -P helper.py FD

FD is a Unix socket that preserves message boundaries (``SOCK_SEQPACKET``).

=========  ======  ==============================================================================
Sender     Type    Content
=========  ======  ==============================================================================
helper     ``D``   JSON: PortAudio's version and the list of devices
daemon             JSON: index of a device, rates to try, channels, and the block length in
                   seconds, which starts the capture; without it, only the rates are checked
helper     ``R``   JSON: the rates at which the device can be opened, and why others are refused
helper     ``O``   JSON: the rate at which the device was opened
helper     ``A``   a header and the samples of a block
helper     ``E``   JSON: the reason why the helper ends
=========  ======  ==============================================================================

The helper ends as soon as the socket is closed. It does not close the stream, since that may hang;
the system releases the device.
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
"""Header of a block: ``A``, arrival in monotonic seconds, whether PortAudio reports missing samples
before it, and the number of samples before it that the daemon was too slow to receive. It is padded
so that the samples after it are aligned."""
MISSING: Final = (
    "sound cards need the PortAudio library, which is not installed: "
    "`sudo apt install libportaudio2` (files and pipes work without it)"
)
MISSING_MODULE: Final = (
    "sound cards need {}, which is not installed: `pip install 'streamgenre[listen]'` "
    "(files and pipes work without it)"
)
_POLL_S: Final = 0.1
"""Seconds between two checks of the stream."""


def main() -> None:
    """Serve one daemon until it closes the socket or the device is lost."""
    # Ctrl-C reaches every process of the terminal, but the daemon decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # In a thread, to notice that the daemon has ended while PortAudio hangs.
    threading.Thread(target=_receive, args=(connection, requests), daemon=True).start()
    try:
        _send(connection, b"E", _serve(connection, requests))
    finally:
        os._exit(0)


def _receive(connection: socket.socket, requests: queue.SimpleQueue[bytes]) -> None:
    while True:
        try:
            message = connection.recv(65_536)
        except OSError:
            message = b""
        if not message:
            os._exit(0)
        requests.put(message)


def _send(connection: socket.socket, kind: bytes, content: object) -> None:
    connection.send(kind + json.dumps(content).encode())


def _serve(connection: socket.socket, requests: queue.SimpleQueue[bytes]) -> str:
    """Answer requests and capture; return the reason for the end."""
    try:
        import sounddevice
    except OSError:
        return MISSING
    except ModuleNotFoundError as error:
        return MISSING_MODULE.format(error.name)
    try:
        _, library = sounddevice.get_portaudio_version()
        _send(connection, b"D", {"library": library, "devices": _devices(sounddevice)})
        while "block_s" not in (choice := json.loads(requests.get())):
            _send(connection, b"R", _openable(sounddevice, choice))
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
    """Return the rates at which a device can be opened, and why the last refused one is."""
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
        except Exception as error:  # PortAudio would stop without an error
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
            continue  # the device may have other rates than before
    else:
        rate = last
        stream = opened(rate)
    _send(connection, b"O", rate)
    stream.start()
    while not errors and stream.active:
        time.sleep(_POLL_S)
    return f"{type(errors[0]).__name__}: {errors[0]}" if errors else "stopped"


def describe_error(error: Exception) -> str:
    """Return the sound system's error message, or PortAudio's if there is none."""
    match error.args:
        case (_, _, (_, _, str(cause))) if cause:
            return f"the sound system reports: {cause}"
        case (str(words), *_):
            return words.removeprefix("Error opening RawInputStream: ")
    return str(error)


if __name__ == "__main__":
    main()
