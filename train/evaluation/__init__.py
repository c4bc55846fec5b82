"""How good a model is on clips it was not trained on."""
