"""A support bundle: what helps somebody else to understand a problem, without secrets.

Every part is text that the sender can read first. What looks like a secret is removed by
:func:`streamgenre.system.redact.redact`. Known secrets (the secret key; user, password and query of
the URLs in settings and environment) are removed wherever they occur. Of key files only the names
are listed.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.bus.keys import SECRET, default_folder
from streamgenre.client.subscriber import Subscriber
from streamgenre.doctor.machine import LISTENING, version_of
from streamgenre.errors import StreamgenreError
from streamgenre.events import TYPES
from streamgenre.limits import HIDDEN
from streamgenre.system.redact import URL, credentials, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamgenre.doctor.finding import Finding, Subject

MODE: Final = 0o600
LOG_LINES: Final = 500
MAX_BYTES: Final = 1 << 20
"""Most bytes of one part; a longer part loses its beginning."""
_VARIABLES: Final = ("STREAMGENRE_", "XDG_", "PULSE_", "ALSA_", "LANG", "LC_", "TZ", "PYTHON")
_SHORTEST: Final = 4
"""Length from which known secrets are removed everywhere; shorter ones would spoil other text."""
_STRING_OR_COMMENT: Final = re.compile(
    r"""\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*"""
)
_PATIENCE_S: Final = 10.0
_LISTEN_S: Final = 3.0


def write_bundle(path: Path, subject: Subject, findings: Iterable[Finding]) -> list[str]:
    """Write a bundle that only its owner can read.

    Parameters
    ----------
    path
        File to write, a ``.tar.gz``; it must not exist.
    subject
        The daemon that was checked.
    findings
        What was found.

    Returns
    -------
    list of str
        Names of the parts.

    Raises
    ------
    StreamgenreError
        If the file exists.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise StreamgenreError(f"{path} already exists: name another file") from None
    names, known = [], _secrets(subject)
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in _parts(subject, list(findings)):
            text = redact(text)
            for secret in known:
                text = text.replace(secret, HIDDEN)
            data = text.encode("utf-8", "replace")[-MAX_BYTES:]
            entry = tarfile.TarInfo(f"streamgenre-support/{name}")
            entry.size, entry.mode, entry.mtime = len(data), MODE, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
            names.append(name)
    return names


def _parts(subject: Subject, findings: list[Finding]) -> Iterator[tuple[str, str]]:
    yield "doctor.json", json.dumps([asdict(finding) for finding in findings], indent=2)
    yield "versions.txt", "".join(f"{name} {version_of(name)}\n" for name in LISTENING)
    yield "environment.txt", _environment()
    if subject.config is not None:
        yield "config.toml", without_headers(_without_comments(_read(subject.config)))
    yield "keys.txt", _keys(subject)
    yield "events.jsonl", _events(subject)
    log = ("--unit", subject.unit, "--lines", str(LOG_LINES), "--no-pager", "--output", "short-iso")
    yield "log.txt", _run("journalctl", *log)
    yield "unit.txt", _run("systemctl", "cat", "--no-pager", "--", subject.unit)
    yield "unit-state.txt", _run("systemctl", "show", "--no-pager", "--", subject.unit)
    yield "sound-cards.txt", _read(Path("/proc/asound/cards")) + _run("arecord", "--list-devices")


def _without_comments(toml: str) -> str:
    """Return the settings without comments, which may hold anything."""
    return _STRING_OR_COMMENT.sub(lambda m: "" if m[0].startswith("#") else m[0], toml)


_HIDDEN_KEYS: Final = re.compile(r"headers|user_agent|\burl\b|(webhook|bridge)[\"'\s]*$")
"""Keys of settings whose values are secrets, or tables that may hold them in one line."""
_HIDDEN_VARIABLES: Final = re.compile(r"WEBHOOK_URL$|HEADERS$|TOKEN$|PASSWORD$|USER_AGENT$")


def without_headers(toml: str) -> str:
    """Return the settings without headers and webhooks' URLs; the text need not be valid TOML."""
    lines, in_table, hides = [], False, False
    for line in toml.splitlines():
        if re.match(r"\s*\[", line):
            in_table = re.search(r"headers[\"'\s]*\]", line) is not None
            hides = False
        elif pair := re.match(r"([^=]*)=", line):
            hides = in_table or _HIDDEN_KEYS.search(pair[1]) is not None
            if hides:
                line = f"{pair[1]}= {HIDDEN}"
        elif hides:
            continue  # a value of several lines
        lines.append(line)
    return "\n".join(lines) + "\n"


def _secrets(subject: Subject) -> list[str]:
    """Return the known secrets, longest first."""
    texts = [*os.environ.values(), *(name or "" for name in subject.inputs)]
    if subject.config is not None:
        texts.append(_read(subject.config))
    found = {part for text in texts for url in URL.findall(text) for part in credentials(url)}
    for settings in subject.streams:
        found |= {value for _, value in settings.headers} | {settings.user_agent or ""}
    with suppress(OSError):
        found |= set((_keys_folder(subject) / SECRET).read_text("utf-8").split())
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


def _keys_folder(subject: Subject) -> Path:
    return subject.keys or default_folder()


def _environment() -> str:
    # Other variables are left out completely: some hold secrets under any name.
    ours = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    lines = (
        f"{name}={HIDDEN if _HIDDEN_VARIABLES.search(name) else value}\n"
        for name, value in sorted(ours.items())
    )
    return "".join(lines)


def _keys(subject: Subject) -> str:
    folder = _keys_folder(subject)
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        return f"{folder}: {error.strerror}\n"
    lines = (f"{path.stat().st_mode & 0o777:o} {path.relative_to(folder)}\n" for path in files)
    return f"{folder} (names only)\n" + "".join(lines)


def _events(subject: Subject) -> str:
    """Return the last events that the bus keeps, and those of the next seconds."""
    lines = []
    try:
        with Subscriber(subject.publish, types=TYPES, on_malformed=lambda text: None) as subscriber:
            ends = time.monotonic() + _LISTEN_S
            while (left := ends - time.monotonic()) > 0:
                event = subscriber.receive(timeout=left)
                if event is not None:
                    lines.append(event.to_json() + "\n")
    except StreamgenreError as error:
        return f"{error}\n"
    return "".join(lines) or f"nothing came from {subject.publish}\n"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        return f"{path}: {error.strerror}\n"


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}\n"
    return done.stdout + done.stderr
