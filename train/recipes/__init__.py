"""The networks trained from scratch, by name; see ``train.trunk`` for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from train.recipes import lite_cnn, lite_lstm

if TYPE_CHECKING:
    from train.recipes.recipe import Recipe

RECIPES: Final[dict[str, tuple[Recipe, ...]]] = {
    "lite": (lite_lstm.RECIPE, lite_cnn.RECIPE),
    "lite-lstm": (lite_lstm.RECIPE,),
    "lite-cnn": (lite_cnn.RECIPE,),
}
"""With several networks, the model is their mean."""
