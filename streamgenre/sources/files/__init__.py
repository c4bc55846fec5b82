"""Audio files, folders, playlists and raw PCM on standard input."""
