"""Models by name: which are shipped, and the folder that a name stands for."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from streamgenre.errors import ModelError, nearest
from streamgenre.inference.manifest_json import read_json
from streamgenre.inference.own_models import own_model, own_models
from streamgenre.paths import expand


def shipped_folder() -> Path:
    """Return the folder that holds the model folders shipped with streamgenre."""
    packaged = Path(str(resources.files("streamgenre"))) / "model_folders"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "models"


def shipped_models() -> list[str]:
    """Return the names of the shipped models."""
    return sorted(path.parent.name for path in shipped_folder().glob("*/manifest.json"))


def shipped_hashes() -> set[str]:
    """Return the SHA-256 of the weights of the shipped models, as their manifests say."""
    found = set()
    for name in shipped_models():
        try:
            found.add(read_json(shipped_folder() / name / "manifest.json")["sha256"]["model.onnx"])
        except (ModelError, KeyError, TypeError):
            continue  # a damaged one is reported when it is used
    return found


def like_another(name: str) -> str:
    """Return the name of a model that differs from a name only in upper and lower case, else ""."""
    others = [*shipped_models(), *own_models()]
    folded = name.casefold()
    return next((each for each in others if each != name and each.casefold() == folded), "")


def find_model(name_or_folder: str) -> Path:
    """Return the folder of a model: one that is shipped, one's own, or one at a path.

    A name stands for a shipped model before an own one, and for either before a path.

    Raises
    ------
    ModelError
        If there is none.
    """
    if not name_or_folder:  # of $UNSET; as a path it would be the current folder
        raise ModelError("an empty name; expected the name of a model or the path of its folder")
    if name_or_folder in shipped_models():
        return shipped_folder() / name_or_folder
    if own := own_model(name_or_folder):
        return own
    try:
        folder = expand(name_or_folder)
        if (folder / "manifest.json").is_file():
            return folder
        there = folder.is_dir()
    except (OSError, RuntimeError) as error:  # no access, too long a name, no such user's home
        raise ModelError(f"no model {name_or_folder!r}: cannot look there: {error}") from error
    if there:
        raise ModelError(
            f"no model in {folder}: a model folder holds manifest.json and model.onnx; "
            "`python -m train fit` writes one"
        )
    names, own_names = shipped_models(), list(own_models())
    own_ones = f", your own are {', '.join(own_names)}" if own_names else ""
    raise ModelError(
        f"no model {name_or_folder!r}: shipped are {', '.join(names) or 'none'}{own_ones}; "
        f"or give the path of a model folder{nearest(name_or_folder, [*names, *own_names])}"
    )
