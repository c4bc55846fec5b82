"""The networks that can be trained from nothing, by name; see ``train.trunk`` for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from train.recipes import cnn, lstm

if TYPE_CHECKING:
    from train.recipes.base import Recipe

RECIPES: Final[dict[str, tuple[Recipe, ...]]] = {
    "lite": (lstm.RECIPE, cnn.RECIPE),
    "lite-lstm": (lstm.RECIPE,),
    "lite-cnn": (cnn.RECIPE,),
}
"""Where there are several networks the model is the mean of them."""
