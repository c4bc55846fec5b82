"""A real MQTT broker, with a password and TLS, and a client that sees what Home Assistant would."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from support.commands import free_endpoint
from support.live import until
from support.requirements import require_programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "house", "s3cret"


class Mosquitto:
    """A broker with a user and a password, and a second port with TLS if it has certificates."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or ""
        self.port = int(free_endpoint().rpartition(":")[2])
        self.tls_port = int(free_endpoint().rpartition(":")[2])
        self.ca = folder / "cert.pem"
        self.config = folder / "mosquitto.conf"
        passwords = folder / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", passwords, USER, PASSWORD],
            check=True,
            capture_output=True,
        )
        passwords.chmod(0o644)
        folder.chmod(0o755)
        text = f"listener {self.port} 127.0.0.1\npassword_file {passwords}\nuser root\n"
        if tls:
            key = make_certificate(folder)
            text += f"listener {self.tls_port} 127.0.0.1\ncertfile {self.ca}\nkeyfile {key}\n"
        self.config.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_broker(folder: Path, *, tls: bool = False) -> Iterator[Mosquitto]:
    """Run a broker."""
    require_programs("mosquitto_passwd", *(["openssl"] if tls else []))
    broker = Mosquitto(folder, tls=tls)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def make_certificate(folder: Path, name: str = "127.0.0.1") -> Path:
    """Write ``cert.pem``, signed by itself, for an address; return the path of its key."""
    key = folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", folder / "cert.pem", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=IP:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)
    return key


class Listener:
    """The view that Home Assistant would have."""

    def __init__(self, port: int) -> None:
        self.last: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(USER, PASSWORD)
        self.client.on_message = self._take
        self.client.on_connect = lambda client, *_: client.subscribe("#")
        until(lambda: self._connects(port), 60)
        self.client.loop_start()

    def _connects(self, port: int) -> bool:
        try:
            self.client.connect("127.0.0.1", port)
        except OSError:
            return False
        return True

    def _take(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.last[message.topic] = message.payload.decode(errors="replace")
        self.counts[message.topic] = self.counts.get(message.topic, 0) + 1

    def there(self, text: str) -> list[str]:
        """Return the topics with a text that have a message now, sorted."""
        return sorted(topic for topic, payload in self.last.items() if text in topic and payload)

    def put(self, topic: str, payload: str) -> None:
        """Publish a retained message."""
        self.client.publish(topic, payload, qos=1, retain=True).wait_for_publish(60)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
