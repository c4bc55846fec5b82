"""Several model folders as one: their calibrated probabilities are averaged in one graph."""
