"""A folder of free music on disk: fetched package by package, with hashes and credits.

``FOLDER/ROLE/PACKAGE/FILE`` are the files. ``FOLDER/packages/PACKAGE.json`` is written last, so a
package is either complete or fetched again; ``PACKAGE.copyright`` is its ``debian/copyright``.
``FOLDER/ATTRIBUTION.md`` credits what is there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from train.corpora import debian_package
from train.corpora.attribution import UNSTATED, Credit, credits_of
from train.corpora.free_music import ROLES, Role, Track, role_of
from train.errors import TrainError
from train.hashes import file_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EFFECT_BYTES: Final = 2_000_000
"""A larger file that the table does not name is no short sound."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Package:
    """What was fetched of one package."""

    name: str
    version: str
    homepage: str
    sha256: str
    """SHA-256 of the ``.deb`` file."""
    roles: tuple[Role, ...]
    """Roles that were asked for."""
    files: tuple[dict[str, str], ...]
    """``path`` in the package, ``file`` below the folder, ``role``, ``sha256``."""
    missing: tuple[str, ...]
    """Paths of the table that this version of the package lacks."""
    credits: tuple[Credit, ...]


class MusicFolder:
    """Free music on disk.

    Parameters
    ----------
    folder
        The folder; created when something is fetched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def package(self, name: str) -> Package | None:
        """Return what was fetched of a package; None if it is not complete."""
        try:
            held = json.loads(self._record(name).read_text("utf-8"))
            found = Package(
                **{
                    **held,
                    "roles": tuple(held["roles"]),
                    "files": tuple(held["files"]),
                    "missing": tuple(held["missing"]),
                    "credits": tuple(Credit(**credit) for credit in held["credits"]),
                }
            )
            there = all((self.folder / each["file"]).is_file() for each in found.files)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if there else None

    def fetch(self, name: str, tracks: Sequence[Track], roles: frozenset[Role]) -> Package:
        """Fetch the files of some roles from a package, unless they are there.

        Parameters
        ----------
        name
            Name of the package.
        tracks
            The table; rows of other packages are ignored.
        roles
            Wanted roles; those fetched earlier are kept.

        Raises
        ------
        TrainError
            If the package cannot be downloaded or read, or the folder not written.
        """
        known = self.package(name)
        if known is not None and roles <= set(known.roles):
            return known
        wanted = roles | set(known.roles if known else ())
        named = {track.path: track.role for track in tracks if track.package == name}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=self.folder) as temporary:
                part = Path(temporary)
                deb = debian_package.download(name, part)
                files = self._unpack(name, deb, part, named, wanted)
                package = self._keep(name, deb, part, files, named, wanted)
        except OSError as error:
            raise TrainError(
                f"{self.folder}: cannot be written ({error.strerror or error})"
            ) from error
        self.write_attribution()
        return package

    def _unpack(
        self, name: str, deb: Path, part: Path, named: dict[str, Role], wanted: frozenset[Role]
    ) -> list[dict[str, str]]:
        """Extract the wanted files and the copyright file into ``part``."""
        licence = f"usr/share/doc/{name}/copyright"

        def is_wanted(path: str) -> bool:
            return path == licence or role_of(name, path, named) in wanted

        files = []
        for path, content in debian_package.read_files(deb, is_wanted):
            if path == licence:
                (part / "copyright").write_bytes(content.read())
                continue
            role = role_of(name, path, named)
            assert role is not None
            limit = None if path in named or role == "speech" else MAX_EFFECT_BYTES
            file = f"{role}/{name}/{_flat(path)}"
            sha256 = _copy(content, part / file, limit)
            if sha256 is not None:
                files.append({"path": path, "file": file, "role": role, "sha256": sha256})
        return sorted(files, key=lambda each: each["file"])

    def _keep(
        self, name: str, deb: Path, part: Path, files: list[dict[str, str]],
        named: dict[str, Role], wanted: frozenset[Role],
    ) -> Package:  # fmt: skip
        """Move what was extracted into place and record it."""
        record = self._record(name)
        record.parent.mkdir(exist_ok=True)
        record.unlink(missing_ok=True)
        for role in ROLES:
            there, fresh = self.folder / role / name, part / role / name
            shutil.rmtree(there, ignore_errors=True)
            if fresh.is_dir():
                there.parent.mkdir(exist_ok=True)
                fresh.rename(there)
        licences: tuple[Credit, ...] = (Credit(UNSTATED, ""),)
        if (part / "copyright").is_file():
            (part / "copyright").rename(record.with_suffix(".copyright"))
            paths = [each["path"] for each in files]
            licences = tuple(credits_of(record.with_suffix(".copyright"), paths))
        asked = {path for path, role in named.items() if role in wanted}
        package = Package(
            name=name,
            version=debian_package.field(deb, "Version"),
            homepage=debian_package.field(deb, "Homepage"),
            sha256=file_hash(deb),
            roles=tuple(sorted(wanted)),
            files=tuple(files),
            missing=tuple(sorted(asked - {each["path"] for each in files})),
            credits=licences,
        )
        written = record.with_suffix(".new")
        written.write_text(json.dumps(asdict(package), indent=1, ensure_ascii=False), "utf-8")
        written.replace(record)
        return package

    def _record(self, name: str) -> Path:
        return self.folder / "packages" / f"{name}.json"

    def packages(self) -> list[Package]:
        """Return the complete packages, sorted by name."""
        names = sorted(path.stem for path in (self.folder / "packages").glob("*.json"))
        return [package for name in names if (package := self.package(name)) is not None]

    def write_attribution(self) -> Path:
        """Write the credits of everything in the folder; return the file."""
        path = self.folder / "ATTRIBUTION.md"
        path.write_text(attribution(self.packages()), "utf-8")
        return path


def attribution(packages: Sequence[Package]) -> str:
    """Return the credits of packages as Markdown.

    Parameters
    ----------
    packages
        The packages.
    """
    lines = [
        "# Attribution", "",
        "Audio from packages of Debian, by package, licence and holder of the copyright. The full "
        "texts are in `packages/NAME.copyright`.",
    ]  # fmt: skip
    for package in packages:
        home = f", {package.homepage}" if package.homepage else ""
        lines += ["", f"## {package.name} {package.version}{home}", ""]
        for credit in package.credits:
            holders = f": {_escaped(credit.holders)}" if credit.holders else ""
            lines.append(f"- {_escaped(credit.licence)}{holders}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", text)


def _flat(path: str) -> str:
    """Return a path as one safe file name, unique for the path."""
    name = re.sub(r"[^\w.() -]+", "_", path.removeprefix("usr/share/").replace("/", "__"))
    mark = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:8]
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[-150:]}-{mark}{dot}{suffix}"


def _copy(content: IO[bytes], path: Path, limit: int | None) -> str | None:
    """Write a file and return its SHA-256; None, and no file, if it is larger than ``limit``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if limit is not None and size > limit:
                break
            file.write(chunk)
    if limit is not None and size > limit:
        path.unlink()
        return None
    return digest.hexdigest()


def summary(package: Package | None, tracks: Sequence[Track], name: str) -> dict[str, Any]:
    """Return a row of the list of packages.

    Parameters
    ----------
    package
        What was fetched of it; None for nothing.
    tracks
        The table.
    name
        Name of the package.
    """
    own = [track for track in tracks if track.package == name]
    return {
        "package": name,
        "tracks": len(own),
        "seconds": round(sum(track.seconds for track in own), 1),
        "roles": sorted({track.role for track in own}),
        "fetched": sorted(package.roles) if package else [],
        "files": len(package.files) if package else 0,
        "missing": list(package.missing) if package else [],
        "licences": sorted({credit.licence for credit in package.credits}) if package else [],
    }
