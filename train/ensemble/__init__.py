"""Ensembles: the calibrated probabilities of several models averaged in one graph."""
