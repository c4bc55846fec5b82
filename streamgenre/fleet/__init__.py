"""Workers on the machines of a Ray cluster, for the daemon in front of them.

Ray starts them, places them by CPUs and says when they are gone (``launching``, ``actor``). It
carries neither audio nor events nor secrets: commands and events go over ZeroMQ with CURVE (``hub``
on the daemon's side, ``link`` on the worker's).
"""
