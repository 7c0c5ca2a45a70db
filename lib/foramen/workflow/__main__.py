"""`python -m foramen.workflow` is Snakemake itself, ending with the process that started it."""

import sys

from snakemake.cli import main

from foramen.core import processes

processes.end_with_parent()
main(sys.argv[1:])
