"""The command ``streamgenre``: one thin module per command, loaded when it is called."""

from streamgenre.cli.entry import extra_for, main
from streamgenre.cli.output import drop_output

__all__ = ["drop_output", "extra_for", "main"]
