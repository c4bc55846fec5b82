"""A user without a home folder and without an entry in the user database, as in containers."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Final

import pytest
from support.commands import COMMAND, events_of, free_endpoint
from support.requirements import require_programs

if TYPE_CHECKING:
    from pathlib import Path

UID: Final = 12_345
BECOME: Final = (
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    # May read everything, as the interpreter may lie in root's own folder; may write nothing.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


def as_unknown_user(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user that the system does not know, with an empty environment."""
    require_programs("setpriv")
    if os.geteuid() != 0:
        pytest.skip("needs root, to become a user without an entry")
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)
    environment = {"PATH": os.environ["PATH"], "PULSE_SERVER": "unix:/nonexistent"}
    if subprocess.run([*BECOME, "true"], env=environment, check=False).returncode:
        pytest.skip("this root may not give capabilities away")
    return subprocess.run(
        [*BECOME, *COMMAND, *map(str, arguments)],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("keep", ["live", "all"])
def test_the_daemon_listens_and_reports_that_it_cannot_keep_a_history(
    keep: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'history.keep = "{keep}"\n[[station]]\nname = "a"\ninput = "demo"\n')
    flags = ("--pace", "fast", "--duration", "3", "--json", "--publish", free_endpoint())
    done = as_unknown_user("listen", "--config", config, *flags, cwd=tmp_path)
    assert done.returncode == 0
    assert sum(e["type"] == "update" for e in events_of(done.stdout)) == 3
    assert ("the history cannot be written" in done.stderr) == (keep == "all")


def test_encryption_without_keys_is_explained(tmp_path: Path) -> None:
    flags = ("--input", "demo", "--encrypt", "--publish", free_endpoint())
    done = as_unknown_user("listen", *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("streamgenre: error: ")
    assert "streamgenre keys new" in done.stderr


@pytest.mark.parametrize("command", ["config show", "doctor", "keys show", "history now"])
def test_no_other_command_fails(command: str, tmp_path: Path) -> None:
    done = as_unknown_user(*command.split(), cwd=tmp_path)
    assert done.returncode in (0, 1)
    for words in ("internal error", "Traceback", "the check itself failed"):
        assert words not in done.stderr + done.stdout
