"""Training a network of a recipe from its first weights to a model folder."""
