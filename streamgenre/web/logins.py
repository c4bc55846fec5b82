"""The file of the password and the tokens: who may use the page.

It has mode 0600 and holds no password and no token, only their hashes, and the secret that signs
sessions. A file that other users can read or write is refused, not repaired.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import tempfile
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 1000
"""Characters of a password."""
MAX_TOKENS: Final = 1000
_MAX_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH: Final = re.compile(r"scrypt:([0-9]{1,7}):([0-9]{1,2}):([0-9]{1,2}):([^:]+):([^:]+)")
_N, _R, _P = 1 << 14, 8, 5
"""Cost of a password's hash: 16 MB of memory, and a quarter to one second."""
_MAX_MEMORY: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Logins:
    """Who may use the page."""

    password: str | None = field(default=None, repr=False)
    """Hash of the password; None if there is none."""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of each token by its name."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Signs the sessions; random for each file."""

    def token_name(self, token: str) -> str | None:
        """Return the name of a token; None if it is unknown."""
        found = None
        digest = _digest(token)
        for name, known in self.tokens.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def accepts(self, password: str) -> bool:
        """Return whether a password is right; takes up to a second."""
        match = _HASH.fullmatch(self.password or "")
        if match is None or len(password) > MAX_PASSWORD:
            return False
        n, r, p = map(int, match.groups()[:3])
        salt, expected = map(base64.b64decode, match.groups()[3:])
        return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


# ---- reading ------------------------------------------------------------------------------------


def stamp(path: Path) -> tuple[int, ...] | None:
    """Return a value that changes with the file; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)


def read_logins(path: Path) -> Logins | None:
    """Return what the file says; None if there is no file.

    Raises
    ------
    SettingsError
        If other users can read or write the file, or it cannot be used.
    """
    try:
        if path.exists() and not path.is_file():
            raise SettingsError(f"{path}: is not a file; expected one of `streamgenre web passwd`")
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SettingsError(
                    f"{path}: has mode {mode:o}, so that other users may have read or changed it; "
                    f"remove it and set a new password with `streamgenre web passwd`"
                )
            data = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read: {error.strerror}; run `streamgenre web passwd` as the user "
            "that serves the page, for the service: `sudo -u streamgenre streamgenre web passwd`"
        ) from error
    return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> Logins:
    try:
        values = json.loads(data)
        password, tokens, secret = values["password"], values["tokens"], values["secret"]
        sound = (
            (password is None or _HASH.fullmatch(password) is not None)
            and all(_NAME.fullmatch(name) and len(hashed) == 64 for name, hashed in tokens.items())
            and isinstance(secret, str)
            and len(secret) >= 32
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise SettingsError(
            f"{path}: is damaged; remove it and set the password again with `streamgenre web "
            "passwd`"
        )
    return Logins(password, tokens, secret)


# ---- writing ------------------------------------------------------------------------------------


def set_password(path: Path, password: str) -> None:
    """Set the password; all sessions end.

    Parameters
    ----------
    path
        The file; created if it is missing.
    password
        The new password.

    Raises
    ------
    SettingsError
        If it is too short or too long, or the file cannot be written.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise SettingsError(
            f"a password of {len(password)} characters: expected {MIN_PASSWORD} to {MAX_PASSWORD}"
        )
    salt = secrets.token_bytes(16)
    parts = map(base64.b64encode, (salt, _scrypt(password, salt, _N, _R, _P)))
    hashed = ":".join(["scrypt", f"{_N}:{_R}:{_P}", *(part.decode() for part in parts)])
    with _changing(path) as logins:
        _write(path, replace(logins, password=hashed))


def remove_password(path: Path) -> None:
    """Remove the password; all sessions end, tokens stay.

    Raises
    ------
    SettingsError
        If there is no password, or the file cannot be written.
    """
    with _changing(path) as logins:
        if logins.password is None:
            raise SettingsError(f"there is no password in {path}")
        _write(path, replace(logins, password=None))


def add_token(path: Path, name: str) -> str:
    """Make a token and return it; only its hash is kept.

    Parameters
    ----------
    path
        The file; created if it is missing.
    name
        A name for the token, to revoke it by.

    Raises
    ------
    SettingsError
        If the name is malformed or taken, or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is not a name for a token: expected up to 64 letters, digits, dots, hyphens "
            "and underscores"
        )
    token = f"sg_{secrets.token_urlsafe(32)}"
    with _changing(path) as logins:
        if name in logins.tokens:
            raise SettingsError(f"there is a token {name!r}; `streamgenre web token revoke {name}`")
        if len(logins.tokens) >= MAX_TOKENS:
            raise SettingsError(f"there are {MAX_TOKENS} tokens already; revoke some first")
        _write(path, replace(logins, tokens=logins.tokens | {name: _digest(token)}))
    return token


def revoke_token(path: Path, name: str) -> None:
    """Remove a token; it is refused at once.

    Parameters
    ----------
    path
        The file.
    name
        Name of the token.

    Raises
    ------
    SettingsError
        If there is no such token, or the file cannot be written.
    """
    with _changing(path) as logins:
        if name not in logins.tokens:
            raise SettingsError(f"there is no token {name!r}{nearest(name, logins.tokens)}")
        rest = {each: hashed for each, hashed in logins.tokens.items() if each != name}
        _write(path, replace(logins, tokens=rest))


@contextmanager
def _changing(path: Path) -> Iterator[Logins]:
    """Yield what the file says while no other process can change it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SettingsError(f"{path.parent}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield read_logins(path) or Logins()
    finally:
        os.close(folder)


def _write(path: Path, logins: Logins) -> None:
    path = path.resolve()  # a link stays one
    values = {"password": logins.password, "tokens": logins.tokens, "secret": logins.secret}
    try:
        # The mode is 0600 from the start; the name appears when the content is on the disk.
        handle, name = tempfile.mkstemp(prefix=".web-login-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(values, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error
