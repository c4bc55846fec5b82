"""A real systemd with its journal, as process 1 of namespaces of its own.

Nothing of it reaches the machine: what it writes to /etc, /var, /opt and /usr/local stays in the
box (overlays in memory), /tmp, /run and /dev are its own, and of the distribution's units it has
only those named here: the others would set up the machine a second time, and clear away /tmp. The
daemon's own program is put under /opt, since the service may not see the home folder that a
checkout or a Python often is in.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.requirements import require_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
_UNSHARE: Final = ("unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc")
SYSTEMD: Final = "/usr/lib/systemd/systemd"

_UNITS: Final = (
    *("systemd-journald.service", "systemd-journald.socket", "basic.target", "sysinit.target"),
    *("network.target", "sound.target", "multi-user.target", "shutdown.target", "sockets.target"),
    *("system.slice", "-.slice", "local-fs.target", "umount.target"),
)
"""All that the box has of the distribution's units."""

_BOOT: Final = """
set -e
mount --make-rprivate /
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs {box}
for folder in etc var opt usr/local; do
    mkdir -p {box}/$folder/upper {box}/$folder/work
    mount -t overlay overlay -o \
        lowerdir=/$folder,upperdir={box}/$folder/upper,workdir={box}/$folder/work /$folder
done
rm -rf /etc/systemd/system/* /var/log/journal
mkdir -p /opt/box/python /opt/box/site /opt/box/source {box}/units {box}/dev
mount --bind {python} /opt/box/python
mount --bind {site} /opt/box/site
mount --bind {source} /opt/box/source
cd /usr/lib/systemd/system
for unit in {units}; do
    [ ! -e $unit ] || cp $unit {box}/units
done
mount --bind {box}/units /usr/lib/systemd/system
for node in null zero full random urandom tty; do
    cp -a /dev/$node {box}/dev
done
mkdir {box}/dev/shm {box}/dev/pts
mount --bind {box}/dev /dev
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/journal
printf '[Unit]\\nDefaultDependencies=no\\nWants=systemd-journald.service\\n' \
    >/run/systemd/system/box.target
printf '[Journal]\\nStorage=volatile\\nForwardToSyslog=no\\nReadKMsg=no\\nAudit=no\\n' \
    >/etc/systemd/journald.conf
mount -t tmpfs -o mode=1777 tmpfs /tmp
exec env container=box {systemd} --system --unit=box.target --log-target=null --show-status=no
"""

_PROGRAM: Final = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/box/python/lib PYTHONPATH=/opt/box/source:/opt/box/site
export PYTHONDONTWRITEBYTECODE=1
exec /opt/box/python/bin/{python} -m streamgenre "$@"
"""


class Box:
    """Runs commands inside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(
        self, *command: str | Path, timeout: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), "--all", "--wd=/", *map(str, command)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            input=stdin,
        )

    def must(self, *command: str | Path, **more: Any) -> str:
        """Run a command that has to succeed and return what it printed."""
        done = self.run(*command, **more)
        assert done.returncode == 0, (command, done.stdout, done.stderr, self.log())
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.must("sh", "-c", f"mkdir -p $(dirname {path}); cat > {path}", stdin=text)

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.must("systemctl", "show", "--value", "--property", name, unit).strip()

    def log(self, *wanted: str) -> list[dict[str, Any]]:
        """Return the journal's entries of the service."""
        done = self.run("journalctl", "--output=json", "--unit=streamgenre", *wanted)
        return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def systemd_box(folder: Path) -> Iterator[Box]:
    """Boot one; skip where namespaces are not allowed."""
    require_programs("unshare", "nsenter", "systemctl", "journalctl")
    if os.geteuid() != 0 or not Path(SYSTEMD).exists():
        pytest.skip("needs root and systemd's files")
    cgroup = _cgroup()
    script = folder / "boot.sh"
    script.write_text(
        _BOOT.format(
            box="/mnt",
            python=sys.base_prefix,
            site=sysconfig.get_paths()["purelib"],
            source=ROOT,
            systemd=SYSTEMD,
            units=" ".join(_UNITS),
        )
    )
    enter = f'echo $$ >"{cgroup}/cgroup.procs" && exec unshare --cgroup sh {script}'
    starter = subprocess.Popen(
        [*_UNSHARE, "sh", "-c", enter],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _booted(starter)
    finally:
        with suppress(IndexError, ProcessLookupError, FileNotFoundError):
            os.kill(_children(starter.pid)[0], 9)  # and with process 1 all others
        starter.kill()
        starter.communicate()
        _remove(cgroup)


def _cgroup() -> Path:
    """Make a cgroup of the unified hierarchy for all processes in the box."""
    for root in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (root / "cgroup.procs").exists() and (root / "cgroup.controllers").exists():
            cgroup = root / f"streamgenre-box-{os.getpid()}"
            with suppress(PermissionError):
                cgroup.mkdir(exist_ok=True)
                return cgroup
    pytest.skip("needs a cgroup v2 hierarchy that may be written")


def _remove(cgroup: Path) -> None:
    for _ in range(50):
        with suppress(OSError):
            for path in sorted(cgroup.rglob("*/"), reverse=True):
                path.rmdir()
            cgroup.rmdir()
            return
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _booted(starter: subprocess.Popen[str]) -> Box:
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        if starter.poll() is not None:
            assert starter.stdout is not None
            pytest.skip(f"no namespaces of its own here: {starter.stdout.read().strip()}")
        with suppress(FileNotFoundError, IndexError):
            box = Box(_children(starter.pid)[0])
            if "systemd" in Path(f"/proc/{box.pid}/comm").read_text():
                done = box.run("systemctl", "is-system-running")
                if done.stdout.strip() in ("running", "degraded"):
                    return box
        time.sleep(0.1)
    pytest.fail("systemd did not boot in the box")


def put_program(box: Box) -> None:
    """Put the program that the unit starts where the unit expects it."""
    python = Path(os.path.realpath(sys.executable)).name
    box.write("/opt/streamgenre/bin/streamgenre", _PROGRAM.format(python=python))
    box.must("chmod", "755", "/opt/streamgenre/bin/streamgenre")


def put_units(box: Box) -> None:
    """Install the units, the user and the folders as `make install-service` does."""
    assert shutil.which("systemd-sysusers")
    units = [*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.timer")]
    for path in sorted(units):
        unit = path.name
        text = (ROOT / "systemd" / unit).read_text()
        box.write(f"/usr/local/lib/systemd/system/{unit}", text)
    for kind in ("sysusers", "tmpfiles"):
        text = (ROOT / "systemd" / f"streamgenre.{kind}").read_text()
        box.write(f"/usr/local/lib/{kind}.d/streamgenre.conf", text)
    box.must("systemd-sysusers", "/usr/local/lib/sysusers.d/streamgenre.conf")
    box.must("systemd-tmpfiles", "--create", "/usr/local/lib/tmpfiles.d/streamgenre.conf")
    box.must("systemctl", "daemon-reload")
