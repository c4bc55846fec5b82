"""The networks that can be trained, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from train.recipes import cnn, lstm

if TYPE_CHECKING:
    from train.recipes.base import Recipe

RECIPES: Final[dict[str, Recipe]] = {"lstm": lstm.RECIPE, "cnn": cnn.RECIPE}
