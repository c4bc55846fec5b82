"""The daemon's side of its workers: starting them, placing stations, containing what they do.

:class:`~streamgenre.supervisor.supervisor.Supervisor` is the
:class:`~streamgenre.supervisor.host.Host` of a daemon with workers. A
:class:`~streamgenre.supervisor.launching.Launcher` starts them: as processes of this machine, or
elsewhere.
"""
