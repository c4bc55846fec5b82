"""Subscribers that hand events on to other systems."""
