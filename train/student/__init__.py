"""A small trunk of our own, distilled from large ones, that hears through rooms and microphones.

Four stages, each a command (``python -m train trunk …``) that goes on where it was interrupted:

- ``prepare``: ``excerpts`` (six seconds at a time of music, speech and noise), ``teachers`` (what
  MSD_musicnn and YAMNet say of the clean sound), ``shards`` (both in files of at most 60 MB).
- ``render``: ``degrade`` (rooms, microphones, noise, codecs), ``frame_kinds`` and ``renditions``
  (frames on disk).
- ``fit``: ``students`` (which there are), ``separable`` and ``whole`` (their networks), ``lessons``
  and ``mel_rooms`` (what they hear), ``fit_student`` (the job), ``agreement``.
- ``export`` and ``measure``: ``streaming_graph``, ``student_graphs``, ``trunk_export``,
  ``trunk_figures``, ``tag_figures``; ``trained_trunks`` gives the weights of the student ``whole``
  to ``train fit --trunks``.

``answers`` and ``open-set`` let finished models answer more: ``music_windows``, ``music_head``,
``open_set``.
"""
