"""The list of free music, speech and sounds in packages of Debian: which files, and their roles.

``free_music.csv`` names tracks of games in Debian main: package, path in it, length and role. A
path that begins with ``UNZ_NAME/`` lies within the archive NAME of the package, a zip file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeAlias, get_args

from train.errors import TrainError

Role: TypeAlias = Literal["music", "speech", "ambience", "effects"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""``effects`` are short sounds of the same packages that the table does not name."""
TABLE: Final = Path(__file__).with_name("free_music.csv")
SPEECH_PACKAGES: Final = (
    *("fillets-ng-data-cs", "fillets-ng-data-nl", "klettres-data"),
    *(f"asterisk-core-sounds-{language}-wav" for language in ("en", "es", "fr", "it", "ru")),
)
"""Packages of speech; all their audio is of that role, besides what the table says."""
HELD_OUT: Final = frozenset(
    {
        *("marsshooter-data", "fretsonfire-songs-muldjord", "fretsonfire-songs-sectoid"),
        *("openclonk-data", "widelands-data", "asterisk-moh-opsound-wav"),
    }
)
"""Packages that measure finished models: nothing of them is fetched."""
HELD_OUT_SOUNDS: Final = frozenset(
    {
        *("0ad-data", "ardentryst", "btanks-data", "caveexpress-data", "codec2-examples"),
        *("colobot-common-sounds", "endless-sky-data", "flare-game", "hyperrogue-music"),
        *("lugaru-data", "megaglest-data"),
    }
)
"""Packages whose ambience and effects measure finished models; only their music is fetched."""
SUFFIXES: Final = frozenset({".ogg", ".oga", ".opus", ".wav", ".mp3", ".flac"})
_COLUMNS: Final = ("package", "path", "seconds", "role")


@dataclass(frozen=True, slots=True)
class Track:
    """A file of the table."""

    package: str
    path: str
    """Path in the package, or ``UNZ_NAME/`` and the path in its archive NAME."""
    seconds: float
    role: Role


def read_tracks(table: Path = TABLE) -> tuple[Track, ...]:
    """Return the tracks of a table, without those that are held out.

    Parameters
    ----------
    table
        CSV with the columns package, path, seconds and role.

    Raises
    ------
    TrainError
        If the table cannot be read or a row is not valid.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainError(f"{table}: cannot be read as CSV in UTF-8: {error}") from error
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise TrainError(f"{table}: expected rows with the columns {', '.join(_COLUMNS)}")
    tracks = [_track(table, number, row) for number, row in enumerate(rows, 2)]
    return tuple(
        track
        for track in tracks
        if track.package not in HELD_OUT
        and (track.role == "music" or track.package not in HELD_OUT_SOUNDS)
    )


def _track(table: Path, line: int, row: dict[str, str]) -> Track:
    package, path, seconds, role = (row[column] or "" for column in _COLUMNS)
    try:
        length = float(seconds)
    except ValueError:
        length = -1.0
    if role not in ROLES or not package or not path or not length >= 0:
        raise TrainError(
            f"{table}, line {line}: expected a package, a path, a length in seconds and one of "
            f"{', '.join(ROLES)}; found {package!r}, {path!r}, {seconds!r}, {role!r}"
        )
    return Track(package, path, length, role)


def packages_of(tracks: tuple[Track, ...], roles: frozenset[Role]) -> tuple[str, ...]:
    """Return the packages that contain something of the given roles, sorted.

    Parameters
    ----------
    tracks
        The table.
    roles
        Wanted roles.
    """
    found = {track.package for track in tracks if track.role in roles}
    if "speech" in roles:
        found.update(SPEECH_PACKAGES)
    if "effects" in roles:
        found.update({track.package for track in tracks} - HELD_OUT_SOUNDS)
    return tuple(sorted(found - HELD_OUT))


def role_of(package: str, path: str, named: dict[str, Role]) -> Role | None:
    """Return the role of a file in a package; None if it is not wanted at all.

    Parameters
    ----------
    package
        Name of the package.
    path
        Path as in the table.
    named
        The table's roles of this package by path.
    """
    if path in named:
        return named[path]
    if PurePosixPath(path).suffix.lower() not in SUFFIXES or package in HELD_OUT:
        return None
    if package in SPEECH_PACKAGES:
        return "speech"
    return None if package in HELD_OUT_SOUNDS else "effects"
