"""What was on, kept in one SQLite file.

Written by a subscriber of the events (``writer``, ``recorder``, ``batch``, ``store``), off the
engine's path; read by ``query``, ``shares`` and ``playlist``; printed by ``export``. Times are UNIX
seconds throughout; ``times`` alone knows of time zones.
"""
