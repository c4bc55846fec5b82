"""Models as one file, for a friend: a model folder in an uncompressed tar archive, and back.

An archive may come from anybody. Nothing is extracted by the names in it: of each of the four files
that a model folder consists of, the content is read, up to a limit, and checked as that of any
other model folder before it is installed.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

from streamgenre.errors import ModelError
from streamgenre.inference.files import MAX_WEIGHTS_BYTES, opened
from streamgenre.inference.manifest import (
    HEAD_FILE,
    MAX_HEAD_NUMBERS,
    Manifest,
    manifest_from,
    parse_manifest,
)
from streamgenre.inference.manifest_json import MAX_MANIFEST_BYTES, parse_json
from streamgenre.inference.model_names import like_another, shipped_models
from streamgenre.inference.models import load_model
from streamgenre.inference.new_folder import new_folder
from streamgenre.inference.own_models import MANIFEST, check_model_name, is_model

if TYPE_CHECKING:
    from pathlib import Path

_LIMITS: Final = {
    MANIFEST: MAX_MANIFEST_BYTES,
    "model.onnx": MAX_WEIGHTS_BYTES,
    HEAD_FILE: 4 * MAX_HEAD_NUMBERS,
    "README.md": 1_000_000,
}
"""The files of a model folder, and the most bytes that each may have."""
_MAX_ARCHIVE: Final = sum(_LIMITS.values()) + 100_000
"""Most bytes of an archive: its files, and a header for each."""
_MAX_MEMBERS: Final = 16
_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


def export_model(folder: Path, name: str, file: IO[bytes]) -> None:
    """Write a model folder to an archive; the same folder always gives the same bytes.

    Parameters
    ----------
    folder
        The model folder.
    name
        Name of the model, and of the folder in the archive.
    file
        A binary file, open for writing.

    Raises
    ------
    ModelError
        If the model cannot be used.
    OSError
        If the file cannot be written.
    """
    load_model(str(folder))  # a friend would only get the error later
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for inside in _LIMITS:
            path = folder / inside
            if not path.is_file():
                continue
            content = path.read_bytes()
            if inside == MANIFEST:
                content = _named(json.loads(content.decode("utf-8-sig")), name)
            header = tarfile.TarInfo(f"{name}/{inside}")
            header.size, header.mode = len(content), 0o644
            archive.addfile(header, io.BytesIO(content))


def import_model(
    archive: Path, into: Path, name: str | None = None, *, replace: bool = False
) -> Manifest:
    """Install a model from an archive, completely or not at all; return its manifest.

    Parameters
    ----------
    archive
        An uncompressed tar file; ``-`` for standard input.
    into
        Folder of one's own models.
    name
        Name of the model; None for the one in the archive.
    replace
        Whether a model of that name may be replaced.

    Raises
    ------
    ModelError
        If the archive is not that of a model, the model cannot be used, there is one of that name,
        or it cannot be written.
    """
    files = _read(archive)
    data = parse_json(archive / MANIFEST, files[MANIFEST])
    found = manifest_from(archive, data)
    if (HEAD_FILE in files) != (found.head_sha256 is not None):
        raise ModelError(f"{archive}: the manifest and {HEAD_FILE} do not belong together")
    name = _free_name(archive, found.name if name is None else name, into, replace=replace)
    files[MANIFEST] = _named(data, name)
    try:
        with new_folder(into / name) as part:
            for inside, content in files.items():
                (part / inside).write_bytes(content)
            load_model(str(part))  # hashes, graph, head, and a trial run
    except OSError as error:
        raise ModelError(f"{into / name}: cannot be written: {error.strerror}") from error
    except ModelError as error:
        # The path of a folder that is gone by now says nothing.
        raise ModelError(f"{archive}: {_from_file_name(str(error))}") from error
    return parse_manifest(into / name)


def _from_file_name(message: str) -> str:
    starts = [at for at in (message.find(f"/{inside}: ") for inside in _LIMITS) if at >= 0]
    return message[min(starts) + 1 :] if starts else message


def _named(data: dict[str, Any], name: str) -> bytes:
    return (json.dumps(data | {"name": name}, indent=2, ensure_ascii=False) + "\n").encode()


def _free_name(archive: Path, name: str, into: Path, *, replace: bool) -> str:
    try:
        name = check_model_name(name)
    except ModelError as error:
        raise ModelError(f"{archive}: {error}; give another one with --as NAME") from error
    if name in shipped_models():
        raise ModelError(
            f"{archive}: {name!r} is the name of a shipped model; give another one with --as NAME"
        )
    if other := like_another(name):
        raise ModelError(
            f"{archive}: {name!r} differs from the model {other!r} only in upper and lower case; "
            "give another name with --as NAME"
        )
    folder = into / name
    if not os.path.lexists(folder):
        return name
    if not is_model(folder):
        raise ModelError(f"{folder}: exists and is not a model folder, so it is not replaced")
    if not replace:
        raise ModelError(
            f"{archive}: there is a model {name!r} already; give another name with --as NAME, or "
            "replace it with --replace"
        )
    return name


def _read(archive: Path) -> dict[str, bytes]:
    """Return the content of the files in an archive by name."""
    try:
        with _from_stdin() if str(archive) == "-" else opened(archive) as file:
            if file.seek(0, os.SEEK_END) > _MAX_ARCHIVE:
                raise ModelError(
                    f"{archive}: larger than {_MAX_ARCHIVE} bytes; too large for a model"
                )
            file.seek(0)
            if file.read(8).startswith(_COMPRESSED):
                raise ModelError(
                    f"{archive}: this is compressed; expected an uncompressed tar file, as "
                    "`streamgenre models export` writes it"
                )
            file.seek(0)
            return _members(archive, file)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise ModelError(
            f"{archive}: not a whole tar file ({error}); expected one that `streamgenre models "
            "export` wrote"
        ) from error
    except OSError as error:
        raise ModelError(f"{archive}: {error.strerror or error}") from error


def _from_stdin() -> IO[bytes]:
    return io.BytesIO(sys.stdin.buffer.read(_MAX_ARCHIVE + 1))


def _members(archive: Path, file: IO[bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    folders: set[str] = set()
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for number, member in enumerate(tar, 1):
            path = PurePosixPath(member.name)
            inside, shown = path.name, member.name[:80]
            if number > _MAX_MEMBERS:
                raise ModelError(f"{archive}: more than {_MAX_MEMBERS} files; a model has four")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise ModelError(
                    f"{archive}: {shown!r} is a link, a device or the like; expected regular files"
                )
            if path.is_absolute() or ".." in path.parts or len(path.parts) > 2:
                raise ModelError(f"{archive}: {shown!r} leads elsewhere; expected NAME/{inside}")
            if inside not in _LIMITS or inside in found:
                raise ModelError(
                    f"{archive}: unexpected file {shown!r}; a model folder holds "
                    f"{', '.join(_LIMITS)}, once each"
                )
            folders.add(str(path.parent))
            content = tar.extractfile(member)
            if member.size > _LIMITS[inside] or content is None:
                raise ModelError(f"{archive}: {shown!r} has more than {_LIMITS[inside]} bytes")
            found[inside] = content.read()
            if len(found[inside]) != member.size:
                raise EOFError("unexpected end of data")
    missing = [inside for inside in (MANIFEST, "model.onnx") if inside not in found]
    if missing or len(folders) > 1:
        what = f"no {missing[0]} in it" if missing else "files of several folders"
        raise ModelError(f"{archive}: {what}; expected one model folder")
    return found
