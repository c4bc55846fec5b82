"""``python -m streamgenre`` is the command ``streamgenre``."""

import sys

from streamgenre.cli import main

if __name__ == "__main__":
    sys.exit(main())
