"""What each station played, kept in one SQLite file.

Writing, in a thread of its own: ``writer`` takes events, ``recorder`` turns them into rows
(``rows``), ``store`` writes these. Reading: ``query`` and ``shares`` return ``records``;
``airplay_log``, ``text_tables`` and ``export`` present them. Times are UNIX seconds throughout;
only ``times`` deals with time zones.
"""
