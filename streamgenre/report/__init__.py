"""A day of one station as a picture: ``data`` collects it, ``html`` and ``figure`` draw it."""
