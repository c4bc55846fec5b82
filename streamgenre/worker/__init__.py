"""A worker: the sources, engine and models of some stations, in this process or in one of its own.

:class:`~streamgenre.worker.unit.Unit` is the work itself. :func:`~streamgenre.worker.serve.serve`
lets another process direct it over a :class:`~streamgenre.worker.link.Link`.
"""
