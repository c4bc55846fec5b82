"""The ZeroMQ event bus and the control socket of the daemon."""
