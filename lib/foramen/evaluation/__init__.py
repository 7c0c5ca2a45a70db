"""From a study's trainings to its statements (notebooks 06 to 08): predictions tables, sweeps, saliency.

The statistics are those of `diagnostic_accuracy`, which knows no study. Methods here take predictions tables
(`predictions`), arrays and networks; only `step` knows the study.
"""
