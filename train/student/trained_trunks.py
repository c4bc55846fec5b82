"""The trunks that ``train trunk fit --student whole`` has trained, by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from train.errors import TrainError
from train.student import whole
from train.student.fit_student import load, settings_of
from train.student.students import STUDENTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from train.trunk.checkpoint import Weights

NAME: Final = "whole"


def read_trunks(
    folder: Path, folds: Sequence[int | None]
) -> tuple[dict[int | None, Weights], dict[str, Any]]:
    """Return trunks by the fold that they have not heard, and a record for the manifest.

    Parameters
    ----------
    folder
        Folder of the training set.
    folds
        Which; None for the trunk that has heard all.

    Raises
    ------
    TrainError
        If one is missing or damaged.
    """
    found: dict[int | None, Weights] = {}
    for fold in folds:
        path = folder / "students" / (NAME if fold is None else f"{NAME}-without-{fold}")
        path = path.with_name(f"{path.name}.npz")
        if not path.is_file():
            without = "" if fold is None else f" --without {fold}"
            raise TrainError(
                f"{path} is missing; `python -m train trunk fit --folder {folder} "
                f"--student {NAME}{without}` trains it"
            )
        model, _, _ = load(STUDENTS[NAME], path)
        found[fold] = whole.weights_of(model)
    return found, {"student": NAME, "stages": stages(path)}


def stages(path: Path) -> list[dict[str, Any]]:
    """Return how a trunk was trained, from the first stage on.

    Parameters
    ----------
    path
        Its state; what it began with lies beside it.
    """
    settings = settings_of(path)
    if not settings:
        return []
    before = settings.pop("start", None)
    return [*(stages(path.with_name(f"{before}.npz")) if before else ()), settings]
