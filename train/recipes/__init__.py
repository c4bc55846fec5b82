"""The networks that can be trained from nothing, by name; see ``train.trunk`` for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from train.recipes import cnn, lstm

if TYPE_CHECKING:
    from train.recipes.base import Recipe

RECIPES: Final[dict[str, Recipe]] = {"lite": lstm.RECIPE, "lite-cnn": cnn.RECIPE}
