"""The operating system around the daemon: systemd, journal, logs, signals."""
