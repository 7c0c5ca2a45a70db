"""`python -m foramen` is the command `foramen`; the workflow calls it this way, whatever PATH says."""

import sys

from foramen.cli import main

sys.exit(main())
