"""The terminal dashboard: a subscriber that shows what the events say.

``view`` folds events into what is shown, ``render`` turns that into rows of text, ``app`` keeps a
terminal up to date, ``lines`` is what remains of it where there is no terminal, and ``picture``
draws the same rows into an SVG file.
"""
