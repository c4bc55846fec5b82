"""The loop that takes every station from its source to events."""
