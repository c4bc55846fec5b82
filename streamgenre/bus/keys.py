"""CURVE keys in files: the own key pair, and the clients that a daemon allows.

A folder of mode 0700 with two files of mode 0600: ``secret.key`` holds the secret key (the public
one is derived from it), ``clients`` a line ``NAME PUBKEY`` for each allowed client. Looser modes
are refused and not repaired: somebody may already have read the secret key.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85

from streamgenre.errors import KeysError, nearest
from streamgenre.paths import keys_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = "secret.key"
CLIENTS: Final = "clients"
MAX_CLIENTS: Final = 10_000
_MAX_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Keys made here need no quotes in a shell and do not look like a flag.
_PASTABLE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.:+=/@%^-]*")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, each key as 40 characters of Z85."""

    public: bytes
    """May be shown to anyone."""
    secret: bytes = field(repr=False)
    """Never shown."""


def default_folder() -> Path:
    """Return ``$XDG_CONFIG_HOME/streamgenre/keys``, by default in ``~/.config``."""
    return keys_dir()


def check_public(key: str) -> bytes:
    """Return a public key as bytes.

    Raises
    ------
    KeysError
        If it is not 40 characters of Z85.
    """
    raw = key.strip().encode()
    try:
        sound = len(raw) == 40 and z85.encode(z85.decode(raw)) == raw
    except (ValueError, KeyError, struct.error):
        sound = False
    if not sound:
        raise KeysError(
            f"{key!r} is not a public key: expected the 40 characters that `streamgenre keys show` "
            "prints on the other machine (in single quotes)"
        )
    return raw


def new_pair(folder: Path, *, replace: bool = False) -> KeyPair:
    """Make a key pair and write its secret key.

    Parameters
    ----------
    folder
        Folder of the keys; created if it is missing.
    replace
        Whether an existing key pair is replaced.

    Raises
    ------
    KeysError
        If there is a key pair already, or the folder cannot be written.
    """
    while True:
        public, secret = zmq.curve_keypair()
        if _PASTABLE.fullmatch(public):
            break
    with _writing(folder):
        if (folder / SECRET).exists() and not replace:
            raise KeysError(
                f"{folder / SECRET} exists already; `streamgenre keys show` shows it, "
                "`streamgenre keys new --replace` makes a new one (every client then needs the new "
                "public key)"
            )
        _write(folder / SECRET, secret + b"\n")
    return KeyPair(public, secret)


def read_pair(folder: Path) -> KeyPair:
    """Read the key pair of a folder.

    Raises
    ------
    KeysError
        If there is no key pair, other users could read it, or it is damaged.
    """
    text = _read(folder / SECRET)
    if text is None:
        raise KeysError(
            f"no key pair in {folder}: make one with `streamgenre keys new`"
            + ("" if folder == default_folder() else f" --keys {folder}")
        )
    secret = text.strip().encode()
    try:
        return KeyPair(zmq.curve_public(secret), secret)
    except (ValueError, KeyError, zmq.ZMQError) as error:
        raise KeysError(
            f"{folder / SECRET} is damaged: expected 40 characters of Z85; make a new pair with "
            "`streamgenre keys new --replace`"
        ) from error


def read_clients(folder: Path) -> dict[str, bytes]:
    """Return the allowed clients: public key by name.

    Raises
    ------
    KeysError
        If other users could read or write the file, or it is damaged.
    """
    text = _read(folder / CLIENTS)
    clients: dict[str, bytes] = {}
    for number, line in enumerate((text or "").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, key = line.partition(" ")
        if not _NAME.fullmatch(name) or name in clients:
            raise KeysError(f"{folder / CLIENTS}, line {number}: expected `NAME PUBKEY`, each once")
        try:
            clients[name] = check_public(key)
        except KeysError as error:
            raise KeysError(f"{folder / CLIENTS}, line {number}: {error}") from error
    return clients


def allow(folder: Path, name: str, key: str) -> None:
    """Allow a client; a running daemon accepts it within a second.

    Parameters
    ----------
    folder
        Folder of the daemon's keys.
    name
        Name for the client: up to 64 letters, digits, dots, hyphens and underscores.
    key
        The client's public key, 40 characters of Z85.

    Raises
    ------
    KeysError
        If the name or the key is malformed, or belongs to another client already.
    """
    public = check_public(key)
    if not _NAME.fullmatch(name):
        raise KeysError(
            f"{name!r} is not a name for a client: expected up to 64 letters, digits, dots, "
            "hyphens and underscores"
        )
    with _writing(folder):
        clients = read_clients(folder)
        if clients.get(name, public) != public:
            raise KeysError(
                f"{name} is allowed with another key; `streamgenre keys revoke {name}` first"
            )
        for other, known in clients.items():
            if known == public and other != name:
                raise KeysError(f"this key is allowed already, as {other}")
        if len(clients) >= MAX_CLIENTS:
            raise KeysError(f"{len(clients)} clients are allowed already; revoke some first")
        _write_clients(folder, clients | {name: public})


def revoke(folder: Path, name: str) -> None:
    """Remove a client; a running daemon drops its connections within a second.

    Parameters
    ----------
    folder
        Folder of the daemon's keys.
    name
        Name of the client.

    Raises
    ------
    KeysError
        If there is no such client.
    """
    with _writing(folder):
        clients = read_clients(folder)
        if name not in clients:
            raise KeysError(f"no client {name!r} is allowed{nearest(name, clients)}")
        del clients[name]
        _write_clients(folder, clients)


def clients_stamp(folder: Path) -> tuple[int, ...] | None:
    """Return a value that changes with the file of the clients; None if there is no file."""
    try:
        found = (folder / CLIENTS).stat()
        parent = folder.stat()
    except OSError:
        return None
    return (
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_size,
        found.st_ino,
        found.st_mode,
        parent.st_mode,
    )


def _write_clients(folder: Path, clients: dict[str, bytes]) -> None:
    lines = (f"{name} {key.decode()}\n" for name, key in sorted(clients.items()))
    _write(folder / CLIENTS, "".join(lines).encode())


def _read(path: Path) -> str | None:
    """Return a file's text; None if there is no file.

    The mode is checked on the open file: its name may mean another one a moment later.
    """
    try:
        _check_folder(path.parent)
        if path.exists() and not path.is_file():  # a pipe would wait for a writer
            raise KeysError(f"{path}: is not a file; expected one that `streamgenre keys` wrote")
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()), 0o600)
            return file.read(_MAX_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeysError(f"cannot read {path}: {error.strerror}") from error


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise KeysError(f"{folder} is not a folder; expected a folder of keys")
    _check_mode(folder, found, 0o700)


def _check_mode(path: Path, found: os.stat_result, mode: int) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise KeysError(f"{path} belongs to another user (uid {found.st_uid}); refusing to use it")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise KeysError(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}): refusing to "
            f"use it. `chmod {mode:o} {quote(str(path))}`, and make new keys where others may have "
            "read them"
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Lock the folder for writing; create it if it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise KeysError(f"cannot write {folder}: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
