"""A small trunk of our own, distilled from large ones, that hears through rooms and microphones.

Four stages, each a command (``python -m train trunk …``) that goes on where it was interrupted:

- ``prepare``: ``excerpts`` (six seconds at a time of music, speech and noise), ``teachers`` (what
  MSD_musicnn and YAMNet say of the clean sound), ``shards`` (both in files of at most 60 MB).
- ``render``: ``degrade`` (rooms, microphones, noise, codecs), ``renditions`` (frames on disk).
- ``fit``: ``students`` (the networks), ``distillation`` (the loss), ``fit_student`` (the job).
- ``export`` and ``measure``: ``streaming_graph``, ``trunk_heads``, ``trunk_figures``.
"""
