"""Training recipes of several networks: each is trained alone; the model is their mean."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamgenre.inference.manifest import LOGITS, read_manifest
from streamgenre.inference.models import load_model
from train import model_folder
from train.corpora.dataset import check_data
from train.ensemble.averaging import average
from train.evaluation.held_out import HeldOut
from train.fitting.train_network import train_model
from train.manifest_writer import method_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.inference.manifest import Manifest
    from train.corpora.dataset import Data
    from train.fitting.train_network import Job


def train_ensemble(jobs: Sequence[Job], name: str, data: Data) -> dict[str, Any]:
    """Train networks, average those of every fold and those of all clips; return the manifest.

    Parameters
    ----------
    jobs
        The training jobs, equal except for recipe, settings and reporter.
    name
        Name of the whole recipe.
    data
        The corpus with its frames.

    Raises
    ------
    TrainError
        If there is too little data, or the folder cannot be written.
    """
    whole = jobs[0]
    check_data(data, folds=whole.folds)
    model_folder.check_out(whole.out, replace=whole.replace)
    with tempfile.TemporaryDirectory(prefix="streamgenre-") as folder:
        work = Path(folder)
        for job in jobs:
            own = job.recipe.name
            kept = work / "folds" / own if job.folds else None
            train_model(replace(job, out=work / own, fold_models=kept, replace=False), data)
        members = [read_manifest(work / job.recipe.name) for job in jobs]
        more = _about(name, members)
        if whole.folds:
            more |= _measured(jobs, data, work, more)
        manifest, _ = average(members, whole.out, whole.command, replace=whole.replace, more=more)
    return manifest


def _about(name: str, members: Sequence[Manifest]) -> dict[str, Any]:
    """Return the manifest entries about all members together."""
    made = [member.raw["training"] for member in members]
    return {
        "training": {
            "recipe": name,
            "description": "the mean of the calibrated probabilities of separately trained "
            "networks: " + "; ".join(f"**{one['recipe']}**, {one['description']}" for one in made),
            "seed": made[0]["seed"],
            "parameters": sum(one["parameters"] for one in made),
            "corpus": made[0]["corpus"],
            "versions": made[0]["versions"],
        }
    }


def _measured(jobs: Sequence[Job], data: Data, work: Path, more: dict[str, Any]) -> dict[str, Any]:
    """Average the models of every fold, and run each on its held-out fold."""
    whole = jobs[0]
    held_out = HeldOut()
    of_folds = {
        fold: [
            read_manifest(work / "folds" / job.recipe.name / f"{model_folder.FOLD}{fold}")
            for job in jobs
        ]
        for fold in data.corpus.measured
    }
    for fold, members in of_folds.items():
        whole.reporter.note(f"playing fold {fold} to the mean of its models")
        out = work / "averaged" / f"{fold}"
        average(members, out, whole.command, with_card=False)
        held_out.run(load_model(str(out), trusted=True), data, fold)

    def calibration(without: int | None = None) -> dict[str, Any]:
        return {"temperature": round(held_out.temperatures(without=without)[LOGITS], 4)}

    if whole.fold_models is not None:
        for fold, members in of_folds.items():
            training = more["training"] | {"without_fold": fold}
            average(
                members,
                whole.fold_models / f"{model_folder.FOLD}{fold}",
                whole.command,
                name=f"{whole.out.name} without fold {fold}",
                replace=True,
                more={"calibration": calibration(fold), "training": training},
                with_card=False,
            )
    fitted = calibration()
    figures = held_out.figures(data.corpus.labels, fitted["temperature"])
    return {
        "calibration": fitted,
        "evaluation": {"method": method_of(data.corpus), **figures},
    }
