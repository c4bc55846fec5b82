"""Reading the events of a daemon from another program."""
