"""`python -m foramen` is the command `foramen`; the workflow calls it this way, whatever PATH says."""

import platform
import sys

try:
    from foramen.cli import main
except ModuleNotFoundError as missing:
    needed = (
        "foramen needs Python 3.11 (3.11.5 or later) with the packages of requirements.txt, as `make` puts it in .venv/"
    )
    sys.exit(f"{missing}: {needed}; this is Python {platform.python_version()}, {sys.executable}")

sys.exit(main())
