"""Corpora: their files, folds and frames.

``corpus`` reads a folder, ``talk_files`` the files without a genre, ``recordings`` decodes and
computes frames, ``dataset`` loads all of it for training. ``inventory`` lists files with their
artists, lengths and hashes, ``fingerprint`` finds copies of one recording, ``splitting`` makes and
checks splits, ``splitfile`` writes and reads them. ``material_kinds`` names the kinds of material
that heads are trained on.
"""
