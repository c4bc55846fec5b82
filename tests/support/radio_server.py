"""Radio servers for tests: a real Icecast fed by ffmpeg, and servers that misbehave on purpose."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

PASSWORD: Final = "hackme"
_CONFIG: Final = """<icecast>
  <limits><sources>8</sources><burst-size>65535</burst-size></limits>
  <authentication>
    <source-password>{password}</source-password>
    <admin-user>admin</admin-user><admin-password>{password}</admin-password>
  </authentication>
  <hostname>127.0.0.1</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>0</fileserve>
  <paths>
    <logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><accesslog>a.log</accesslog><errorlog>e.log</errorlog><loglevel>2</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Icecast:
    """Debian's icecast2 on loopback."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        owner = ""
        if os.geteuid() == 0:  # Icecast refuses to run as root
            owner = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
            for path in (folder, *folder.parents):
                if path == Path("/tmp") or path.owner() != "root":
                    break
                path.chmod(0o777)
        config = _CONFIG.format(password=PASSWORD, port=self.port, folder=folder, owner=owner)
        (folder / "icecast.xml").write_text(config)
        self._feeders: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(
            ["icecast2", "-c", str(self._folder / "icecast.xml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
                return
            except OSError:
                assert time.monotonic() < ends, "Icecast does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        for feeder in self._feeders:
            feeder.kill()
            feeder.wait()
        self._feeders.clear()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def url(self, mount: str) -> str:
        return f"http://127.0.0.1:{self.port}/{mount}"

    def feed(self, mount: str, wav: Path, *codec: str) -> subprocess.Popen[bytes]:
        """Send a file to a mount in real time, repeatedly."""
        command = [
            *("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(wav), *codec),
            f"icecast://source:{PASSWORD}@127.0.0.1:{self.port}/{mount}",
        ]
        feeder = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        ends = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.url(mount), timeout=10).close()
                break
            except OSError:  # also URLError, and a connection that is reset
                assert time.monotonic() < ends, f"no mount {mount}"
                time.sleep(0.1)
            if feeder.poll() is not None:  # Icecast was not ready for it yet
                feeder = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._feeders.append(feeder)
        return feeder

    def title(self, mount: str, song: str) -> None:
        """Set the title of a mount, as a station's play-out system does."""
        query = urllib.parse.urlencode(
            {"mount": f"/{mount}", "mode": "updinfo", "song": song, "charset": "UTF-8"}
        )
        request = urllib.request.Request(self.url(f"admin/metadata?{query}"))
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        manager.add_password(None, self.url(""), "admin", PASSWORD)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        opener.open(request, timeout=60).close()


class MisbehavingServer:
    """A server that calls a function for each connection.

    With TLS if a context is given; on all addresses if the host is empty.
    """

    def __init__(
        self,
        behave: Callable[[socket.socket, bytes], None],
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._behave = behave
        self._tls = tls
        family = socket.AF_INET if host else socket.AF_INET6
        self._socket = socket.create_server(
            (host, 0), family=family, dualstack_ipv6=family == socket.AF_INET6
        )
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}/live"
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection = self._tls.wrap_socket(connection, True) if self._tls else connection
        with connection:
            try:
                request = connection.recv(65_536)
                self.requests.append(request)
                self._behave(connection, request)
            except OSError:
                return  # the client has left

    def close(self) -> None:
        self._socket.close()


class Rtsp:
    """A small RTSP server: one stream of noise as linear PCM, through the control connection."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/live"
        self.silent = threading.Event()
        """While it is set, connected clients receive nothing."""
        self.agents: set[str] = set()
        """User agents of the clients."""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=Noise\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 L16/44100/1\r\na=control:audio\r\n"
        )
        more = {
            "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
            "PLAY": "Session: 1\r\n",
        }
        with connection, connection.makefile("rb") as requests:
            try:
                while line := requests.readline():
                    method, headers = line.split()[0].decode(), {}
                    while (header := requests.readline().decode().strip()) != "":
                        name, _, value = header.partition(":")
                        headers[name.lower()] = value.strip()
                    self.agents.add(headers.get("user-agent", ""))
                    answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{more.get(method, '')}"
                    body = sdp if method == "DESCRIBE" else ""
                    connection.sendall(f"{answer}\r\n{body}".encode())
                    if method == "PLAY":
                        self._play(connection)
            except OSError:
                return  # the client has left

    def _play(self, connection: socket.socket) -> None:
        samples = 441
        for number in count():
            head = struct.pack(">BBHII", 0x80, 96, number % 65_536, number * samples, 1)
            packet = head + os.urandom(2 * samples)
            if not self.silent.is_set():
                connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            time.sleep(samples / 44_100)
