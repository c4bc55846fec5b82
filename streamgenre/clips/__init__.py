"""Clips of what a model was least sure of: chosen, kept within limits, and labelled by people.

Nothing is kept unless the settings ask for it.
"""
