"""The real unit under a real systemd, in its sandbox, with the real journal."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.live import until
from support.mosquitto import PASSWORD, USER, Listener, running_broker
from support.radio_server import free_port
from support.receiver import OK, Receiver
from support.requirements import require_programs
from support.systemd_box import ROOT, put_program, put_units, systemd_box
from support.taught_models import write_taught_model

from streamgenre.inference.model_archive import export_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.systemd_box import Box

UNITS = ("streamgenre.service", "streamgenre@.service")
BRIDGES = ("streamgenre-mqtt.service", "streamgenre-webhook.service")
TEACH = "streamgenre-teach.service"
EXPOSURE = 2.5
PROGRAM = "/opt/streamgenre/bin/streamgenre"
SERVICE_STATUS = (PROGRAM, "service", "status")
SETTINGS = """
[[station]]
name = "kitchen"
input = "demo"
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with systemd_box(tmp_path_factory.mktemp("systemd")) as box:
        put_program(box)
        put_units(box)
        yield box


@pytest.fixture
def service(box: Box) -> Iterator[Box]:
    """The service, restarted, with a watchdog and pauses that a test can wait for."""
    box.write("/etc/streamgenre/config.toml", f'model = "lite"\n{SETTINGS}')
    box.must("systemd-tmpfiles", "--create", "/usr/local/lib/tmpfiles.d/streamgenre.conf")
    override(box, "WatchdogSec=4", "RestartSec=100ms")
    box.must("systemctl", "reset-failed")
    box.must("systemctl", "start", "streamgenre")
    yield box
    box.run("systemctl", "stop", "streamgenre")


def override(box: Box, *lines: str) -> None:
    text = "\n".join(["[Service]", *lines, ""])
    box.write("/run/systemd/system/streamgenre.service.d/test.conf", text)
    box.must("systemctl", "daemon-reload")


def until_shown(box: Box, name: str, text: str, seconds: float = 20) -> None:
    """Wait until a property of the service starts with a text."""
    until(lambda: box.show("streamgenre", name).startswith(text), seconds)


def test_the_units_pass_systemd_analyze_verify(box: Box) -> None:
    box.write("/etc/streamgenre/one.toml", SETTINGS)
    timer = "streamgenre-teach.timer"
    for unit in ("streamgenre.service", "streamgenre@one.service", *BRIDGES, TEACH, timer):
        done = box.run("systemd-analyze", "verify", "--man=no", unit)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LESSON = """
import sys, wave
from contextlib import closing
from pathlib import Path
import numpy as np
from streamgenre.clips.adding import add
from streamgenre.clips.clip import Facts, NewClip
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore

def tone(hertz, seed):
    t = np.arange(4 * 16000) / 16000
    noise = np.random.default_rng(seed).normal(0, 300, len(t))
    return (8000 * np.sin(2 * np.pi * hertz * t) + noise).astype(np.int16)

with closing(ClipStore(Path("/var/lib/streamgenre/clips"), create=True)) as store:
    for g, (genre, hertz) in enumerate({"low": 220, "middle": 880, "high": 3300}.items()):
        for n in range(6):
            path = Path(f"/var/lib/streamgenre/music/{genre}/band {n} - song.wav")
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(tone(hertz, 10 * g + n).tobytes())
        for n in range(2):
            facts = Facts("a", 4e9, 4e9 + 4, f"radio {n}", "", 1.0, {genre: 1.0}, None, "", "")
            clip = NewClip(f"{genre}-{n}.flac", facts, tone(hertz, 100 + 10 * g + n), 16000)
            add(store, clip, ClipSettings(seconds=4.0))
            store.set_label(store.unlabelled().id, genre)
"""


def test_learning_in_its_sandbox(box: Box) -> None:
    box.write("/etc/streamgenre/config.toml", SETTINGS)
    box.write("/opt/lesson.py", LESSON)
    box.must("install", "-d", "-o", "streamgenre", "/var/lib/streamgenre")
    python = box.must("sh", "-c", "ls /opt/box/python/bin/python3.*[0-9] | head -1").strip()
    paths = "LD_LIBRARY_PATH=/opt/box/python/lib PYTHONPATH=/opt/box/source:/opt/box/site"
    user = ("runuser", "-u", "streamgenre", "--", "env", "STATE_DIRECTORY=/var/lib/streamgenre")
    box.must(*user, *paths.split(), python, "/opt/lesson.py")
    box.must(*user, PROGRAM, "teach", "mine", "--base", "lite", "--from",
             "/var/lib/streamgenre/music", timeout=300)  # fmt: skip
    box.must("systemctl", "start", TEACH, timeout=300)
    log = box.must("journalctl", "--unit", TEACH)
    assert "18 recordings and 6 labelled clips, 6 of them new" in log
    assert "not swapped: the configuration names no control endpoint" in log
    assert '"updates": 1' in box.must("cat", "/var/lib/streamgenre/models/mine/manifest.json")
    box.must("systemctl", "start", TEACH, timeout=300)  # nothing new is no failure
    assert "0 new labels; expected at least 5" in box.must("journalctl", "--unit", TEACH)
    box.must("rm", "-r", *(f"/var/lib/streamgenre/{n}" for n in ("models", "teach", "clips")))


def test_learning_is_off_and_says_what_is_missing(box: Box) -> None:
    """Where nothing was taught it fails with words; the timer runs only where somebody asks."""
    box.write("/etc/streamgenre/config.toml", SETTINGS)
    assert "disabled" in box.run("systemctl", "is-enabled", "streamgenre-teach.timer").stdout
    box.must("systemctl", "start", "streamgenre-teach.timer")
    assert "weekly" in box.must("systemctl", "cat", "streamgenre-teach.timer")
    assert box.show("streamgenre-teach.timer", "ActiveState") == "active"
    box.must("systemctl", "stop", "streamgenre-teach.timer")
    box.run("systemctl", "start", TEACH)
    assert box.show(TEACH, "ExecMainStatus") == "1"
    log = box.must("journalctl", "--unit", TEACH)
    assert "no model was taught here yet" in log
    box.run("systemctl", "reset-failed")


@pytest.mark.parametrize("unit", [*UNITS, *BRIDGES, TEACH])
def test_the_security_exposure_is_low(unit: str, tmp_path: Path) -> None:
    require_programs("systemd-analyze")
    path = tmp_path / unit.replace("@", "@one")
    path.write_text((ROOT / "systemd" / unit).read_text())
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", path],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= EXPOSURE


def test_the_template_differs_only_in_names() -> None:
    one, template = (
        [line for line in (ROOT / "systemd" / unit).read_text().splitlines() if line[:1] != "#"]
        for unit in UNITS
    )
    renamed = [
        line.replace(" (%i)", "").replace("/%i.toml", "/config.toml").replace("streamgenre-%i", "")
        for line in template
    ]
    different = [pair for pair in zip(one, renamed, strict=True) if pair[0] != pair[1]]
    assert different == [
        ("StateDirectory=streamgenre", "StateDirectory=streamgenre/%i"),
        ("RuntimeDirectory=streamgenre", "RuntimeDirectory="),
    ]


@pytest.mark.parametrize("unit", ["streamgenre.service", *BRIDGES, TEACH])
def test_each_line_has_a_reason(unit: str) -> None:
    """Every setting of the service has a comment above it or above its group."""
    lines = (ROOT / "systemd" / unit).read_text().partition("[Service]")[2]
    for group in re.split(r"\n(?=#)", lines.partition("[Install]")[0].strip()):
        assert group.startswith("#") or "Type=notify" in group, group
        assert sum(line[:1] not in ("#", "") for line in group.splitlines()) <= 7, group


def test_the_service_runs_in_its_sandbox_and_reports_its_status(service: Box) -> None:
    pid = service.show("streamgenre", "MainPID")
    status = dict(
        line.split(":\t", 1)
        for line in service.must("cat", f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )
    uid = service.must("id", "-u", "streamgenre").strip()
    assert status["Uid"].split() == [uid] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    until_shown(service, "StatusText", "1 station live; last update")

    report = json.loads(service.must(*SERVICE_STATUS, "--json"))
    assert (report["active"], report["sub"], report["restarts"]) == ("active", "running", 0)
    assert report["main_pid"] == int(pid)
    (kitchen,) = report["stations"]
    assert (kitchen["station"], kitchen["source_state"]) == ("kitchen", "live")
    assert kitchen["last_update_age_s"] < 5
    assert 5 < kitchen["open_files"] < 100
    assert 5 < kitchen["threads"] < 50
    assert "kitchen: live" in service.must(*SERVICE_STATUS)

    # Other users cannot read the service's settings, and work well without them.
    nobody = ("runuser", "-u", "nobody", "--")
    assert service.run(*nobody, "cat", "/etc/streamgenre/config.toml").returncode != 0
    assert "no file" in service.must(*nobody, PROGRAM, "config", "show")

    (live,) = (e for e in service.log() if e.get("STREAMGENRE_EVENT") == "source")
    assert live["MESSAGE"].startswith("kitchen: live")
    assert (live["PRIORITY"], live["STREAMGENRE_STATION"]) == ("6", "kitchen")

    service.must("systemctl", "stop", "streamgenre")
    assert service.show("streamgenre", "Result") == "success"
    assert service.run(*SERVICE_STATUS).returncode == 3


def test_the_service_finds_models_that_were_installed_for_it(service: Box, tmp_path: Path) -> None:
    """Also those that root installed with a umask that hides its files."""
    file = tmp_path / "mine.tar"
    with file.open("wb") as out:
        export_model(write_taught_model(tmp_path / "mine"), "mine", out)
    encoded = base64.b64encode(file.read_bytes()).decode()
    service.must("sh", "-c", "base64 -d >/tmp/mine.tar", stdin=encoded)
    installed = f"umask 077; {PROGRAM} models import /tmp/mine.tar --system"
    assert "/var/lib/streamgenre/models/mine" in service.must("sh", "-c", installed)
    service.write("/etc/streamgenre/config.toml", f'model = "mine"\n{SETTINGS}')
    service.must("systemctl", "restart", "streamgenre")
    until_shown(service, "StatusText", "1 station live; last update")
    report = json.loads(service.must(*SERVICE_STATUS, "--json"))
    assert report["stations"][0]["model"] == "mine"


def test_bridges_run_in_their_sandbox_beside_the_daemon(service: Box, tmp_path: Path) -> None:
    receiver = Receiver(OK)
    with running_broker(tmp_path) as broker:
        listener = Listener(broker.port)
        service.write(
            "/etc/streamgenre/config.toml",
            f'model = "lite"\n[bridge.mqtt]\nbroker = "mqtt://{USER}@127.0.0.1:{broker.port}"\n'
            'password_file = "/etc/streamgenre/mqtt-password"\n[bridge.webhook]\n'
            f'url = "{receiver.url}"\ndead_air_after_s = 2\n{SETTINGS}',
        )
        service.write("/etc/streamgenre/mqtt-password", f"{PASSWORD}\n")
        service.must("chgrp", "-R", "streamgenre", "/etc/streamgenre")
        service.must(
            "chmod", "640", "/etc/streamgenre/config.toml", "/etc/streamgenre/mqtt-password"
        )
        service.must("systemctl", "start", *BRIDGES)
        until(lambda: listener.there("streamgenre/kitchen/update"), 60)
        until(lambda: listener.last.get("streamgenre/bridge/availability") == "online", 60)
        for unit in BRIDGES:
            pid = service.show(unit, "MainPID")
            status = service.must("cat", f"/proc/{pid}/status")
            assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
            assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
            resident = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
            assert resident is not None
            assert int(resident[1]) < 80_000
        service.must("systemctl", "stop", "streamgenre")
        until(lambda: any(b'"segment"' in body for body in receiver.bodies), 60)
        assert service.must("ls", "/var/lib/streamgenre/webhook").startswith("webhook-")
        service.must("systemctl", "stop", *BRIDGES)
        until(lambda: listener.last["streamgenre/bridge/availability"] == "offline", 60)
        for unit in BRIDGES:
            assert service.show(unit, "Result") == "success"
        # Wrong settings are an error that no restart mends.
        service.write("/etc/streamgenre/config.toml", "[bridge.webhook]\nurl = 5\n")
        service.must("systemctl", "start", BRIDGES[1])
        until(lambda: service.show(BRIDGES[1], "ActiveState") == "failed", 60)
        assert service.show(BRIDGES[1], "ExecMainStatus") == "2"
        log = service.must("journalctl", "--unit", BRIDGES[1])
        assert "config.toml:2: bridge.webhook.url" in log
        assert "S3CRET" not in log
        listener.close()
    receiver.close()


def test_the_web_page_runs_in_the_sandbox_of_the_daemon(service: Box) -> None:
    port = free_port()
    web = f'[web]\nlisten = "0.0.0.0:{port}"\n'
    service.write("/etc/streamgenre/config.toml", f'model = "lite"\n{web}{SETTINGS}')
    # As `sudo -u streamgenre` does.
    passwd = f"runuser -u streamgenre -- env -i HOME=/var/lib/streamgenre {PROGRAM} web passwd"
    service.must("sh", "-c", f"echo 'correct horse' | {passwd}")
    service.must("systemctl", "restart", "streamgenre")
    ask = ("curl", "-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}")
    page = f"http://127.0.0.1:{port}"
    until(lambda: service.run(*ask, f"{page}/readyz").stdout == "200", 60)
    assert service.must(*ask, f"{page}/api/stations") == "401"
    login = ("-d", "password=correct horse", f"{page}/login")
    assert service.must(*ask, *login) == "303"


def test_a_hang_and_a_crash_end_in_a_restart(service: Box) -> None:
    for number, kill in enumerate(["-STOP", "-KILL"], 1):
        pid = service.show("streamgenre", "MainPID")
        service.must("kill", kill, pid)
        until_shown(service, "NRestarts", str(number))
        until_shown(service, "ActiveState", "active")
        assert service.show("streamgenre", "MainPID") != pid
    assert json.loads(service.must(*SERVICE_STATUS, "--json"))["restarts"] == 2


def test_settings_are_reloaded_and_broken_ones_are_rejected(service: Box) -> None:
    pid = service.show("streamgenre", "MainPID")
    for text, live in ((SETTINGS + '[[station]]\nname = "cellar"\ninput = "demo"\n', 2), ("[", 2)):
        service.write("/etc/streamgenre/config.toml", f'model = "lite"\n{text}')
        service.must("systemctl", "reload", "streamgenre")
        until_shown(service, "ActiveState", "active")
        until_shown(service, "StatusText", f"{live} stations live")
    assert service.show("streamgenre", "MainPID") == pid
    until(lambda: any(e["PRIORITY"] == "3" for e in service.log()))


def test_wrong_settings_stop_the_service_after_five_attempts(service: Box) -> None:
    service.must("systemctl", "stop", "streamgenre")
    service.write("/etc/streamgenre/config.toml", "modle = 3\n")
    service.run("systemctl", "start", "streamgenre")
    until_shown(service, "ActiveState", "failed", 40)
    assert int(service.show("streamgenre", "NRestarts")) <= 5
    errors = [e["MESSAGE"] for e in service.log() if e["PRIORITY"] == "3"]
    assert any("/etc/streamgenre/config.toml:1" in line for line in errors)
    done = service.run(*SERVICE_STATUS)
    assert done.returncode == 3
    assert "failed" in done.stdout
    assert "journalctl" in done.stdout


def test_a_template_instance_has_its_own_settings_and_state(box: Box) -> None:
    text = 'model = "lite"\n[bus]\npublish = "tcp://127.0.0.1:5797"\n[history]\nkeep = "all"\n'
    box.write("/etc/streamgenre/one.toml", text + SETTINGS)
    box.must("systemd-tmpfiles", "--create", "/usr/local/lib/tmpfiles.d/streamgenre.conf")
    box.must("systemctl", "start", "streamgenre@one")
    flags = ("--unit", "streamgenre@one", "--connect", "tcp://127.0.0.1:5797")
    assert "kitchen" in box.must(*SERVICE_STATUS, *flags)
    box.must("systemctl", "stop", "streamgenre@one")
    assert box.must("stat", "-c", "%U %a", "/var/lib/streamgenre/one").strip() == "streamgenre 750"


def test_workers_are_shown_and_one_that_crashes_is_replaced(service: Box) -> None:
    cellar = '[[station]]\nname = "cellar"\ninput = "demo"\n'
    service.write(
        "/etc/streamgenre/config.toml",
        f'model = "lite"\n{SETTINGS}{cellar}[engine]\nworkers = 1\n[history]\nkeep = "none"\n',
    )
    service.must("systemctl", "restart", "streamgenre")
    until_shown(service, "StatusText", "2 stations live")
    main = service.show("streamgenre", "MainPID")

    def workers() -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = json.loads(service.must(*SERVICE_STATUS, "--json"))["workers"]
        return shown

    until(lambda: [(each["name"], each["stations"]) for each in workers()] == [("1", 2)])
    assert "worker 1   2 stations, " in service.must(*SERVICE_STATUS)

    first = service.must("pgrep", "--parent", main, "--full", "worker 1").split()[0]
    service.must("kill", "-SEGV", first)
    until(lambda: [each["restarts"] for each in workers()] == [1])
    until_shown(service, "StatusText", "2 stations live")
    assert (service.show("streamgenre", "MainPID"), service.show("streamgenre", "NRestarts")) == (
        main,
        "0",
    )
    (line,) = [e for e in service.log() if "SIGSEGV" in e["MESSAGE"] and "with it" in e["MESSAGE"]]
    assert line["STREAMGENRE_WORKER"] == "1"
    assert "replaced 1 time" in service.run(PROGRAM, "doctor").stdout
