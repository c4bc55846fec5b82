"""Downloads packages of Debian and reads the files in them, archives within included."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARCHIVES: Final = frozenset({".zip", ".pk3", ".pk4", ".jar"})
"""Suffixes of zip files within packages."""
_NEEDS: Final = ("apt-get", "dpkg-deb")


def require_tools() -> None:
    """Raise :class:`TrainError` where packages of Debian cannot be fetched."""
    missing = [tool for tool in _NEEDS if shutil.which(tool) is None]
    if missing:
        raise TrainError(
            f"{' and '.join(missing)} not found: the music is in packages of Debian; run this on "
            "Debian or Ubuntu (in a container, for example), and copy the folder"
        )


def download(package: str, folder: Path) -> Path:
    """Download a package with apt, which checks its signature; return the file.

    Parameters
    ----------
    package
        Name of the package.
    folder
        Where the file is written.

    Raises
    ------
    TrainError
        If apt does not know the package or cannot download it.
    """
    try:
        result = subprocess.run(
            ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package],
            cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise TrainError(f"apt-get cannot be run: {error.strerror}") from error
    files = sorted(folder.glob("*.deb"))
    if result.returncode or not files:
        lines = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        why = lines[0].removeprefix("E: ") if lines else f"exit code {result.returncode}"
        raise TrainError(
            f"{package}: apt-get cannot download it ({why}); `sudo apt-get update` renews the "
            "list of packages"
        )
    return files[0]


def field(package: Path, name: str) -> str:
    """Return a field of a package's control file, such as ``Version``; empty without it.

    Parameters
    ----------
    package
        The ``.deb`` file.
    name
        Name of the field.
    """
    result = subprocess.run(
        ["dpkg-deb", "--field", package, name], capture_output=True, text=True, check=False
    )
    return result.stdout.strip()


def read_files(package: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield path and content of the wanted files of a package.

    Parameters
    ----------
    package
        The ``.deb`` file.
    wanted
        Whether a path is wanted: that in the package, or ``UNZ_NAME/`` and the path in its zip
        archive NAME.

    Raises
    ------
    TrainError
        If the package is damaged.
    """
    try:
        with _unpacking(package) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                path = PurePosixPath(member.name).as_posix().lstrip("./")
                if PurePosixPath(path).suffix.lower() in ARCHIVES:
                    yield from _read_archive(PurePosixPath(path).name, content, wanted)
                elif wanted(path):
                    yield path, content
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise TrainError(f"{package.name}: is damaged ({error})") from error


@contextmanager
def _unpacking(package: Path) -> Iterator[tarfile.TarFile]:
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield tar
        finally:
            process.stdout.close()


def _read_archive(
    name: str, content: IO[bytes], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, IO[bytes]]]:
    with tempfile.TemporaryFile() as copy:  # a zip file is read from its end
        shutil.copyfileobj(content, copy)
        with zipfile.ZipFile(copy) as archive:
            for member in archive.infolist():
                path = f"UNZ_{name}/{member.filename}"
                if not member.is_dir() and wanted(path):
                    with archive.open(member) as inner:
                        yield path, inner
