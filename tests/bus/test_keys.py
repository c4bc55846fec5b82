"""Key files: created with restrictive modes, rejected with permissive ones."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from support.commands import streamgenre

from streamgenre.bus.keys import (
    CLIENTS,
    SECRET,
    allow,
    check_public,
    default_folder,
    new_pair,
    read_clients,
    read_pair,
    revoke,
)
from streamgenre.errors import KeysError

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read_a_new_key_pair(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "keys"
    before = os.umask(0)  # the most permissive one
    try:
        pair = new_pair(folder)
        allow(folder, "a", new_pair(tmp_path / "a").public.decode())
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(folder / SECRET) == mode(folder / CLIENTS) == 0o600
    assert read_pair(folder) == pair
    assert pair.secret.decode() not in repr(pair)


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o660, 0o622])
@pytest.mark.parametrize("name", [SECRET, CLIENTS])
def test_a_file_open_to_others_is_rejected(tmp_path: Path, name: str, loose: int) -> None:
    folder = tmp_path / "keys"
    pair = new_pair(folder)
    allow(folder, "self", pair.public.decode())
    (folder / name).chmod(loose)
    with pytest.raises(KeysError, match=rf"open to other users.*chmod 600 .*{name}") as caught:
        read_pair(folder) if name == SECRET else read_clients(folder)
    assert pair.secret.decode() not in str(caught.value)
    (folder / name).chmod(0o600)
    assert read_pair(folder) == pair
    assert read_clients(folder) == {"self": pair.public}


def test_a_folder_open_to_others_is_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    new_pair(folder)
    folder.chmod(0o770)
    with pytest.raises(KeysError, match="chmod 700"):
        read_pair(folder)
    with pytest.raises(KeysError, match="chmod 700"):
        allow(folder, "a", new_pair(tmp_path / "a").public.decode())


def test_a_key_pair_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    pair = new_pair(tmp_path / "keys")
    with pytest.raises(KeysError, match="exists already"):
        new_pair(tmp_path / "keys")
    assert read_pair(tmp_path / "keys") == pair
    assert new_pair(tmp_path / "keys", replace=True) != pair


def test_public_keys_need_no_quotes(tmp_path: Path) -> None:
    for n in range(5):
        public = new_pair(tmp_path / str(n)).public.decode()
        assert not set(public) & set(" \t'\"\\$!*?&<>()[]{}#~`|;")
        assert not public.startswith("-")


@pytest.mark.parametrize("key", ["", "abc", "~" * 40, "#" * 40, "ü" * 40, "a" * 41, "a" * 39])
def test_an_invalid_key_is_rejected(key: str) -> None:
    with pytest.raises(KeysError, match="not a public key: expected the 40 characters"):
        check_public(key)


def test_allow_and_revoke_keep_the_list_correct(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    one, two = (new_pair(tmp_path / n).public.decode() for n in ("1", "2"))
    allow(folder, "one", one)
    allow(folder, "one", one)  # adding twice has no further effect
    with pytest.raises(KeysError, match="revoke one"):
        allow(folder, "one", two)
    with pytest.raises(KeysError, match="already, as one"):
        allow(folder, "uno", one)
    for name in ("", "a b", "../x", "a\nb", "-x", "x" * 65):
        with pytest.raises(KeysError, match="not a name"):
            allow(folder, name, two)
    with pytest.raises(KeysError, match="did you mean 'one'"):
        revoke(folder, "onne")
    assert read_clients(folder) == {"one": one.encode()}
    revoke(folder, "one")
    assert read_clients(folder) == {}


@pytest.mark.parametrize("line", ["one", "one two three", "a b\n", "x y"])
def test_a_damaged_list_is_reported_with_its_line(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "keys"
    new_pair(folder)
    (folder / CLIENTS).write_text(f"# friends\n{line}\n")
    (folder / CLIENTS).chmod(0o600)
    with pytest.raises(KeysError, match="line 2"):
        read_clients(folder)


def test_keys_are_looked_up_in_the_documented_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "streamgenre" / "keys"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the standard says to ignore it
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".config" / "streamgenre" / "keys"


def test_the_command_works(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    folder = tmp_path / "streamgenre" / "keys"
    missing = streamgenre("keys", "show", env=env)
    assert missing.returncode == 1
    assert "streamgenre keys new" in missing.stderr
    made = streamgenre("keys", "new", env=env)
    assert made.returncode == 0
    assert read_pair(folder).public.decode() == made.stdout.strip()
    other = new_pair(tmp_path / "other").public.decode()
    assert streamgenre("keys", "allow", "laptop", other, env=env).returncode == 0
    shown = streamgenre("keys", "show", env=env).stdout
    assert shown == f"{made.stdout.strip()}\nallowed: laptop {other}\n"
    assert read_pair(folder).secret.decode() not in shown
    assert streamgenre("keys", "revoke", "laptop", env=env).returncode == 0
    for wrong in (("allow", "x", "y"), ("revoke", "laptop"), ("new",)):
        done = streamgenre("keys", *wrong, env=env)
        assert done.returncode == 1
        assert done.stderr.startswith("streamgenre: error: ")
        assert "Traceback" not in done.stderr
    (folder / SECRET).chmod(0o644)
    assert "chmod 600" in streamgenre("keys", "show", env=env).stderr


@pytest.mark.parametrize("text", ["", "short\n", "~" * 40 + "\n"])
def test_a_damaged_secret_key_is_explained(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "keys"
    new_pair(folder)
    (folder / SECRET).write_text(text)
    with pytest.raises(KeysError, match=r"secret\.key is damaged: expected 40 characters"):
        read_pair(folder)


def test_what_is_no_folder_is_refused_without_harmful_advice(tmp_path: Path) -> None:
    """``chmod 700 /dev/null`` would break a machine."""
    folder = tmp_path / "keys"
    folder.write_text("")
    folder.chmod(0o666)
    with pytest.raises(KeysError, match="is not a folder") as caught:
        read_pair(folder)
    assert "chmod" not in str(caught.value)
