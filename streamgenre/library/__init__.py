"""Classifies music files and folders with the sources, models and decisions of listening."""
