"""Embeddings by content: a recording that a model has heard is not heard again."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.fingerprint import VERSION as PRINT_VERSION
from streamgenre.audio.fingerprint import Fingerprint
from streamgenre.logger import get_logger
from streamgenre.paths import cache_dir
from streamgenre.sources.decoding import error_text
from streamgenre.teach.hearing import PLAN, Heard

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_BYTES: Final = 1_000_000_000
"""Size of the folder; the entries that were not used for longest are deleted beyond it."""

_log = get_logger(__name__)


def write_heard(file: IO[bytes], heard: Heard) -> None:
    """Write what was heard in a recording as a NumPy archive.

    Parameters
    ----------
    file
        Takes the archive.
    heard
        What was heard.
    """
    np.savez(
        file,
        rows=heard.rows,
        words=heard.print.words,
        audible=heard.print.audible,
        seconds=np.float64(heard.seconds),
        few=np.bool_(heard.few),
    )


def read_heard(file: IO[bytes]) -> Heard:
    """Return what :func:`write_heard` has written.

    Raises
    ------
    Exception
        Of any type, if it is damaged.
    """
    with np.load(file, allow_pickle=False) as kept:
        arrays: dict[str, Any] = dict(kept)
    return Heard(
        arrays["rows"],
        Fingerprint(arrays["words"], arrays["audible"]),
        float(arrays["seconds"]),
        bool(arrays["few"]),
    )


class EmbeddingCache:
    """Keeps what a model heard, a file per recording; without a writable folder nothing is kept.

    Parameters
    ----------
    model
        SHA-256 of the model's graph.
    folder
        The folder; None for ``teach`` in the cache folder.
    """

    def __init__(self, model: str, folder: Path | None = None) -> None:
        self._folder = folder or cache_dir() / "teach"
        self._ending = f"-{model[:16]}-{PLAN}-{PRINT_VERSION}.npz"
        self._writable = True

    def get(self, sha256: str, *, few: bool = False) -> Heard | None:
        """Return what was heard in a content; None if it is not there or damaged.

        Parameters
        ----------
        sha256
            Hash of the content.
        few
            Whether what a few stretches gave is enough.
        """
        path = self._path(sha256)
        try:
            with path.open("rb") as file:
                heard = read_heard(file)
            if heard.few and not few:
                return None
        except OSError:
            return None
        except Exception:  # noqa: BLE001 - a damaged archive raises anything; it is heard again
            return None
        with suppress(OSError):
            os.utime(path)
        return heard

    def put(self, sha256: str, heard: Heard) -> None:
        """Keep what was heard in a content.

        Parameters
        ----------
        sha256
            Hash of the content.
        heard
            What was heard.
        """
        if not self._writable:
            return
        part: Path | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(
                dir=self._folder, suffix=".part", delete=False
            ) as file:
                part = Path(file.name)
                write_heard(file, heard)
            part.replace(self._path(sha256))
            part = None
        except OSError as error:
            self._writable = False
            _log.warning(
                "%s: %s; nothing is kept for the next run", self._folder, error_text(error)
            )
        finally:
            if part is not None:
                part.unlink(missing_ok=True)

    def forget(self, contents: Collection[str]) -> None:
        """Delete what was heard in contents, by any model.

        Parameters
        ----------
        contents
            Hashes of the contents.
        """
        gone = {sha256[:32] for sha256 in contents}
        with suppress(OSError):
            for path in self._folder.glob("*.npz"):
                if path.name.split("-", 1)[0] in gone:
                    path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Delete the entries that were not used for longest, until the folder is small enough."""
        with suppress(OSError):
            entries = []
            for path in self._folder.iterdir():
                with suppress(OSError):
                    status = path.stat()
                    entries.append((status.st_mtime_ns, status.st_size, path))
            total = 0
            for _, size, path in sorted(entries, reverse=True):
                total += size
                if total > MOST_BYTES:
                    path.unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256[:32]}{self._ending}"
