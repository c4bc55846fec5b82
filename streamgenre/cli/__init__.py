"""The command ``streamgenre``: one thin module per command, loaded when it is called."""

from streamgenre.cli.entry import drop_output, extra_for, main

__all__ = ["drop_output", "extra_for", "main"]
