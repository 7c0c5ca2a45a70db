"""`python -m foramen.workflow` is Snakemake itself, ending with the process that started it."""

import sys

from snakemake.cli import main

from foramen.workflow import notebook_job

notebook_job.end_with_parent()
main(sys.argv[1:])
