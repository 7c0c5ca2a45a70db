"""`python -m foramen.workflow` is Snakemake itself, ending with the process that started it, and in order on SIGINT."""

import signal
import sys

from snakemake.cli import main

from foramen.core import processes

processes.end_with_parent()
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
main(sys.argv[1:])
