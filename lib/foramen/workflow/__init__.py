"""From one command to a report: `run` writes what the rules of the Snakefile read, starts Snakemake, and ends every job
on Ctrl-C; `notebook_job` executes one notebook with papermill; `progress` shows how far a study is; `exercises` writes
the notebooks for a class.
"""
