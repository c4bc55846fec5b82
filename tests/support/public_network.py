"""A network of its own with public addresses on this machine: ``unshare -rmn python THIS``, with
the tests on the module path.

Runs the connections of ``tests/hostile/test_private_addresses.py`` and prints what came of them.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading

from support.radio_server import MisbehavingServer

from streamgenre.errors import InputError
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.settings import StreamSettings

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"
HOSTS = (
    f"127.0.0.1 localhost rebound.example mixed.example\n{PUBLIC} public.example mixed.example\n"
)
AUDIO = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\nabc"


def main() -> None:
    for command in (
        "ip link set lo up",
        f"ip address add {PUBLIC}/32 dev lo",
        f"ip address add {PUBLIC_6}/128 dev lo nodad",
    ):
        subprocess.run(command.split(), check=True)
    with tempfile.NamedTemporaryFile("w") as hosts:
        hosts.write(HOSTS)
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        found = outcomes()
        hosts.write("nameserver 127.0.0.1\n")
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/resolv.conf"], check=True)
        print(json.dumps(found | silence()))


def outcomes() -> dict[str, str]:
    """Return what came of each way to a server, and whether the private one was asked."""
    inside = MisbehavingServer(lambda c, _: c.sendall(AUDIO))
    port = inside.url.split(":")[2].split("/")[0]
    targets = {
        "to loopback": f"http://127.0.0.1:{port}/",
        "to a name that leads inside": f"http://rebound.example:{port}/",
        "to a decimal number": f"http://2130706433:{port}/",
        "to an address within another": f"http://[::ffff:127.0.0.1]:{port}/",
    }
    answers = {
        f"/{number}": b"HTTP/1.0 302 Found\r\nLocation: " + target.encode() + b"\r\n\r\n"
        for number, target in enumerate(targets.values())
    }

    def behave(connection: object, request: bytes) -> None:
        path = request.split()[1].decode()
        connection.sendall(answers.get(path, AUDIO))  # type: ignore[attr-defined]

    outside = MisbehavingServer(behave, host="")
    at = outside.url.split(":")[2].split("/")[0]
    found = {way: outcome(f"http://{PUBLIC}:{at}/{number}") for number, way in enumerate(targets)}
    found["public"] = outcome(f"http://{PUBLIC}:{at}/live")
    found["public name"] = outcome(f"http://public.example:{at}/live")
    found["public IPv6"] = outcome(f"http://[{PUBLIC_6}]:{at}/live")
    found["name with both"] = outcome(f"http://mixed.example:{at}/live")
    found["name inside"] = outcome(f"http://rebound.example:{port}/live")
    found["asked inside"] = str(len(inside.requests))
    return found


def silence() -> dict[str, str]:
    """Return what comes of names if the name server never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 53))
        words = ""
        for _ in range(5):
            try:
                open_url("http://silent.example/", timeout_s=0.2)
            except InputError as error:
                words = str(error)
        return {"silence": words, "look-ups": str(threading.active_count() - 3)}


def outcome(url: str) -> str:
    try:
        response = open_url(url, timeout_s=10, settings=StreamSettings(allow_private=False))
    except InputError as error:
        return str(error)
    data = response.read(3).decode()
    response.close()
    return data


if __name__ == "__main__":
    main()
