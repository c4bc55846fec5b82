"""The trunk's weights: the checkpoint MSD_musicnn from the wheel ``musicnn`` on PyPI.

The wheel's pinned dependencies no longer resolve, so it is downloaded alone and read as a zip
archive; nothing of it is installed or run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from train.cache import read_arrays, write_arrays
from train.errors import TrainError
from train.hashes import file_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

PACKAGE: Final = "musicnn==0.1.0"
WHEEL: Final = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256: Final = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
_FOLDER: Final = "musicnn/MSD_musicnn/"
_DOWNLOAD_SECONDS: Final = 300
_WEIGHTS: Final = "msd_musicnn.npz"


def fetch(folder: Path) -> Path:
    """Download the wheel into a folder unless it is there; return its path.

    Raises
    ------
    TrainError
        If it cannot be downloaded, or its hash is not that of the published file.
    """
    wheel = folder / WHEEL
    if not wheel.is_file():
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary=:all:", "--dest", str(folder), PACKAGE,
        ]  # fmt: skip
        try:
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().splitlines()[-1:]
            raise TrainError(
                f"pip cannot download {PACKAGE}: {' '.join(last)}; put {WHEEL} into {folder}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise TrainError(
                f"pip did not download {PACKAGE} within {_DOWNLOAD_SECONDS} s; "
                f"put {WHEEL} into {folder}"
            ) from error
        except OSError as error:
            raise TrainError(f"cannot write to {folder}: {error.strerror}") from error
    found = file_hash(wheel)
    if found != WHEEL_SHA256:
        raise TrainError(
            f"{wheel}: SHA-256 is {found[:12]}…, expected {WHEEL_SHA256[:12]}…; delete it"
        )
    return wheel


def extract(wheel: Path) -> tuple[dict[str, NDArray[np.float32]], bytes]:
    """Return the checkpoint's weights by name, and its serialised meta graph.

    Raises
    ------
    TrainError
        If the wheel does not hold the checkpoint.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="streamgenre-") as folder:
        prefix = Path(folder) / "checkpoint"
        try:
            with zipfile.ZipFile(wheel) as archive:
                # In the wheel the files have only a suffix as their name, and TensorFlow does not
                # find them.
                for suffix in (".index", ".data-00000-of-00001"):
                    prefix.with_suffix(suffix).write_bytes(archive.read(_FOLDER + suffix))
                meta = archive.read(_FOLDER + ".meta")
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise TrainError(f"{wheel}: holds no checkpoint MSD_musicnn: {error}") from error
        reader = tf.train.load_checkpoint(str(prefix))
        names = [
            name
            for name in reader.get_variable_to_shape_map()
            if "Adam" not in name and not name.endswith("_power")
        ]
        return {name: reader.get_tensor(name) for name in sorted(names)}, meta


def save(weights: Weights, folder: Path) -> Path:
    """Write weights where :func:`load` finds them; return the file's path.

    Parameters
    ----------
    weights
        The trunk's weights by name.
    folder
        Folder of the trunk.

    Raises
    ------
    TrainError
        If the file cannot be written.
    """
    path = folder / _WEIGHTS
    write_arrays(path, weights)
    return path


def load(folder: Path) -> Weights:
    """Return the trunk's weights by name.

    Raises
    ------
    TrainError
        If they are missing or damaged.
    """
    path = folder / _WEIGHTS
    if not path.is_file():
        raise TrainError(f"no trunk in {folder}; `python -m train trunk --out {folder}` fetches it")
    kept = read_arrays(path)
    if kept is None:
        raise TrainError(f"{path} is damaged; delete it and fetch it again")
    return kept
