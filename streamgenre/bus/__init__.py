"""The ZeroMQ event bus and control socket of the daemon."""
