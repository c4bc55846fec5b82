"""The operating system around the daemon: systemd, the journal, logs, signals."""
