"""Corpora looked at and split: ``inspect`` and ``split``.

``fingerprint`` finds copies of one recording, ``listing`` reads files with their artists, lengths
and hashes, ``splitting`` makes and checks splits, ``splitfile`` writes them down and reads them.
"""
